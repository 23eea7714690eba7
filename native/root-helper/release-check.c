#include "release-check.h"

#include "../launcher/text.h"

#define DIGITS (2 * SHA256_SIZE)

static bool ends_with_name(const char *path, size_t length, const char *name) {
  size_t size = text_length(name);
  if (length < size || !same_bytes((const uint8_t *)path + length - size, (const uint8_t *)name, size)) return false;
  return length == size || path[length - size - 1] == '/';
}

/* "64 digits", two spaces (or a space and * for binary), the name. */
static bool line_has(const char *line, size_t length, const char *name, const uint8_t digest[SHA256_SIZE]) {
  uint8_t found[SHA256_SIZE];
  if (length < DIGITS + 3 || line[DIGITS] != ' ' || (line[DIGITS + 1] != ' ' && line[DIGITS + 1] != '*')) return false;
  return read_hex(line, DIGITS, found, SHA256_SIZE) && same_bytes(found, digest, SHA256_SIZE) &&
         ends_with_name(line + DIGITS + 2, length - DIGITS - 2, name);
}

bool sums_have(const char *sums, size_t length, const char *name, const uint8_t digest[SHA256_SIZE]) {
  size_t start = 0;
  for (size_t i = 0; i <= length; i++) {
    if (i < length && sums[i] != '\n') continue;
    if (line_has(sums + start, i - start, name, digest)) return true;
    start = i + 1;
  }
  return false;
}

typedef struct {
  uint64_t numbers[3];
  /* After the first "-"; empty for a release proper. */
  const char *before;
  size_t before_length;
  bool is_valid;
} Version;

static size_t length_until(const char *text, size_t length, char one, char other) {
  size_t i = 0;
  while (i < length && text[i] != one && text[i] != other) i++;
  return i;
}

static Version read_version_text(const char *text) {
  Version version = {{0, 0, 0}, 0, 0, false};
  size_t length = length_until(text, text_length(text), '+', '+');
  size_t core = length_until(text, length, '-', '-'), at = 0;
  for (int i = 0; i < 3; i++) {
    size_t size = length_until(text + at, core - at, '.', '.');
    if (!read_number(text + at, size, &version.numbers[i])) return version;
    at += size + 1;
    if (i < 2 && at > core) return version;
  }
  if (at != core + 1) return version;
  version.before = core < length ? text + core + 1 : "";
  version.before_length = core < length ? length - core - 1 : 0;
  version.is_valid = true;
  return version;
}

static int compare_numbers(uint64_t one, uint64_t other) { return one < other ? -1 : one > other; }

static int compare_parts(const char *one, size_t one_length, const char *other, size_t other_length) {
  uint64_t a, b;
  bool is_number = read_number(one, one_length, &a), other_is_number = read_number(other, other_length, &b);
  if (is_number && other_is_number) return compare_numbers(a, b);
  if (is_number != other_is_number) return is_number ? -1 : 1;
  for (size_t i = 0; i < one_length && i < other_length; i++)
    if (one[i] != other[i]) return (uint8_t)one[i] < (uint8_t)other[i] ? -1 : 1;
  return compare_numbers(one_length, other_length);
}

static int compare_before(const Version *one, const Version *other) {
  if (one->before_length == 0 || other->before_length == 0)
    return compare_numbers(one->before_length == 0, other->before_length == 0);
  size_t a = 0, b = 0;
  while (a < one->before_length && b < other->before_length) {
    size_t a_size = length_until(one->before + a, one->before_length - a, '.', '.');
    size_t b_size = length_until(other->before + b, other->before_length - b, '.', '.');
    int order = compare_parts(one->before + a, a_size, other->before + b, b_size);
    if (order != 0) return order;
    a += a_size + 1;
    b += b_size + 1;
  }
  return compare_numbers(a < one->before_length, b < other->before_length);
}

int compare_versions(const char *one, const char *other) {
  Version a = read_version_text(one), b = read_version_text(other);
  if (!a.is_valid || !b.is_valid) return compare_numbers(a.is_valid, b.is_valid);
  for (int i = 0; i < 3; i++) {
    int order = compare_numbers(a.numbers[i], b.numbers[i]);
    if (order != 0) return order;
  }
  return compare_before(&a, &b);
}
