#include "tools.h"

#define TOOL_WORDS_MAX 12
#define SIGNAL_STATUS 128

static const char *const environment[] = {
    "PATH=/usr/bin:/bin",
    "LC_ALL=C",
    "SYSTEMD_PAGER=",
    "OPENSSL_CONF=/dev/null",
    0,
};

/* In the child. `out` is where standard output goes. */
__attribute__((noreturn)) static void become(const char *path, const char *const *words, int null_fd, int out) {
  KERNEL_3(dup3, null_fd, 0, 0);
  KERNEL_3(dup3, out, 1, 0);
  KERNEL_3(dup3, null_fd, 2, 0);
  KERNEL_3(execve, path, words, environment);
  end_process(SIGNAL_STATUS - 1);
}

static void read_output(int fd, Text *output) {
  char bytes[256];
  for (;;) {
    long got = KERNEL_3(read, fd, bytes, sizeof bytes);
    if (got == -ERR_INTR) continue;
    if (got <= 0) return;
    add_bytes(output, bytes, (size_t)got);
  }
}

static int wait_for(int pid) {
  int status = 0;
  long got;
  do {
    got = KERNEL_4(wait4, pid, &status, 0, 0);
  } while (got == -ERR_INTR);
  if (got != pid) return -1;
  return (status & 0x7f) == 0 ? status >> 8 & 0xff : SIGNAL_STATUS + (status & 0x7f);
}

int run_tool(const Options *options, const char *name, const char *const *words, Text *output) {
  char buffer[256];
  Text path = TEXT_ON(buffer);
  const char *all[TOOL_WORDS_MAX] = {name};
  int pipe[2] = {-1, -1}, null_fd = open_at(AT_CWD, "/dev/null", OPEN_BOTH, 0);
  add_text(&path, options->tools);
  add_text(&path, "/");
  add_text(&path, name);
  for (size_t i = 0; words[i] != 0; i++) {
    if (i + 2 >= TOOL_WORDS_MAX) return -1;
    all[i + 1] = words[i];
  }
  if (path.is_cut || null_fd < 0) return -1;
  if (output != 0 && KERNEL_2(pipe2, pipe, OPEN_CLOEXEC) < 0) return -1;
  long pid = KERNEL_5(clone, SIGNAL_CHILD, 0, 0, 0, 0);
  if (pid == 0) become(path.bytes, all, null_fd, output == 0 ? null_fd : pipe[1]);
  close_fd(null_fd);
  if (output != 0) {
    close_fd(pipe[1]);
    if (pid > 0) read_output(pipe[0], output);
    close_fd(pipe[0]);
  }
  return pid < 0 ? -1 : wait_for((int)pid);
}
