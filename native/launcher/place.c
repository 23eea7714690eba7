#include "place.h"

#include "arguments.h"

#define SYSTEM_STATE "/var/lib/mycelium"
#define LOCK_NAME "lock"
#define LOCK_WAIT_MS 60000
#define LOCK_POLL_MS 20

static bool set_path(char path[PATH_SIZE], const char *one, const char *two, const char *three) {
  Text text = {.bytes = path, .size = PATH_SIZE};
  add_text(&text, one);
  add_text(&text, two);
  add_text(&text, three);
  return !text.is_cut;
}

static const char *non_empty(const char *value) { return value != 0 && *value != 0 ? value : 0; }

/* Relative to the working directory, as the core's path.resolve() does. */
static bool set_absolute(char path[PATH_SIZE], const char *value) {
  if (value[0] == '/') return set_path(path, value, "", "");
  char current[PATH_SIZE];
  if (KERNEL_2(getcwd, current, sizeof current) < 0) return false;
  return set_path(path, current, "/", value);
}

static bool is_readable(const char *path) {
  return KERNEL_3(faccessat, AT_CWD, path, ACCESS_R | ACCESS_X) == 0;
}

bool find_state(const char *chosen, char *const *environment, char path[PATH_SIZE]) {
  const char *named = non_empty(chosen);
  if (named == 0) named = non_empty(environment_value(environment, "MYCELIUM_STATE"));
  if (named != 0) return set_absolute(path, named);
  if (KERNEL_0(geteuid) == 0 || is_readable(SYSTEM_STATE))
    return set_path(path, SYSTEM_STATE, "", "");
  const char *states = non_empty(environment_value(environment, "XDG_STATE_HOME"));
  const char *home = non_empty(environment_value(environment, "HOME"));
  if (states != 0) return set_path(path, states, "/mycelium", "");
  return home != 0 && set_path(path, home, "/.local/state", "/mycelium");
}

long open_place(const char *path, Place *place) {
  if (!set_path(place->path, path, "", "")) return -ERR_NAMETOOLONG;
  place->fd = open_at(AT_CWD, path, OPEN_READ | OPEN_DIRECTORY, 0);
  return place->fd;
}

/* So that a directory is found again after a power cut. */
static void sync_parent(const Place *place) {
  const int parent = open_at(place->fd, "..", OPEN_READ | OPEN_DIRECTORY, 0);
  if (parent < 0) return;
  sync_fd(parent);
  close_fd(parent);
}

long make_place(const char *path, int mode, Place *place) {
  char part[PATH_SIZE];
  bool is_made = false;
  for (size_t i = 1; i < PATH_SIZE && path[i - 1] != 0; i++) {
    part[i - 1] = path[i - 1];
    part[i] = 0;
    const bool is_last = path[i] == 0;
    if (!is_last && path[i] != '/') continue;
    const long error = make_directory(AT_CWD, part, is_last ? mode : 0755);
    if (error < 0 && error != -ERR_EXIST && is_last) return error;
    is_made = error >= 0;
  }
  const long error = open_place(path, place);
  if (error >= 0 && is_made) sync_parent(place);
  return error;
}

bool is_ours_alone(const struct statx_ *status) {
  return (status->uid == 0 || status->uid == (uint32_t)KERNEL_0(geteuid)) &&
         (status->mode & 022) == 0;
}

void list_caches(char *const *environment, const char *caches[CACHE_COUNT_MAX + 1]) {
  static char named[PATH_SIZE], own[PATH_SIZE], homeless[PATH_SIZE];
  const uint64_t user = (uint64_t)KERNEL_0(geteuid);
  const char *cache_home = non_empty(environment_value(environment, "XDG_CACHE_HOME"));
  const char *home = non_empty(environment_value(environment, "HOME"));
  size_t count = 0;
  if (cache_home != 0 && cache_home[0] == '/' && set_path(named, cache_home, "/mycelium", ""))
    caches[count++] = named;
  if (user == 0) {
    caches[count++] = SYSTEM_CACHE;
  } else if (home != 0 && home[0] == '/' && set_path(own, home, "/.cache", "/mycelium")) {
    caches[count++] = own;
  }
  if (set_path(homeless, "/var/tmp/mycelium-", number_words(user), "")) caches[count++] = homeless;
  caches[count] = 0;
}

/*
** Nobody but root can put another directory in the place of one on this path. In one with the sticky bit (/tmp) names
** belong to who made them.
*/
static bool is_roots_path(const char *path) {
  char part[PATH_SIZE];
  struct statx_ status;
  for (size_t i = 1; i < PATH_SIZE; i++) {
    part[i - 1] = path[i - 1];
    part[i] = 0;
    if (path[i] != 0 && path[i] != '/') continue;
    const long error = stat_at(AT_CWD, part, 0, &status);
    if (error == -ERR_NOENT) return true;
    if (error < 0 || status.uid != 0 ||
        ((status.mode & 022) != 0 && (status.mode & MODE_STICKY) == 0))
      return false;
    if (path[i] == 0) return true;
  }
  return false;
}

bool open_cache(const char *path, Place *place) {
  struct statx_ status;
  if (KERNEL_0(geteuid) == 0 && !is_roots_path(path)) return false;
  if (make_place(path, 0755, place) < 0) return false;
  if (stat_fd(place->fd, &status) >= 0 && status.uid == (uint32_t)KERNEL_0(geteuid) &&
      is_ours_alone(&status) && KERNEL_3(faccessat, place->fd, ".", ACCESS_W | ACCESS_X) == 0)
    return true;
  close_fd(place->fd);
  return false;
}

void core_name(const uint8_t sha256[SHA256_SIZE], char name[CORE_NAME_SIZE]) {
  Text text = {.bytes = name, .size = CORE_NAME_SIZE};
  add_text(&text, "core-");
  add_hex(&text, sha256, SHA256_SIZE);
}

int lock_place(const Place *place) {
  int lock = open_at(place->fd, LOCK_NAME, OPEN_BOTH | OPEN_CREATE, 0600);
  if (lock < 0) return lock;
  const int64_t deadline = monotonic_ms() + LOCK_WAIT_MS;
  for (;;) {
    long error = KERNEL_2(flock, lock, LOCK_EXCLUSIVE | LOCK_NO_WAIT);
    if (error == 0) return lock;
    if ((error != -ERR_AGAIN && error != -ERR_INTR) || monotonic_ms() > deadline) {
      close_fd(lock);
      return (int)error;
    }
    sleep_ms(LOCK_POLL_MS);
  }
}

void unlock_place(int lock) {
  if (lock >= 0) close_fd(lock);
}
