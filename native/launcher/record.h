/*
** The record of the slots, STATE/slots/record: which core is active, on trial, was taken back. The core reads and
** writes the same text (src/domain/update/slot-record.ts). At most 4 KiB, each key once, and the last line is the
** SHA-256 of all lines before it. Lines that are not known here are kept as they are.
*/
#ifndef MYCELIUM_RECORD_H
#define MYCELIUM_RECORD_H

#include "sha256.h"
#include "text.h"

#define RECORD_SIZE_MAX 4096
#define RECORD_VERSION_SIZE 65
#define RECORD_REASON_SIZE 513

/* The stat for which a core's SHA-256 was verified; all 0 when it must be verified. */
typedef struct {
  uint64_t size, modified_ns, inode;
} CheckedStat;

typedef struct {
  bool is_there;
  uint8_t sha256[SHA256_SIZE];
  char version[RECORD_VERSION_SIZE];
  uint64_t format;
  CheckedStat checked;
} SlotCore;

typedef struct {
  SlotCore active, standby;
  bool is_trial;
  /* Starts of the active core while on trial; 0 also when it ended as asked. */
  uint64_t boots;
  uint64_t trial_since_ms;
  /* Lowest state format that may run here. */
  uint64_t floor;
  /* The core of the shipped file that was last seen. */
  uint8_t payload[SHA256_SIZE];
  bool has_refused;
  uint8_t refused[SHA256_SIZE];
  /* "" when nothing was taken back. */
  char reason[RECORD_REASON_SIZE];
  /* Whole lines. */
  char unknown[RECORD_SIZE_MAX];
  size_t unknown_length;
} Record;

/* Null when `record` was filled, else what is wrong. */
const char *read_record(const char *bytes, size_t size, Record *record);

/* False when it does not fit `size`, at least RECORD_SIZE_MAX. */
bool write_record(const Record *record, char *bytes, size_t size, size_t *length);

/* The standby becomes active, on trial. There must be one. */
void switch_record(Record *record, uint64_t now_ms);

/* Back to the standby, which must be there; the active core is refused for this reason. */
void revert_record(Record *record, const char *reason);

/*
** Seconds in which the start that was counted last must be confirmed: what is left of `timeout_s`, which the whole trial
** has, and two fifths of it at least, because the clock may have been set meanwhile.
*/
uint64_t trial_time_s(const Record *record, int64_t now_ms, uint64_t timeout_s);

/* The standby and the active core change places. */
void swap_cores(Record *record);

#endif
