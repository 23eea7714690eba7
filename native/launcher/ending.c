#include "ending.h"

#include "launcher.h"

/* linux/pidfd.h: PIDFD_GET_INFO with PIDFD_INFO_EXIT, since 6.15, once the process was waited for. */
#define GET_INFO 0xc040ff0bul
#define INFO_EXIT 8u
#define LOOK_COUNT_MAX 50
#define LOOK_DELAY_MS 20

struct pidfd_info_ {
  uint64_t mask, cgroup;
  uint32_t pid, tgid, ppid, ids[8];
  int32_t exit_code;
};

static bool is_as_asked(uint64_t wait_status) {
  const uint64_t signal = wait_status & 0x7f;
  return wait_status == 0 || signal == SIGNAL_TERM || signal == SIGNAL_INT || signal == SIGNAL_HUP;
}

static bool status_by_info(int pidfd, uint64_t *status) {
  struct pidfd_info_ info = {.mask = INFO_EXIT};
  if (KERNEL_3(ioctl, pidfd, GET_INFO, &info) < 0 || (info.mask & INFO_EXIT) == 0) return false;
  *status = (uint32_t)info.exit_code;
  return true;
}

/* A process nobody has waited for yet is a zombie; the last field of its stat is its wait status. */
static bool status_of_zombie(int pid, uint64_t *status) {
  char path[32], bytes[1024];
  Text text = TEXT_ON(path);
  add_text(&text, "/proc/");
  add_number(&text, (uint64_t)pid);
  add_text(&text, "/stat");
  const int fd = open_at(AT_CWD, path, OPEN_READ, 0);
  if (fd < 0) return false;
  long size = KERNEL_3(read, fd, bytes, sizeof bytes);
  close_fd(fd);
  while (size > 0 && (bytes[size - 1] == '\n' || bytes[size - 1] == ' ')) size--;
  long start = size;
  while (start > 0 && bytes[start - 1] != ' ') start--;
  /* "pid (name) Z ...": the name may hold anything, so the state is looked for behind the last parenthesis. */
  long name_end = size - 1;
  while (name_end > 0 && bytes[name_end] != ')') name_end--;
  if (name_end <= 0 || name_end + 2 >= size || bytes[name_end + 2] != 'Z') return false;
  return read_number(bytes + start, (size_t)(size - start), status);
}

bool ended_as_asked(int pidfd, int pid) {
  uint64_t status;
  for (int looks = 0; looks < LOOK_COUNT_MAX; looks++) {
    if (status_by_info(pidfd, &status) || status_of_zombie(pid, &status))
      return is_as_asked(status);
    sleep_ms(LOOK_DELAY_MS);
  }
  return false;
}
