#include "address.h"

#include "../launcher/text.h"

static bool read_v4(const char *text, size_t length, uint8_t bytes[4]) {
  size_t part = 0, start = 0;
  for (size_t i = 0; i <= length; i++) {
    if (i < length && text[i] != '.') continue;
    uint64_t number;
    if (part == 4 || !read_number(text + start, i - start, &number) || number > 255) return false;
    bytes[part++] = (uint8_t)number;
    start = i + 1;
  }
  return part == 4;
}

static int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

/* One to four hexadecimal digits at *at. */
static bool read_group(const char *text, size_t length, size_t *at, uint16_t *group) {
  size_t start = *at;
  uint32_t value = 0;
  while (*at < length && *at - start < 4 && hex_value(text[*at]) >= 0)
    value = value << 4 | (uint32_t)hex_value(text[(*at)++]);
  *group = (uint16_t)value;
  return *at > start;
}

/* RFC 4291 2.2, without the form that ends in an IPv4 address. */
static bool read_v6(const char *text, size_t length, uint8_t bytes[16]) {
  uint16_t groups[8] = {0};
  size_t count = 0, gap = 8, at = 0;
  bool has_gap = false;
  if (length >= 2 && text[0] == ':' && text[1] == ':') {
    has_gap = true;
    gap = 0;
    at = 2;
  }
  while (at < length) {
    if (count == 8 || !read_group(text, length, &at, &groups[count])) return false;
    count++;
    if (at == length) break;
    if (text[at++] != ':' || at == length) return false;
    if (text[at] != ':') continue;
    if (has_gap) return false;
    has_gap = true;
    gap = count;
    at++;
  }
  if (has_gap ? count > 7 : count != 8) return false;
  __builtin_memset(bytes, 0, 16);
  for (size_t i = 0; i < count; i++) {
    size_t to = i < gap ? i : 8 - count + i;
    bytes[2 * to] = (uint8_t)(groups[i] >> 8);
    bytes[2 * to + 1] = (uint8_t)groups[i];
  }
  return true;
}

bool read_address(const char *text, Address *address) {
  size_t length = text_length(text), slash = 0;
  while (slash < length && text[slash] != '/') slash++;
  uint64_t prefix;
  if (slash == length || !read_number(text + slash + 1, length - slash - 1, &prefix)) return false;
  if (read_v4(text, slash, address->bytes)) address->size = 4;
  else if (read_v6(text, slash, address->bytes)) address->size = 16;
  else return false;
  address->prefix = (uint8_t)prefix;
  return prefix <= 8u * address->size;
}
