/*
** The guardian of a trial: a small process beside the core. A core that hangs, or that never becomes healthy, is ended
** and taken back; one that crashes is started again where no supervisor does that, so that the starts are counted.
*/
#ifndef MYCELIUM_GUARDIAN_H
#define MYCELIUM_GUARDIAN_H

#include "boot.h"
#include "place.h"

/*
** Starts it for this process, which is about to become the core of this record. It belongs to no terminal and has none
** of this process's files but standard error. Without it (too many processes, say) the boot goes on.
*/
void start_guardian(const Boot *boot, const Place *slots, const Record *record);

#endif
