#include "see-off.h"

#include "beside.h"
#include "ending.h"

#define POLL_MS 100
#define WATCH_MS 120000

__attribute__((noreturn)) static void watch(int pid, int pidfd, const char *launcher, char **argv,
                                            char **environment) {
  static char before[PATH_SIZE], now[PATH_SIZE];
  const int64_t deadline = monotonic_ms() + WATCH_MS;
  find_executable(pid, before);
  while (monotonic_ms() < deadline) {
    if (has_ended(pidfd, POLL_MS)) {
      if (ended_as_asked(pidfd, pid)) break;
      say("The core went down while it became another; starting that one");
      start_again(launcher, argv, environment);
    }
    find_executable(pid, now);
    /* "" while it ends. */
    if (now[0] != 0 && !same_text(before, now)) break;
  }
  end_process(0);
}

int see_off(const char *launcher, char **words, char **environment) {
  uint64_t pid;
  if (!read_number(words[0], text_length(words[0]), &pid) || pid == 0 || pid > INT32_MAX) {
    say("Cannot watch over ", words[0], ": it is no process id");
    return 2;
  }
  if (is_supervised(environment, (int)pid)) return 0;
  const int pidfd = (int)KERNEL_2(pidfd_open, (long)pid, 0);
  if (pidfd < 0) {
    say("Cannot watch over the core: ", error_words(pidfd));
    return EXIT_OS;
  }
  const int kept = step_beside(pidfd);
  if (kept >= 0) watch((int)pid, kept, launcher, words + 1, environment);
  return 0;
}
