#include "text.h"

void add_bytes(Text *text, const char *bytes, size_t length) {
  if (text->size == 0) return;
  for (size_t i = 0; i < length; i++) {
    if (text->length + 1 >= text->size) {
      text->is_cut = true;
      break;
    }
    text->bytes[text->length++] = bytes[i];
  }
  text->bytes[text->length] = 0;
}

void add_text(Text *text, const char *more) { add_bytes(text, more, text_length(more)); }

void add_number(Text *text, uint64_t number) {
  char digits[20];
  size_t at = sizeof digits;
  do {
    digits[--at] = (char)('0' + number % 10);
    number /= 10;
  } while (number > 0);
  add_bytes(text, digits + at, sizeof digits - at);
}

void add_hex(Text *text, const uint8_t *bytes, size_t length) {
  static const char digits[] = "0123456789abcdef";
  for (size_t i = 0; i < length; i++) {
    char pair[2] = {digits[bytes[i] >> 4], digits[bytes[i] & 15]};
    add_bytes(text, pair, 2);
  }
}

size_t text_length(const char *text) {
  size_t length = 0;
  while (text[length] != 0) length++;
  return length;
}

bool same_text(const char *one, const char *other) {
  size_t i = 0;
  while (one[i] != 0 && one[i] == other[i]) i++;
  return one[i] == other[i];
}

bool starts_with(const char *text, const char *prefix) {
  size_t i = 0;
  while (prefix[i] != 0 && text[i] == prefix[i]) i++;
  return prefix[i] == 0;
}

bool same_bytes(const uint8_t *one, const uint8_t *other, size_t length) {
  for (size_t i = 0; i < length; i++)
    if (one[i] != other[i]) return false;
  return true;
}

bool read_number(const char *bytes, size_t length, uint64_t *number) {
  if (length == 0 || length > 20 || (length > 1 && bytes[0] == '0')) return false;
  uint64_t sum = 0;
  for (size_t i = 0; i < length; i++) {
    if (bytes[i] < '0' || bytes[i] > '9') return false;
    uint64_t digit = (uint64_t)(bytes[i] - '0');
    if (sum > (UINT64_MAX - digit) / 10) return false;
    sum = sum * 10 + digit;
  }
  *number = sum;
  return true;
}

static int digit_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  return -1;
}

bool read_hex(const char *digits, size_t length, uint8_t *bytes, size_t size) {
  if (length != 2 * size) return false;
  for (size_t i = 0; i < size; i++) {
    int high = digit_value(digits[2 * i]), low = digit_value(digits[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    bytes[i] = (uint8_t)(high << 4 | low);
  }
  return true;
}
