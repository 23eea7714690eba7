/*
** A core that is about to become another goes through a stop and an execve. Should it fall on the way, and no
** supervisor be there, whoever sees it off starts the launcher in its place.
*/
#ifndef MYCELIUM_SEE_OFF_H
#define MYCELIUM_SEE_OFF_H

#include "launcher.h"

/*
** `words`: the process id of the core, then the words it was started with. Leaves a process behind that watches until
** the core has become another, has ended, or two minutes are over. Returns an exit status.
*/
int see_off(const char *launcher, char **words, char **environment);

#endif
