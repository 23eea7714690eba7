/*
** The last 4096 bytes of the shipped file: what it carries. The layout is in native/DESIGN.md; build/launcher.ts
** writes it. Reads bytes that may be anyone's: nothing here trusts them before their checksum, nor their ranges after.
*/
#ifndef MYCELIUM_TRAILER_H
#define MYCELIUM_TRAILER_H

#include <stdbool.h>
#include <stdint.h>

#include "sha256.h"

#define TRAILER_SIZE 4096
#define TRAILER_FORMAT 1
#define VERSION_SIZE 32
#define CORE_SIZE_MAX (1024u * 1024 * 1024)
#define TRAILER_FLAG_FILTERED 1u

typedef struct {
  uint32_t format, flags, state_format;
  uint16_t machine;
  uint64_t payload_offset, payload_size, core_size;
  uint8_t core_sha256[SHA256_SIZE], payload_sha256[SHA256_SIZE], launcher_sha256[SHA256_SIZE];
  char version[VERSION_SIZE + 1];
} Trailer;

/* Null when `trailer` was filled, else what is wrong. `file_size` is that of the file whose end `bytes` is. */
const char *read_trailer(const uint8_t bytes[TRAILER_SIZE], uint64_t file_size, Trailer *trailer);

/* Printable ASCII without spaces or quotes, 1 to 32 characters: safe in a line of text and in JSON. */
bool is_version_text(const char *bytes, size_t length);

#endif
