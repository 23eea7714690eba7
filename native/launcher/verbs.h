/*
** Words of the launcher itself, for installers and tests:
**
**   --launcher-info [--state DIR]    what this file carries and the record of the node's slots, as JSON
**   --launcher-verify FILE           checks every byte of a shipped file; status 0 when it is whole
**   --launcher-extract FILE OUT      writes the core that FILE carries to OUT, whole and synced or not at all
**   --launcher-see-off PID WORDS...  starts the launcher with these words should that core fall while it becomes another
*/
#ifndef MYCELIUM_VERBS_H
#define MYCELIUM_VERBS_H

#include "payload.h"

/* True when the first word is one of them: `status` is what to exit with. */
bool run_verb(const Payload *payload, char **argv, char **environment, int *status);

#endif
