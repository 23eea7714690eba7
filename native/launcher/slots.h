/* STATE/slots: cores named by their SHA-256, the record, its lock. */
#ifndef MYCELIUM_SLOTS_H
#define MYCELIUM_SLOTS_H

#include "payload.h"
#include "place.h"
#include "record.h"

typedef enum { RECORD_READ, RECORD_MISSING, RECORD_DAMAGED } RecordStatus;

/* The record as it is on disk. */
RecordStatus load_record(const Place *slots, Record *record);

/* Durable when it returns 0; else minus the error number, and the record on disk is as it was. */
long save_record(const Place *slots, const Record *record);

/*
** A second record, of the last start, for when the first is damaged: where it is valid and another, it is replaced.
** Nothing depends on it.
*/
void keep_record_copy(const Place *slots, const Record *record);
RecordStatus load_record_copy(const Place *slots, Record *record);

/* The file of a core: not there, not what its name says, or whole. A whole one's stat is put into `checked`. */
typedef enum { CORE_MISSING, CORE_DAMAGED, CORE_WHOLE } CoreStatus;
CoreStatus check_core(const Place *place, const uint8_t sha256[SHA256_SIZE], CheckedStat *checked);

/* As check_core(), but trusts a stat that is the one it was checked with. */
CoreStatus check_slot(const Place *slots, SlotCore *core);

bool same_checked(const CheckedStat *one, const CheckedStat *other);

/* The file's stat is the one it was checked with. */
bool check_stat(const Place *place, const char *name, const CheckedStat *checked);

/*
** The payload's core is in the slots and whole: it was already, or a link to the cache's (no second copy on disk), or
** unpacked. Says why not, then false. Needs the lock.
*/
bool obtain_core(const Payload *payload, const Place *slots, const char *const *caches,
                 SlotCore *core);

/* Any whole core of the directory; of several the one that was written last. */
bool find_any_core(const Place *slots, SlotCore *core);

/* Deletes all cores but those of the record, and what a killed launcher left. Needs the lock. */
void sweep_slots(const Place *slots, const Record *record);

/* The SHA-256 in a name made by core_name(). */
bool read_core_name(const char *name, uint8_t sha256[SHA256_SIZE]);

#endif
