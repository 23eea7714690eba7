#include "boot.h"

#include "choose.h"
#include "exec.h"
#include "guardian.h"
#include "slots.h"

static bool is_owned(const char *path) {
  struct statx_ status;
  return stat_at(AT_CWD, path, 0, &status) >= 0 && status.uid == (uint32_t)KERNEL_0(geteuid);
}

static bool exists_in(const char *state, const char *name) {
  char path[PATH_SIZE + 16];
  struct statx_ status;
  Text text = TEXT_ON(path);
  add_text(&text, state);
  add_text(&text, name);
  return stat_at(AT_CWD, path, 0, &status) >= 0;
}

bool has_own_slots(const char *state) {
  return is_owned(state) && (exists_in(state, "/node.key") || exists_in(state, "/slots"));
}

static bool open_slots(const char *state, Place *slots) {
  char path[PATH_SIZE];
  Text text = TEXT_ON(path);
  add_text(&text, state);
  add_text(&text, "/slots");
  const long error = text.is_cut ? -ERR_NAMETOOLONG : make_place(path, 0700, slots);
  if (error < 0) say("Cannot make ", path, ": ", error_words(error));
  return error >= 0;
}

/* The core that was chosen could not be executed: on trial it is taken back, else there is nothing to be done. */
static bool revert_unexecutable(const Place *slots, Record *record, long error) {
  char reason[128];
  Text text = TEXT_ON(reason);
  add_text(&text, "it cannot be executed: ");
  add_text(&text, error_words(error));
  const int lock = lock_place(slots);
  const bool is_reverted = revert_trial(slots, record, reason);
  unlock_place(lock);
  return is_reverted;
}

int boot(const Boot *boot) {
  static Place slots;
  static Record record;
  const char *caches[CACHE_COUNT_MAX + 1];
  if (!open_slots(boot->state, &slots)) return EXIT_CANNOT_CREATE;
  list_caches(boot->environment, caches);
  for (;;) {
    const SlotCore *chosen;
    const int lock = lock_place(&slots);
    if (lock < 0) say("Cannot lock ", slots.path, ": ", error_words(lock), "; going on without");
    const int status = choose_core(boot->payload, &slots, caches, &record, &chosen);
    unlock_place(lock);
    if (status != 0) return status;
    if (record.is_trial && chosen == &record.active) start_guardian(boot, &slots, &record);
    char name[CORE_NAME_SIZE];
    core_name(chosen->sha256, name);
    const long error = exec_core(&slots, name, boot->payload->path, boot->argv, boot->environment);
    say("Cannot run ", slots.path, "/", name, ": ", error_words(error));
    if (!record.is_trial || chosen != &record.active || !revert_unexecutable(&slots, &record, error)) return EXIT_OS;
  }
}
