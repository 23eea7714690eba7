/* zstd's single-file decoder without a C library: its context is static memory, it never allocates. */
#include <limits.h>
#include <stddef.h>
#include <string.h>

#include "zstd-decoder.h"

#define ZSTD_DEPS_COMMON
#define ZSTD_memcpy(to, from, size) __builtin_memcpy((to), (from), (size))
#define ZSTD_memmove(to, from, size) __builtin_memmove((to), (from), (size))
#define ZSTD_memset(to, value, size) __builtin_memset((to), (value), (size))
#define ZSTD_DEPS_MALLOC
#define ZSTD_malloc(size) ((void)(size), (void *)0)
#define ZSTD_calloc(count, size) ((void)(count), (void)(size), (void *)0)
#define ZSTD_free(memory) ((void)(memory))

#include "zstddeclib.c"

bool zstd_unpack(void *to, size_t to_size, const void *from, size_t from_size) {
  static _Alignas(64) unsigned char workspace[160 * 1024 + 512];
  ZSTD_DCtx *context = ZSTD_initStaticDCtx(workspace, sizeof workspace);
  if (context == NULL) return false;
  return ZSTD_decompressDCtx(context, to, to_size, from, from_size) == to_size;
}
