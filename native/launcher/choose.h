/* The rules of native/DESIGN.md: from the record, the payload and the files of the slots to the core that runs. */
#ifndef MYCELIUM_CHOOSE_H
#define MYCELIUM_CHOOSE_H

#include "slots.h"

/*
** Reads the record, changes it as the rules say, and saves it before it returns. 0 and the core to run, which is whole,
** else an exit status after having said why. Needs the lock of the slots.
*/
int choose_core(const Payload *payload, const Place *slots, const char *const *caches,
                Record *record, const SlotCore **chosen);

/*
** Takes a trial back and saves that, if the standby is whole and may run. Says it. False when the record is as it was.
** Needs the lock.
*/
bool revert_trial(const Place *slots, Record *record, const char *reason);

#endif
