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

/* True when this user keeps the slots of this state directory: it holds a node, and it is this user's. */
bool has_own_slots(const char *state);

/* Becomes the core; returns an exit status when there is none that can run. */
int boot(const Boot *boot);

#endif
