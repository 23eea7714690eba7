/* What the launcher takes from the command line: which node is meant, and whether this is a boot of it. */
#ifndef MYCELIUM_ARGUMENTS_H
#define MYCELIUM_ARGUMENTS_H

#include <stdbool.h>

typedef struct {
  /* The value of --state; null when it is not given. */
  const char *state;
  /* `run` that stays in this process: without --background and --help. */
  bool is_boot;
} Arguments;

/* `words` are those after the program's name and end with a null. */
Arguments read_arguments(char *const *words);

/* Null when it is not set. */
const char *environment_value(char *const *environment, const char *name);

#endif
