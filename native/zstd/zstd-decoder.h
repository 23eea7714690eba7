/* The part of zstd that the launcher uses. See README.md here. */
#ifndef MYCELIUM_ZSTD_DECODER_H
#define MYCELIUM_ZSTD_DECODER_H

#include <stdbool.h>
#include <stddef.h>

/* True when `from` is one zstd frame that unpacks to exactly `to_size` bytes. Allocates nothing; not reentrant. */
bool zstd_unpack(void *to, size_t to_size, const void *from, size_t from_size);

#endif
