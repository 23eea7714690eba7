#include "trailer.h"

#include "text.h"

static uint64_t read_le(const uint8_t *at, int size) {
  uint64_t value = 0;
  for (int i = size - 1; i >= 0; i--) value = value << 8 | at[i];
  return value;
}

bool is_version_text(const char *bytes, size_t length) {
  if (length == 0 || length > VERSION_SIZE) return false;
  for (size_t i = 0; i < length; i++) {
    char c = bytes[i];
    if (c <= ' ' || c > '~' || c == '"' || c == '\\') return false;
  }
  return true;
}

static bool read_version(const uint8_t *at, char version[VERSION_SIZE + 1]) {
  size_t length = 0;
  while (length < VERSION_SIZE && at[length] != 0) length++;
  for (size_t i = length; i < VERSION_SIZE; i++)
    if (at[i] != 0) return false;
  __builtin_memcpy(version, at, length);
  version[length] = 0;
  return is_version_text(version, length);
}

static bool is_zero(const uint8_t *at, size_t size) {
  for (size_t i = 0; i < size; i++)
    if (at[i] != 0) return false;
  return true;
}

const char *read_trailer(const uint8_t bytes[TRAILER_SIZE], uint64_t file_size, Trailer *trailer) {
  uint8_t digest[SHA256_SIZE];
  if (!same_bytes(bytes, (const uint8_t *)"MYCPAYL1", 8))
    return "it has no payload (or is cut off)";
  sha256_of(bytes, 4064, digest);
  if (!same_bytes(digest, bytes + 4064, SHA256_SIZE)) return "its trailer is damaged";
  trailer->format = (uint32_t)read_le(bytes + 8, 4);
  if (trailer->format != TRAILER_FORMAT) return "its trailer has a format that is not known here";
  trailer->flags = (uint32_t)read_le(bytes + 12, 4);
  trailer->machine = (uint16_t)read_le(bytes + 16, 2);
  trailer->state_format = (uint32_t)read_le(bytes + 20, 4);
  trailer->payload_offset = read_le(bytes + 24, 8);
  trailer->payload_size = read_le(bytes + 32, 8);
  trailer->core_size = read_le(bytes + 40, 8);
  __builtin_memcpy(trailer->core_sha256, bytes + 48, SHA256_SIZE);
  __builtin_memcpy(trailer->payload_sha256, bytes + 80, SHA256_SIZE);
  __builtin_memcpy(trailer->launcher_sha256, bytes + 144, SHA256_SIZE);
  if ((trailer->flags & ~TRAILER_FLAG_FILTERED) != 0)
    return "its trailer has flags that are not known here";
  if (!read_version(bytes + 112, trailer->version)) return "its trailer has no version";
  if (!is_zero(bytes + 18, 2) || !is_zero(bytes + 176, 4064 - 176)) return "its trailer is damaged";
  if (trailer->core_size == 0 || trailer->core_size > CORE_SIZE_MAX)
    return "its core has no possible size";
  if (file_size < TRAILER_SIZE || trailer->payload_size == 0 ||
      trailer->payload_offset > file_size - TRAILER_SIZE ||
      trailer->payload_size != file_size - TRAILER_SIZE - trailer->payload_offset)
    return "it is cut off, or something was added to it";
  return 0;
}
