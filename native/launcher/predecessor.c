#include "predecessor.h"

#include "slots.h"

/*
** The record may be another user's. It is no more than a hint here: whatever it says, one of two files runs that only
** root and this user can write.
*/
static bool is_refused(const Payload *payload, const char *state) {
  static Place slots;
  static Record record;
  char path[PATH_SIZE];
  Text text = TEXT_ON(path);
  add_text(&text, state);
  add_text(&text, "/slots");
  if (text.is_cut || open_place(path, &slots) < 0) return false;
  const bool is_read = load_record(&slots, &record) == RECORD_READ;
  close_fd(slots.fd);
  return is_read && record.has_refused &&
         same_bytes(record.refused, payload->trailer.core_sha256, SHA256_SIZE);
}

static bool is_ours(const char *path) {
  struct statx_ status;
  return stat_at(AT_CWD, path, AT_SYMLINK_NOFOLLOW, &status) >= 0 &&
         (status.mode & MODE_TYPE) == MODE_FILE && is_ours_alone(&status);
}

const Payload *command_payload(const Payload *payload, const char *state) {
  static Payload before;
  Text path = TEXT_ON(before.path);
  if (state == 0 || *payload->path == 0 || !is_refused(payload, state)) return payload;
  add_text(&path, payload->path);
  add_text(&path, ".previous");
  if (path.is_cut || !is_ours(before.path) || !open_payload(before.path, &before)) return payload;
  if (before.trailer.machine == MACHINE) return &before;
  close_fd(before.fd);
  return payload;
}
