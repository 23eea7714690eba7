/* How another process, not a child of this one, ended. */
#ifndef MYCELIUM_ENDING_H
#define MYCELIUM_ENDING_H

#include <stdbool.h>

/*
** After `pidfd` has become readable. True when it ended because it was asked to: status 0, or by SIGTERM, SIGINT or
** SIGHUP. False when it ended otherwise, or when it cannot be known (before Linux 6.15, where its parent was quicker).
*/
bool ended_as_asked(int pidfd, int pid);

#endif
