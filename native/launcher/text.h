/* Text in a buffer of fixed size, and what is read from text. No C library: see kernel.h. */
#ifndef MYCELIUM_TEXT_H
#define MYCELIUM_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `bytes` always ends with a 0 that `length` does not count. What does not fit is left out and sets `is_cut`. */
typedef struct {
  char *bytes;
  size_t size, length;
  bool is_cut;
} Text;

#define TEXT_ON(buffer) ((Text){.bytes = (buffer), .size = sizeof(buffer)})

void add_text(Text *text, const char *more);
void add_bytes(Text *text, const char *bytes, size_t length);
void add_number(Text *text, uint64_t number);
void add_hex(Text *text, const uint8_t *bytes, size_t length);

size_t text_length(const char *text);
bool same_text(const char *one, const char *other);
bool starts_with(const char *text, const char *prefix);
bool same_bytes(const uint8_t *one, const uint8_t *other, size_t length);

/* Decimal digits without a sign or leading zeros that fit 64 bits; nothing else. */
bool read_number(const char *bytes, size_t length, uint64_t *number);
/* Exactly 2 * `size` lower-case digits. */
bool read_hex(const char *digits, size_t length, uint8_t *bytes, size_t size);

#endif
