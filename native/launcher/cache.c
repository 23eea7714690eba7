#include "cache.h"

#include "predecessor.h"
#include "slots.h"

static bool is_runnable(const Place *place, const char *name, uint64_t size) {
  struct statx_ status;
  return stat_at(place->fd, name, AT_SYMLINK_NOFOLLOW, &status) >= 0 &&
         (status.mode & MODE_TYPE) == MODE_FILE && status.size == size &&
         (status.mode & 0111) == 0111 && is_ours_alone(&status);
}

/*
** Root runs nothing from a directory that another user may write: an agent that was taken over would be root with the
** next `mycelium status`. So the slots count only where they are root's or this user's own.
*/
static bool find_active(const char *state, Place *place, char name[CORE_NAME_SIZE]) {
  static Record record;
  char path[PATH_SIZE];
  struct statx_ status;
  Text text = TEXT_ON(path);
  add_text(&text, state);
  add_text(&text, "/slots");
  if (text.is_cut || open_place(path, place) < 0) return false;
  if (stat_fd(place->fd, &status) >= 0 && is_ours_alone(&status) &&
      load_record(place, &record) == RECORD_READ) {
    core_name(record.active.sha256, name);
    if (is_runnable(place, name, record.active.checked.size) &&
        check_stat(place, name, &record.active.checked))
      return true;
  }
  close_fd(place->fd);
  return false;
}

static bool find_in_system_cache(const Payload *payload, const char *name, Place *place) {
  struct statx_ status;
  if (open_place(SYSTEM_CACHE, place) < 0) return false;
  if (stat_fd(place->fd, &status) >= 0 && status.uid == 0 && is_ours_alone(&status) &&
      is_runnable(place, name, payload->trailer.core_size))
    return true;
  close_fd(place->fd);
  return false;
}

/* The one this process is for stays; those of earlier releases go. */
static bool unpack_into_cache(const Payload *payload, const Place *cache, const char *name) {
  static Record only;
  const int lock = lock_place(cache);
  bool is_there = is_runnable(cache, name, payload->trailer.core_size);
  if (!is_there && unpack_core(payload, cache->fd, cache->path, name)) {
    only.active.is_there = is_there = true;
    __builtin_memcpy(only.active.sha256, payload->trailer.core_sha256, SHA256_SIZE);
    sweep_slots(cache, &only);
  }
  unlock_place(lock);
  return is_there;
}

bool find_command_core(const Payload *own, const char *state, char *const *environment,
                       Place *place, char name[CORE_NAME_SIZE]) {
  const char *caches[CACHE_COUNT_MAX + 1];
  if (state != 0 && find_active(state, place, name)) return true;
  const Payload *payload = command_payload(own, state);
  core_name(payload->trailer.core_sha256, name);
  if (find_in_system_cache(payload, name, place)) return true;
  list_caches(environment, caches);
  for (const char *const *path = caches; *path != 0; path++) {
    if (!open_cache(*path, place)) continue;
    if (is_runnable(place, name, payload->trailer.core_size) ||
        unpack_into_cache(payload, place, name))
      return true;
    close_fd(place->fd);
  }
  say("Cannot unpack the program: found no directory for it that is this user's alone and has "
      "room; set ",
      "XDG_CACHE_HOME to one");
  return false;
}
