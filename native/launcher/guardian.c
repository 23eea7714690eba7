#include "guardian.h"

#include "arguments.h"
#include "beside.h"
#include "choose.h"
#include "ending.h"
#include "slots.h"

#define POLL_MS 1000
#define CONFIRM_TIMEOUT_S 300
#define CONFIRM_TIMEOUT_MAX_S 86400
#define SEE_OFF_POLLS 60
#define RESTART_DELAY_MS 1000
#define RESTART_DELAY_MAX_MS 8000

typedef struct {
  const Boot *boot;
  Place slots;
  int core_pid, pidfd;
  uint8_t core[SHA256_SIZE];
  /* Seconds of this start, and of the whole trial. */
  uint64_t boots, time_s, timeout_s;
  bool is_supervised;
} Guardian;

static uint64_t confirm_timeout_s(char *const *environment) {
  const char *value = environment_value(environment, "MYCELIUM_CONFIRM_TIMEOUT");
  uint64_t seconds;
  if (value == 0 || !read_number(value, text_length(value), &seconds) || seconds == 0)
    return CONFIRM_TIMEOUT_S;
  return seconds < CONFIRM_TIMEOUT_MAX_S ? seconds : CONFIRM_TIMEOUT_MAX_S;
}

/* The trial this guardian is of: no newer start of the core has a guardian of its own, nobody has decided. */
static bool is_our_trial(const Guardian *guardian, Record *record) {
  return load_record(&guardian->slots, record) == RECORD_READ && record->is_trial &&
         record->boots == guardian->boots &&
         same_bytes(record->active.sha256, guardian->core, SHA256_SIZE);
}

/* False when the record is unreadable for the moment: it decides nothing. */
static bool is_decided(const Guardian *guardian, Record *record) {
  return load_record(&guardian->slots, record) == RECORD_READ && !is_our_trial(guardian, record);
}

/* The core made the one before active again: it is about to become that one, and must not be lost on the way. */
static bool took_itself_back(const Guardian *guardian, const Record *record) {
  return !record->is_trial && !same_bytes(record->active.sha256, guardian->core, SHA256_SIZE);
}

/* Whether the process still runs the core on trial: its executable is the slot's file of that name. */
static bool runs_our_core(const Guardian *guardian) {
  char path[PATH_SIZE], name[CORE_NAME_SIZE];
  find_executable(guardian->core_pid, path);
  core_name(guardian->core, name);
  const size_t length = text_length(path);
  return length >= CORE_NAME_SIZE && same_text(path + length - (CORE_NAME_SIZE - 1), name);
}

__attribute__((noreturn)) static void start_node_again(const Guardian *guardian) {
  const Boot *boot = guardian->boot;
  start_again(boot->payload->path, boot->argv, boot->environment);
}

__attribute__((noreturn)) static void after_end(const Guardian *guardian, Record *record) {
  if (guardian->is_supervised) end_process(0);
  if (is_decided(guardian, record)) {
    if (!took_itself_back(guardian, record) || ended_as_asked(guardian->pidfd, guardian->core_pid))
      end_process(0);
    say("The core on trial took itself back and went down on the way; starting the other");
    start_node_again(guardian);
  }
  if (ended_as_asked(guardian->pidfd, guardian->core_pid)) end_process(0);
  int64_t delay = RESTART_DELAY_MS;
  for (uint64_t i = 1; i < guardian->boots && delay < RESTART_DELAY_MAX_MS; i++) delay *= 2;
  say("The core on trial has crashed; starting again in ", number_words((uint64_t)delay / 1000),
      " s");
  sleep_ms(delay);
  /* Somebody else may have started it meanwhile. */
  if (is_decided(guardian, record)) end_process(0);
  start_node_again(guardian);
}

/* Until the process has become the other core, or it cannot be told any more that it has not. */
__attribute__((noreturn)) static void see_off(const Guardian *guardian, Record *record) {
  for (int polls = 0; polls < SEE_OFF_POLLS && runs_our_core(guardian); polls++) {
    if (has_ended(guardian->pidfd, POLL_MS)) after_end(guardian, record);
  }
  if (has_ended(guardian->pidfd, 0)) after_end(guardian, record);
  end_process(0);
}

/* The time is over: taken back first, ended then, so that whoever starts it again starts the other. */
static void expire(const Guardian *guardian, Record *record) {
  char reason[64];
  Text text = TEXT_ON(reason);
  add_text(&text, "it was not confirmed healthy within ");
  add_number(&text, guardian->timeout_s);
  add_text(&text, " s");
  const int lock = lock_place(&guardian->slots);
  const bool is_reverted =
      is_our_trial(guardian, record) && revert_trial(&guardian->slots, record, reason);
  unlock_place(lock);
  if (!is_reverted) end_process(0);
  KERNEL_4(pidfd_send_signal, guardian->pidfd, SIGNAL_KILL, 0, 0);
  while (!has_ended(guardian->pidfd, POLL_MS)) {
  }
  if (guardian->is_supervised) end_process(0);
  start_node_again(guardian);
}

__attribute__((noreturn)) static void guard(const Guardian *guardian) {
  static Record record;
  const int64_t deadline = monotonic_ms() + (int64_t)guardian->time_s * 1000;
  for (;;) {
    if (has_ended(guardian->pidfd, POLL_MS)) after_end(guardian, &record);
    if (is_decided(guardian, &record)) {
      if (took_itself_back(guardian, &record)) see_off(guardian, &record);
      end_process(0);
    }
    if (monotonic_ms() >= deadline) expire(guardian, &record);
  }
}

void start_guardian(const Boot *boot, const Place *slots, const Record *record) {
  static Guardian guardian;
  const int pid = (int)KERNEL_0(getpid);
  guardian = (Guardian){
      .boot = boot,
      .slots = *slots,
      .core_pid = pid,
      .pidfd = (int)KERNEL_2(pidfd_open, pid, 0),
      .boots = record->boots,
      .timeout_s = confirm_timeout_s(boot->environment),
      .is_supervised = is_supervised(boot->environment, pid),
  };
  guardian.time_s = trial_time_s(record, unix_ms(), guardian.timeout_s);
  __builtin_memcpy(guardian.core, record->active.sha256, SHA256_SIZE);
  if (guardian.pidfd < 0) {
    say("Cannot watch over the trial: ", error_words(guardian.pidfd));
    return;
  }
  const int kept = step_beside(guardian.pidfd);
  if (kept >= 0) {
    guardian.pidfd = kept;
    if (open_place(slots->path, &guardian.slots) < 0) end_process(EXIT_OS);
    guard(&guardian);
  }
  close_fd(guardian.pidfd);
}
