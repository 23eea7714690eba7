#include "boot.h"

#include "choose.h"
#include "exec.h"
#include "guardian.h"
#include "slots.h"

/* The lock that the core holds is SQLite's (src/adapters/state): a write lock on these bytes of STATE/lock. */
#define LOCK_FIRST_BYTE 0x40000000
#define LOCK_SIZE 512
#define GET_LOCK 5
#define READ_LOCK 0
#define NO_LOCK 2

static bool is_running(const char *state) {
  struct {
    short type, whence;
    int64_t start, size;
    int pid;
  } lock = {.type = READ_LOCK, .start = LOCK_FIRST_BYTE, .size = LOCK_SIZE};
  char path[PATH_SIZE + 8];
  Text text = TEXT_ON(path);
  add_text(&text, state);
  add_text(&text, "/lock");
  const int fd = open_at(AT_CWD, path, OPEN_READ, 0);
  if (fd < 0) return false;
  const long error = KERNEL_3(fcntl, fd, GET_LOCK, &lock);
  close_fd(fd);
  return error == 0 && lock.type != NO_LOCK;
}

bool is_own_boot(const char *state) {
  static Place place;
  struct statx_ status;
  long error = stat_at(AT_CWD, state, 0, &status);
  if (error == -ERR_NOENT) {
    error = make_place(state, 0700, &place);
    if (error >= 0) error = stat_fd(place.fd, &status);
    if (error >= 0) close_fd(place.fd);
  }
  /* What is wrong with a directory that cannot be made or is another's is said by the core. */
  return error >= 0 && (status.mode & MODE_TYPE) == MODE_DIRECTORY &&
         status.uid == (uint32_t)KERNEL_0(geteuid) && !is_running(state);
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
    if (!record.is_trial || chosen != &record.active ||
        !revert_unexecutable(&slots, &record, error))
      return EXIT_OS;
  }
}
