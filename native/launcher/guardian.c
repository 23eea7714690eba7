#include "guardian.h"

#include "arguments.h"
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
  uint64_t boots, timeout_s;
  bool is_supervised;
} Guardian;

static uint64_t confirm_timeout_s(char *const *environment) {
  const char *value = environment_value(environment, "MYCELIUM_CONFIRM_TIMEOUT");
  uint64_t seconds;
  if (value == 0 || !read_number(value, text_length(value), &seconds) || seconds == 0)
    return CONFIRM_TIMEOUT_S;
  return seconds < CONFIRM_TIMEOUT_MAX_S ? seconds : CONFIRM_TIMEOUT_MAX_S;
}

/*
** systemd starts it again. INVOCATION_ID alone does not say so: a terminal that is itself a unit passes it on. Since
** systemd 248 SYSTEMD_EXEC_PID tells them apart.
*/
static bool is_supervised(char *const *environment, int pid) {
  const char *exec_pid = environment_value(environment, "SYSTEMD_EXEC_PID");
  if (exec_pid != 0) return same_text(exec_pid, number_words((uint64_t)pid));
  return environment_value(environment, "INVOCATION_ID") != 0;
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
  char link[64], path[PATH_SIZE];
  Text text = TEXT_ON(link);
  add_text(&text, "/proc/");
  add_number(&text, (uint64_t)guardian->core_pid);
  add_text(&text, "/exe");
  const long length = KERNEL_4(readlinkat, AT_CWD, link, path, PATH_SIZE - 1);
  if (length < 2 * SHA256_SIZE) return false;
  char name[2 * SHA256_SIZE + 1];
  Text hex = TEXT_ON(name);
  add_hex(&hex, guardian->core, SHA256_SIZE);
  return same_bytes((const uint8_t *)path + length - 2 * SHA256_SIZE, (const uint8_t *)name, 2 * SHA256_SIZE);
}

static bool has_ended(const Guardian *guardian, int64_t wait_ms) {
  struct pollfd_ polled = {.fd = guardian->pidfd, .events = 1};
  struct timespec_ wait = {wait_ms / 1000, wait_ms % 1000 * 1000000};
  return KERNEL_5(ppoll, &polled, 1, &wait, 0, 0) == 1;
}

/* This process becomes the launcher, as the node was started; its standard output is the standard error. */
__attribute__((noreturn)) static void start_again(const Guardian *guardian) {
  KERNEL_3(dup3, 2, 1, 0);
  KERNEL_3(execve, guardian->boot->payload->path, guardian->boot->argv,
           guardian->boot->environment);
  say("Cannot start ", guardian->boot->payload->path, " again");
  end_process(EXIT_OS);
}

__attribute__((noreturn)) static void after_end(const Guardian *guardian, Record *record) {
  if (guardian->is_supervised) end_process(0);
  if (is_decided(guardian, record)) {
    if (!took_itself_back(guardian, record) || ended_as_asked(guardian->pidfd, guardian->core_pid)) end_process(0);
    say("The core on trial took itself back and went down on the way; starting the other");
    start_again(guardian);
  }
  if (ended_as_asked(guardian->pidfd, guardian->core_pid)) end_process(0);
  int64_t delay = RESTART_DELAY_MS;
  for (uint64_t i = 1; i < guardian->boots && delay < RESTART_DELAY_MAX_MS; i++) delay *= 2;
  say("The core on trial has crashed; starting again in ", number_words((uint64_t)delay / 1000),
      " s");
  sleep_ms(delay);
  /* Somebody else may have started it meanwhile. */
  if (is_decided(guardian, record)) end_process(0);
  start_again(guardian);
}

/* Until the process has become the other core, or it cannot be told any more that it has not. */
__attribute__((noreturn)) static void see_off(const Guardian *guardian, Record *record) {
  for (int polls = 0; polls < SEE_OFF_POLLS && runs_our_core(guardian); polls++) {
    if (has_ended(guardian, POLL_MS)) after_end(guardian, record);
  }
  if (has_ended(guardian, 0)) after_end(guardian, record);
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
  while (!has_ended(guardian, POLL_MS)) {
  }
  if (guardian->is_supervised) end_process(0);
  start_again(guardian);
}

__attribute__((noreturn)) static void guard(const Guardian *guardian) {
  static Record record;
  const int64_t deadline = monotonic_ms() + (int64_t)guardian->timeout_s * 1000;
  for (;;) {
    if (has_ended(guardian, POLL_MS)) after_end(guardian, &record);
    if (is_decided(guardian, &record)) {
      if (took_itself_back(guardian, &record)) see_off(guardian, &record);
      end_process(0);
    }
    if (monotonic_ms() >= deadline) expire(guardian, &record);
  }
}

/* Keeps standard error and `kept`, which becomes the returned descriptor. */
static int drop_files(int kept) {
  const int empty = open_at(AT_CWD, "/dev/null", OPEN_BOTH, 0);
  KERNEL_3(dup3, empty, 0, 0);
  KERNEL_3(dup3, empty, 1, 0);
  const int only = kept == 3 ? kept : (int)KERNEL_3(dup3, kept, 3, 0x80000);
  KERNEL_3(close_range, 4, 0xffffffffu, 0);
  return only;
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
  __builtin_memcpy(guardian.core, record->active.sha256, SHA256_SIZE);
  if (guardian.pidfd < 0) {
    say("Cannot watch over the trial: ", error_words(guardian.pidfd));
    return;
  }
  /* Twice, so that it is nobody's child: the core would not wait for a child it does not know. */
  const int child = (int)KERNEL_5(clone, SIGNAL_CHILD, 0, 0, 0, 0);
  if (child == 0) {
    KERNEL_0(setsid);
    const int grandchild = (int)KERNEL_5(clone, SIGNAL_CHILD, 0, 0, 0, 0);
    if (grandchild != 0) end_process(grandchild < 0 ? EXIT_OS : 0);
    guardian.pidfd = drop_files(guardian.pidfd);
    if (open_place(slots->path, &guardian.slots) < 0) end_process(EXIT_OS);
    guard(&guardian);
  }
  int status = child < 0 ? 1 : 0;
  if (child > 0) KERNEL_4(wait4, child, &status, 0, 0);
  if (status != 0) say("Cannot watch over the trial: no process can be made");
  close_fd(guardian.pidfd);
}
