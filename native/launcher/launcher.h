/* What every part of the launcher uses. */
#ifndef MYCELIUM_LAUNCHER_H
#define MYCELIUM_LAUNCHER_H

#include <stdbool.h>

#include "kernel.h"
#include "text.h"

#define PATH_SIZE 4096

/* Exit statuses of sysexits.h. */
enum {
  EXIT_SOFTWARE = 70,
  EXIT_OS = 71,
  EXIT_CANNOT_CREATE = 73,
  EXIT_IO = 74,
  EXIT_CONFIG = 78,
};

int launcher_main(int argc, char **argv, char **environment);

/* One line on standard error: the words joined. Ends with a null. */
void say_words(const char *const *words);
#define say(...) say_words((const char *const[]){__VA_ARGS__, 0})

/* What an error number of the kernel means, in a few words. Takes it as returned: below 0. */
const char *error_words(long error);

/* "12.3 MB" of 1,000,000 bytes, in one of four buffers in turn. */
const char *megabytes(uint64_t bytes);
/* A number in one of four buffers in turn. */
const char *number_words(uint64_t number);

int64_t unix_ms(void);
int64_t monotonic_ms(void);
void sleep_ms(int64_t ms);

#endif
