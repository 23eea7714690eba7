/* Commands other than a boot: which core they run. They count nothing and write nothing into the state directory. */
#ifndef MYCELIUM_CACHE_H
#define MYCELIUM_CACHE_H

#include "payload.h"
#include "place.h"

/*
** Finds a core for a command: the active one of the node it is about, if this user may trust it, else that of
** command_payload(), which is unpacked once for each user. Opens its directory. Says why there is none, then false.
*/
bool find_command_core(const Payload *own, const char *state, char *const *environment,
                       Place *place, char name[CORE_NAME_SIZE]);

#endif
