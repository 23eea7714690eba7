#include "beside.h"

#include "arguments.h"

/*
** systemd's INVOCATION_ID alone does not say so: a terminal that is itself a unit passes it on. Since systemd 248
** SYSTEMD_EXEC_PID tells them apart.
*/
bool is_supervised(char *const *environment, int pid) {
  const char *exec_pid = environment_value(environment, "SYSTEMD_EXEC_PID");
  if (exec_pid != 0) return same_text(exec_pid, number_words((uint64_t)pid));
  return environment_value(environment, "INVOCATION_ID") != 0;
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

int step_beside(int kept) {
  /* Twice: the core would not wait for a child it does not know. */
  const int child = (int)KERNEL_5(clone, SIGNAL_CHILD, 0, 0, 0, 0);
  if (child == 0) {
    KERNEL_0(setsid);
    const int grandchild = (int)KERNEL_5(clone, SIGNAL_CHILD, 0, 0, 0, 0);
    if (grandchild != 0) end_process(grandchild < 0 ? EXIT_OS : 0);
    return drop_files(kept);
  }
  int status = child < 0 ? 1 : 0;
  if (child > 0) KERNEL_4(wait4, child, &status, 0, 0);
  if (status != 0) say("Cannot watch over the core: no process can be made");
  return -1;
}

bool has_ended(int pidfd, int64_t wait_ms) {
  struct pollfd_ polled = {.fd = pidfd, .events = 1};
  struct timespec_ wait = {wait_ms / 1000, wait_ms % 1000 * 1000000};
  return KERNEL_5(ppoll, &polled, 1, &wait, 0, 0) == 1;
}

void find_executable(int pid, char path[PATH_SIZE]) {
  char link[32];
  Text text = TEXT_ON(link);
  add_text(&text, "/proc/");
  add_number(&text, (uint64_t)pid);
  add_text(&text, "/exe");
  const long length = KERNEL_4(readlinkat, AT_CWD, link, path, PATH_SIZE - 1);
  path[length > 0 ? length : 0] = 0;
}

void start_again(const char *launcher, char **argv, char **environment) {
  KERNEL_3(dup3, 2, 1, 0);
  KERNEL_3(execve, launcher, argv, environment);
  say("Cannot start ", launcher, " again");
  end_process(EXIT_OS);
}
