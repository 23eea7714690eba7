/* `mycelium run`: which core runs, and what is counted and taken back. */
#ifndef MYCELIUM_BOOT_H
#define MYCELIUM_BOOT_H

#include "payload.h"
#include "record.h"

/* Everything a boot needs to know. */
typedef struct {
  const Payload *payload;
  /* Of the node. */
  const char *state;
  char **argv;
  char **environment;
} Boot;

/*
** True when this start is one of the node in `state`: the directory is this user's, or not there yet, and no node runs
** in it, which a second `run` would only be refused by.
*/
bool is_own_boot(const char *state);

/* Becomes the core; returns an exit status when there is none that can run. */
int boot(const Boot *boot);

#endif
