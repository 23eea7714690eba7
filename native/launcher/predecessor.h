/* The file that was installed before this one, `<this file>.previous`. */
#ifndef MYCELIUM_PREDECESSOR_H
#define MYCELIUM_PREDECESSOR_H

#include "payload.h"

/*
** Whose core commands run that may not run the slots': this file's, or its predecessor's where the node in `state` took
** this one's back.
*/
const Payload *command_payload(const Payload *payload, const char *state);

#endif
