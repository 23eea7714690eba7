#include "choose.h"

#define TRIAL_BOOTS_MAX 3

typedef struct {
  const Payload *payload;
  const Place *slots;
  const char *const *caches;
  Record *record;
  /* The record here is another than the one on disk. */
  bool is_changed;
} Choice;

static bool is_payload(const Choice *choice, const SlotCore *core) {
  return core->is_there &&
         same_bytes(core->sha256, choice->payload->trailer.core_sha256, SHA256_SIZE);
}

static void note_payload(Choice *choice) {
  __builtin_memcpy(choice->record->payload, choice->payload->trailer.core_sha256, SHA256_SIZE);
  choice->is_changed = true;
}

/* Rule 1: a record of one core, confirmed. Of a lost one the floor is kept, where the copy has it. */
static bool make_record(Choice *choice, uint64_t floor, const char *why) {
  SlotCore core;
  if (why != 0) say(why);
  const bool is_allowed = choice->payload->trailer.state_format >= floor;
  if (!(is_allowed && obtain_core(choice->payload, choice->slots, choice->caches, &core)) &&
      !find_any_core(choice->slots, &core))
    return false;
  *choice->record = (Record){.active = core, .floor = floor};
  note_payload(choice);
  if (why != 0) say("Going on with version ", core.version);
  return true;
}

static bool read_or_make_record(Choice *choice) {
  const RecordStatus status = load_record(choice->slots, choice->record);
  if (status == RECORD_READ) return true;
  choice->is_changed = true;
  const RecordStatus copy = load_record_copy(choice->slots, choice->record);
  if (status == RECORD_MISSING && copy == RECORD_MISSING) return make_record(choice, 0, 0);
  if (copy == RECORD_READ && check_slot(choice->slots, &choice->record->active) == CORE_WHOLE) {
    say("The record of the slots in ", choice->slots->path,
        " is damaged or gone; going on with that of the last start, version ",
        choice->record->active.version);
    return true;
  }
  return make_record(choice, copy == RECORD_READ ? choice->record->floor : 0,
                     "The record of the slots is damaged or gone; making a new one");
}

static void drop_standby(Choice *choice) {
  char name[CORE_NAME_SIZE];
  Record *record = choice->record;
  if (!record->standby.is_there) return;
  core_name(record->standby.sha256, name);
  record->standby = (SlotCore){.is_there = false};
  /* First the record, so that it never names what is not there. */
  if (save_record(choice->slots, record) == 0) remove_file(choice->slots->fd, name);
}

static bool has_room_for_payload(const Choice *choice) {
  struct statfs_ disk;
  if (KERNEL_2(fstatfs, choice->slots->fd, &disk) < 0) return true;
  const uint64_t freed =
      choice->record->standby.is_there ? choice->record->standby.checked.size : 0;
  return disk.available * (uint64_t)disk.block_size + freed >= unpack_room(choice->payload);
}

static void refuse_payload(Choice *choice) {
  Record *record = choice->record;
  Text reason = TEXT_ON(record->reason);
  record->reason[0] = 0;
  add_text(&reason, "its state format ");
  add_number(&reason, choice->payload->trailer.state_format);
  add_text(&reason, " is below ");
  add_number(&reason, record->floor);
  add_text(&reason, ", which this node has moved on to for good");
  record->has_refused = true;
  __builtin_memcpy(record->refused, choice->payload->trailer.core_sha256, SHA256_SIZE);
  note_payload(choice);
  say("Version ", choice->payload->trailer.version, " of ", choice->payload->path,
      " is refused: ", record->reason, "; version ", record->active.version,
      " goes on; install a newer release");
}

/* What is on trial is no way back: the core before it is. */
static void end_trial(Choice *choice) {
  Record *record = choice->record;
  if (!record->is_trial || !record->standby.is_there ||
      check_slot(choice->slots, &record->standby) != CORE_WHOLE)
    return;
  revert_record(record, "another release was installed meanwhile");
  choice->is_changed = true;
}

/* The payload's core becomes the standby. */
static bool stage_payload(Choice *choice) {
  SlotCore fresh;
  if (is_payload(choice, &choice->record->standby) &&
      check_slot(choice->slots, &choice->record->standby) == CORE_WHOLE)
    return true;
  drop_standby(choice);
  if (!obtain_core(choice->payload, choice->slots, choice->caches, &fresh)) return false;
  choice->record->standby = fresh;
  return true;
}

