#include "slots.h"

#define RECORD_NAME "record"
#define RECORD_NEW_NAME "record.new"
#define COPY_NAME "record.old"
#define COPY_NEW_NAME "record.old.new"

static RecordStatus load_from(const Place *slots, const char *name, Record *record) {
  char bytes[RECORD_SIZE_MAX + 1];
  size_t size = 0;
  /* The directory may be another user's: a pipe is not waited for. */
  const int fd = open_at(slots->fd, name, OPEN_READ | OPEN_NOFOLLOW | OPEN_NONBLOCK, 0);
  if (fd == -ERR_NOENT) return RECORD_MISSING;
  if (fd < 0) return RECORD_DAMAGED;
  while (size < sizeof bytes) {
    const long got = KERNEL_3(read, fd, bytes + size, sizeof bytes - size);
    if (got == -ERR_INTR) continue;
    if (got <= 0) break;
    size += (size_t)got;
  }
  close_fd(fd);
  return read_record(bytes, size, record) == 0 ? RECORD_READ : RECORD_DAMAGED;
}

RecordStatus load_record(const Place *slots, Record *record) {
  return load_from(slots, RECORD_NAME, record);
}

RecordStatus load_record_copy(const Place *slots, Record *record) {
  return load_from(slots, COPY_NAME, record);
}

static long write_all(int fd, const char *bytes, size_t size) {
  for (size_t done = 0; done < size;) {
    const long written = KERNEL_3(write, fd, bytes + done, size - done);
    if (written == -ERR_INTR) continue;
    if (written <= 0) return written < 0 ? written : -ERR_IO;
    done += (size_t)written;
  }
  return 0;
}

static long save_as(const Place *slots, const Record *record, const char *fresh, const char *name) {
  char bytes[RECORD_SIZE_MAX + 64];
  size_t length;
  if (!write_record(record, bytes, sizeof bytes, &length)) return -ERR_INVAL;
  const int fd =
      open_at(slots->fd, fresh, OPEN_WRITE | OPEN_CREATE | OPEN_TRUNCATE | OPEN_NOFOLLOW, 0600);
  if (fd < 0) return fd;
  long error = write_all(fd, bytes, length);
  if (error == 0) error = sync_fd(fd);
  close_fd(fd);
  if (error == 0) error = rename_in(slots->fd, fresh, name);
  if (error == 0) error = sync_fd(slots->fd);
  return error;
}

long save_record(const Place *slots, const Record *record) {
  return save_as(slots, record, RECORD_NEW_NAME, RECORD_NAME);
}

void keep_record_copy(const Place *slots, const Record *record) {
  static Record copy;
  char is[RECORD_SIZE_MAX + 64], was[RECORD_SIZE_MAX + 64];
  size_t is_length, was_length;
  if (!write_record(record, is, sizeof is, &is_length)) return;
  if (load_record_copy(slots, &copy) == RECORD_READ &&
      write_record(&copy, was, sizeof was, &was_length) && is_length == was_length &&
      same_bytes((const uint8_t *)is, (const uint8_t *)was, is_length))
    return;
  save_as(slots, record, COPY_NEW_NAME, COPY_NAME);
}

static CheckedStat stat_of(const struct statx_ *status) {
  const uint64_t modified =
      (uint64_t)status->modified.seconds * 1000000000u + status->modified.nanoseconds;
  return (CheckedStat){status->size, modified, status->inode};
}

bool same_checked(const CheckedStat *one, const CheckedStat *other) {
  return one->size == other->size && one->modified_ns == other->modified_ns &&
         one->inode == other->inode;
}

static int open_core(const Place *place, const uint8_t sha256[SHA256_SIZE], struct statx_ *status) {
  char name[CORE_NAME_SIZE];
  core_name(sha256, name);
  const int fd = open_at(place->fd, name, OPEN_READ | OPEN_NOFOLLOW, 0);
  if (fd < 0) return fd;
  if (stat_fd(fd, status) >= 0 && (status->mode & MODE_TYPE) == MODE_FILE) return fd;
  close_fd(fd);
  return -ERR_IO;
}

CoreStatus check_core(const Place *place, const uint8_t sha256[SHA256_SIZE], CheckedStat *checked) {
  struct statx_ status;
  uint8_t digest[SHA256_SIZE];
  const int fd = open_core(place, sha256, &status);
  if (fd < 0) return fd == -ERR_NOENT ? CORE_MISSING : CORE_DAMAGED;
  /* Whoever wrote it may have been cut off between its last byte and this. */
  if ((status.mode & 0777) != 0755) KERNEL_2(fchmod, fd, 0755);
  const bool is_whole =
      hash_file(fd, status.size, digest) && same_bytes(digest, sha256, SHA256_SIZE);
  close_fd(fd);
  if (!is_whole) return CORE_DAMAGED;
  *checked = stat_of(&status);
  return CORE_WHOLE;
}

CoreStatus check_slot(const Place *slots, SlotCore *core) {
  struct statx_ status;
  const int fd = open_core(slots, core->sha256, &status);
  if (fd >= 0) {
    close_fd(fd);
    const CheckedStat now = stat_of(&status);
    if (same_checked(&now, &core->checked)) return CORE_WHOLE;
  }
  return check_core(slots, core->sha256, &core->checked);
}

