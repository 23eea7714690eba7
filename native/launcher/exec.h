/* The last step: this process becomes the core. */
#ifndef MYCELIUM_EXEC_H
#define MYCELIUM_EXEC_H

#include "place.h"

/*
** Executes `name` in the directory with the same arguments and the environment without BUN_* (they make Bun run
** other code) and with MYCELIUM_LAUNCHER. Returns, with minus the error number, only when that failed.
*/
long exec_core(const Place *place, const char *name, const char *launcher, char **argv,
               char **environment);

#endif
