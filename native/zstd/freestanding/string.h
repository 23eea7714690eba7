/* What zstd takes from a C library's header of this name; native/launcher/start.c has the functions. */
#include <stddef.h>

int memcmp(const void *one, const void *other, size_t size);
void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