/* Rule 2: an operator installed another release. It runs on trial, with what ran before as its way back. */
static void adopt_payload(Choice *choice) {
  Record *record = choice->record;
  const Trailer *trailer = &choice->payload->trailer;
  if (same_bytes(record->payload, trailer->core_sha256, SHA256_SIZE)) return;
  if (is_payload(choice, &record->active)) {
    note_payload(choice);
    return;
  }
  if (trailer->state_format < record->floor) {
    refuse_payload(choice);
    return;
  }
  if (!is_payload(choice, &record->standby) && !has_room_for_payload(choice)) {
    say("Version ", trailer->version, " is not taken over yet: ", choice->slots->path, " needs ",
        megabytes(unpack_room(choice->payload)), " free; version ", record->active.version,
        " goes on");
    return;
  }
  end_trial(choice);
  if (!is_payload(choice, &record->active)) {
    if (!stage_payload(choice)) return;
    switch_record(record, (uint64_t)unix_ms());
    say("Version ", trailer->version, " was installed: it runs on trial, version ",
        record->standby.version, " is kept to go back to");
  }
  note_payload(choice);
}

bool revert_trial(const Place *slots, Record *record, const char *reason) {
  if (!record->standby.is_there || record->standby.format < record->floor ||
      check_slot(slots, &record->standby) != CORE_WHOLE) {
    say("Version ", record->active.version,
        " stays, because there is none to go back to: ", reason);
    return false;
  }
  revert_record(record, reason);
  const long error = save_record(slots, record);
  if (error < 0)
    say("Cannot save the record of the slots in ", slots->path, ": ", error_words(error));
  say("Version ", record->standby.version, " is taken back: ", record->reason, "; version ",
      record->active.version, " runs again");
  return true;
}

/* Rule 4, for an active core that is damaged or gone. */
static bool replace_active(Choice *choice) {
  Record *record = choice->record;
  SlotCore fresh;
  say("Version ", record->active.version, " in ", choice->slots->path, " is damaged");
  if (record->is_trial && revert_trial(choice->slots, record, "its file was damaged")) return true;
  choice->is_changed = true;
  const bool is_allowed = choice->payload->trailer.state_format >= record->floor;
  if (is_allowed && is_payload(choice, &record->active) &&
      obtain_core(choice->payload, choice->slots, choice->caches, &fresh)) {
    record->active = fresh;
    return true;
  }
  if (record->standby.is_there && record->standby.format >= record->floor &&
      check_slot(choice->slots, &record->standby) == CORE_WHOLE) {
    record->active = record->standby;
  } else if (is_allowed && obtain_core(choice->payload, choice->slots, choice->caches, &fresh)) {
    record->active = fresh;
    note_payload(choice);
  } else if (record->floor == 0 && find_any_core(choice->slots, &fresh)) {
    record->active = fresh;
  } else {
    return false;
  }
  record->standby = (SlotCore){.is_there = false};
  record->is_trial = false;
  record->boots = record->trial_since_ms = 0;
  say("Going on with version ", record->active.version);
  return true;
}

/* Rule 3. The start is counted on disk before the core runs; where that cannot be, the proven core runs. */
static const SlotCore *count_boot(Choice *choice) {
  Record *record = choice->record;
  if (record->boots >= TRIAL_BOOTS_MAX &&
      revert_trial(choice->slots, record, "it was started 3 times and never confirmed healthy"))
    return &record->active;
  if (record->boots < TRIAL_BOOTS_MAX) record->boots++;
  const long error = save_record(choice->slots, record);
  choice->is_changed = false;
  if (error == 0 || !record->standby.is_there ||
      check_slot(choice->slots, &record->standby) != CORE_WHOLE)
    return &record->active;
  say("Cannot count this start of version ", record->active.version, " (", error_words(error),
      "): version ", record->standby.version, " runs");
  return &record->standby;
}

static int no_core(const Choice *choice) {
  const Trailer *trailer = &choice->payload->trailer;
  if (trailer->state_format < choice->record->floor) {
    say("Cannot run: no core in ", choice->slots->path, " is whole, and version ", trailer->version,
        " of ", choice->payload->path, " is refused: its state format ",
        number_words(trailer->state_format), " is below ", number_words(choice->record->floor),
        ", which this node has moved on to for good; install a newer release");
    return EXIT_CONFIG;
  }
  say("Cannot run: no core in ", choice->slots->path, " is whole, and that of ",
      choice->payload->path, " cannot take its place");
  return EXIT_IO;
}

static void save_choice(const Choice *choice) {
  long error = 0;
  if (choice->is_changed) error = save_record(choice->slots, choice->record);
  if (error < 0) {
    say("Cannot save the record of the slots in ", choice->slots->path, ": ", error_words(error));
    return;
  }
  keep_record_copy(choice->slots, choice->record);
  sweep_slots(choice->slots, choice->record);
}

int choose_core(const Payload *payload, const Place *slots, const char *const *caches,
                Record *record, const SlotCore **chosen) {
  Choice choice = {payload, slots, caches, record, false};
  if (!read_or_make_record(&choice)) return EXIT_CANNOT_CREATE;
  adopt_payload(&choice);
  const CheckedStat before = record->active.checked;
  if (check_slot(slots, &record->active) != CORE_WHOLE && !replace_active(&choice))
    return no_core(&choice);
  if (!same_checked(&before, &record->active.checked)) choice.is_changed = true;
  *chosen = record->is_trial ? count_boot(&choice) : &record->active;
  save_choice(&choice);
  return 0;
}
