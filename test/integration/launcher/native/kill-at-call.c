/*
** Runs a program and kills it when it enters its Nth system call: the call is not made. Prints how many it made before
** it became another program, and ends with 0 when it was killed, 1 when it got so far.
**
**   kill-at-call N PROGRAM WORDS...
*/
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static int wait_for(pid_t child) {
  int status;
  if (waitpid(child, &status, 0) != child) exit(2);
  return status;
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  const long limit = strtol(argv[1], 0, 10);
  const pid_t child = fork();
  if (child == 0) {
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    raise(SIGSTOP);
    execv(argv[2], argv + 2);
    _exit(2);
  }
  wait_for(child);
  ptrace(PTRACE_SETOPTIONS, child, 0,
         PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL);
  long calls = 0;
  int programs = 0, is_inside = 0;
  for (;;) {
    if (ptrace(PTRACE_SYSCALL, child, 0, 0) != 0) return 2;
    const int status = wait_for(child);
    if (WIFEXITED(status) || WIFSIGNALED(status)) break;
    if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8)) {
      /* The first is the program itself, the second what it becomes. */
      if (++programs == 2) {
        ptrace(PTRACE_DETACH, child, 0, 0);
        wait_for(child);
        break;
      }
      calls = 0;
      continue;
    }
    if (WSTOPSIG(status) != (SIGTRAP | 0x80)) continue;
    is_inside = !is_inside;
    if (programs == 0 || !is_inside) continue;
    if (++calls == limit) {
      kill(child, SIGKILL);
      wait_for(child);
      printf("%ld\n", calls);
      return 0;
    }
  }
  printf("%ld\n", calls);
  return 1;
}