bool check_stat(const Place *place, const char *name, const CheckedStat *checked) {
  struct statx_ status;
  if (stat_at(place->fd, name, AT_SYMLINK_NOFOLLOW, &status) < 0) return false;
  const CheckedStat now = stat_of(&status);
  return same_checked(&now, checked);
}

/* A core that a command before this one unpacked: on the same file system it needs no room and no time. */
static bool link_from_cache(const char *const *caches, const Place *slots,
                            const uint8_t sha256[SHA256_SIZE], CheckedStat *checked) {
  static Place cache;
  char name[CORE_NAME_SIZE];
  core_name(sha256, name);
  for (; *caches != 0; caches++) {
    if (open_place(*caches, &cache) < 0) continue;
    const long error = KERNEL_5(linkat, cache.fd, name, slots->fd, name, 0);
    close_fd(cache.fd);
    if (error < 0) continue;
    struct statx_ status;
    const bool is_good = stat_at(slots->fd, name, AT_SYMLINK_NOFOLLOW, &status) >= 0 &&
                         is_ours_alone(&status) && check_core(slots, sha256, checked) == CORE_WHOLE;
    if (is_good && sync_fd(slots->fd) == 0) return true;
    remove_file(slots->fd, name);
  }
  return false;
}

bool obtain_core(const Payload *payload, const Place *slots, const char *const *caches,
                 SlotCore *core) {
  const Trailer *trailer = &payload->trailer;
  char name[CORE_NAME_SIZE];
  SlotCore found = {.is_there = true, .format = trailer->state_format};
  Text version = TEXT_ON(found.version);
  core_name(trailer->core_sha256, name);
  __builtin_memcpy(found.sha256, trailer->core_sha256, SHA256_SIZE);
  add_text(&version, trailer->version);
  const CoreStatus status = check_core(slots, found.sha256, &found.checked);
  if (status == CORE_DAMAGED) remove_file(slots->fd, name);
  if (status != CORE_WHOLE && !link_from_cache(caches, slots, found.sha256, &found.checked)) {
    if (!unpack_core(payload, slots->fd, slots->path, name)) return false;
    struct statx_ fresh;
    if (stat_at(slots->fd, name, AT_SYMLINK_NOFOLLOW, &fresh) < 0) return false;
    found.checked = stat_of(&fresh);
  }
  *core = found;
  return true;
}

bool read_core_name(const char *name, uint8_t sha256[SHA256_SIZE]) {
  return starts_with(name, "core-") &&
         read_hex(name + 5, text_length(name + 5), sha256, SHA256_SIZE);
}

typedef void (*VisitCore)(const Place *slots, const char *name, const uint8_t sha256[SHA256_SIZE],
                          void *context);

static void visit_cores(const Place *slots, VisitCore visit, void *context) {
  static _Alignas(8) char entries[16 * 1024];
  const int fd = open_at(slots->fd, ".", OPEN_READ | OPEN_DIRECTORY, 0);
  if (fd < 0) return;
  for (;;) {
    const long size = KERNEL_3(getdents64, fd, entries, sizeof entries);
    if (size <= 0) break;
    /* struct linux_dirent64: inode, offset, length (16 bits at 16), type, name. */
    for (long at = 0; at < size;) {
      const char *entry = entries + at;
      uint8_t sha256[SHA256_SIZE];
      uint16_t length;
      __builtin_memcpy(&length, entry + 16, sizeof length);
      if (read_core_name(entry + 19, sha256)) visit(slots, entry + 19, sha256, context);
      at += length;
    }
  }
  close_fd(fd);
}

static void take_newest(const Place *slots, const char *name, const uint8_t sha256[SHA256_SIZE],
                        void *context) {
  SlotCore *newest = context;
  struct statx_ status;
  if (stat_at(slots->fd, name, AT_SYMLINK_NOFOLLOW, &status) < 0) return;
  const CheckedStat stat = stat_of(&status);
  if (newest->is_there && newest->checked.modified_ns >= stat.modified_ns) return;
  CheckedStat checked;
  if (check_core(slots, sha256, &checked) != CORE_WHOLE) return;
  *newest = (SlotCore){.is_there = true, .checked = checked};
  __builtin_memcpy(newest->sha256, sha256, SHA256_SIZE);
}

bool find_any_core(const Place *slots, SlotCore *core) {
  SlotCore newest = {.is_there = false};
  visit_cores(slots, take_newest, &newest);
  if (!newest.is_there) return false;
  Text version = TEXT_ON(newest.version);
  add_text(&version, "unknown");
  *core = newest;
  return true;
}

static bool is_core(const SlotCore *core, const uint8_t sha256[SHA256_SIZE]) {
  return core->is_there && same_bytes(core->sha256, sha256, SHA256_SIZE);
}

static void delete_other(const Place *slots, const char *name, const uint8_t sha256[SHA256_SIZE],
                         void *context) {
  const Record *record = context;
  if (!is_core(&record->active, sha256) && !is_core(&record->standby, sha256))
    remove_file(slots->fd, name);
}

void sweep_slots(const Place *slots, const Record *record) {
  remove_file(slots->fd, UNPACKED_NAME);
  visit_cores(slots, delete_other, (void *)record);
}
