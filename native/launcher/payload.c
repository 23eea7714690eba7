#include "payload.h"

#include "../zstd/zstd-decoder.h"
#include "branch-filter.h"

/* Kept free on top of the core, so that a node is not left with a full disk. */
#define SPARE_BYTES (4u * 1024 * 1024)
#define NO_EXEC 8
#define READ_ONLY 1

bool open_payload(const char *path, Payload *payload) {
  payload->fd = open_at(AT_CWD, path, OPEN_READ, 0);
  struct statx_ status;
  long error = payload->fd < 0 ? payload->fd : stat_fd(payload->fd, &status);
  if (error < 0) {
    say("Cannot read ", path, ": ", error_words(error));
    return false;
  }
  payload->file_size = status.size;
  uint8_t bytes[TRAILER_SIZE];
  const char *problem = "it is cut off";
  if (status.size >= TRAILER_SIZE) {
    long got = KERNEL_4(pread, payload->fd, bytes, TRAILER_SIZE, status.size - TRAILER_SIZE);
    problem = got == TRAILER_SIZE ? read_trailer(bytes, status.size, &payload->trailer)
                                  : "it cannot be read";
  }
  if (problem == 0) return true;
  say("Cannot use ", path, ": ", problem, "; install Mycelium again");
  close_fd(payload->fd);
  payload->fd = -1;
  return false;
}

bool hash_file(int fd, uint64_t size, uint8_t digest[SHA256_SIZE]) {
  static _Alignas(64) uint8_t buffer[256 * 1024];
  Sha256 hash;
  sha256_start(&hash);
  for (uint64_t done = 0; done < size;) {
    uint64_t wanted = size - done < sizeof buffer ? size - done : sizeof buffer;
    long got = KERNEL_4(pread, fd, buffer, wanted, done);
    if (got == -ERR_INTR) continue;
    if (got <= 0) return false;
    sha256_add(&hash, buffer, (size_t)got);
    done += (uint64_t)got;
  }
  sha256_end(&hash, digest);
  return true;
}

/* Files are read and written as memory: a disk that fails, or a file that is cut off meanwhile, is a signal. */
static void on_bus_error(int signal) {
  (void)signal;
  say("Cannot unpack: the disk failed to read or write, or ran out of space");
  end_process(EXIT_IO);
}

static void end_at_bus_error(void) {
  const struct {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
  } action = {.handler = on_bus_error, .flags = SIGACTION_RESTORER};
  KERNEL_4(rt_sigaction, SIGNAL_BUS, &action, 0, sizeof action.mask);
}

/* Unpacks into `to`, which is as large as the core. Null, or what is wrong. */
static const char *unpack_into(const Payload *payload, uint8_t *to) {
  const Trailer *trailer = &payload->trailer;
  uint8_t *file = map_memory(payload->file_size, PROT_READ_, MAP_PRIVATE_, payload->fd);
  if (map_error(file) != 0) return "it cannot be mapped into memory";
  end_at_bus_error();
  bool is_unpacked =
      zstd_unpack(to, trailer->core_size, file + trailer->payload_offset, trailer->payload_size);
  unmap_memory(file, payload->file_size);
  if (!is_unpacked) return "its payload is damaged";
  if ((trailer->flags & TRAILER_FLAG_FILTERED) != 0)
    unfilter_branches(trailer->machine, to, trailer->core_size);
  uint8_t digest[SHA256_SIZE];
  sha256_of(to, trailer->core_size, digest);
  return same_bytes(digest, trailer->core_sha256, SHA256_SIZE) ? 0 : "its core is damaged";
}

/* Room, and a file system that lets programs be written and run. */
static bool check_directory(int directory, const char *path, uint64_t needed) {
  struct statfs_ disk;
  if (KERNEL_2(fstatfs, directory, &disk) < 0) return true;
  if ((disk.flags & READ_ONLY) != 0) {
    say("Cannot unpack into ", path, ": the file system is read-only");
    return false;
  }
  if ((disk.flags & NO_EXEC) != 0) {
    say("Cannot unpack into ", path,
        ": its file system is mounted noexec, so that no program runs from it; ",
        "choose another directory with --state, or mount it with exec");
    return false;
  }
  uint64_t available = disk.available * (uint64_t)disk.block_size;
  if (available >= needed) return true;
  say("Cannot unpack into ", path, ": found ", megabytes(available), " free, needed ",
      megabytes(needed));
  return false;
}

uint64_t unpack_room(const Payload *payload) { return payload->trailer.core_size + SPARE_BYTES; }

/* Takes all blocks now, so that writing through memory cannot run out of them. */
static long reserve(int fd, uint64_t size) {
  long error = KERNEL_4(fallocate, fd, 0, 0, size);
  if (error != -ERR_OPNOTSUPP && error != -ERR_NOSYS) return error;
  static const uint8_t zeros[64 * 1024];
  for (uint64_t done = 0; done < size;) {
    uint64_t wanted = size - done < sizeof zeros ? size - done : sizeof zeros;
    long written = KERNEL_3(write, fd, zeros, wanted);
    if (written == -ERR_INTR) continue;
    if (written <= 0) return written < 0 ? written : -ERR_IO;
    done += (uint64_t)written;
  }
  return 0;
}

static long fill(const Payload *payload, int fd, const char **problem) {
  const uint64_t size = payload->trailer.core_size;
  long error = reserve(fd, size);
  if (error < 0) return error;
  uint8_t *core = map_memory(size, PROT_READ_ | PROT_WRITE_, MAP_SHARED_, fd);
  if (map_error(core) != 0) return map_error(core);
  *problem = unpack_into(payload, core);
  unmap_memory(core, size);
  if (*problem != 0) return 0;
  error = KERNEL_2(fchmod, fd, 0755);
  return error < 0 ? error : sync_fd(fd);
}

bool unpack_core(const Payload *payload, int directory, const char *directory_path,
                 const char *name) {
  remove_file(directory, UNPACKED_NAME);
  if (!check_directory(directory, directory_path, unpack_room(payload))) return false;
  int fd = open_at(directory, UNPACKED_NAME, OPEN_BOTH | OPEN_CREATE | OPEN_EXCLUSIVE, 0600);
  const char *problem = 0;
  long error = fd;
  if (fd >= 0) {
    error = fill(payload, fd, &problem);
    close_fd(fd);
  }
  if (error >= 0 && problem == 0) error = rename_in(directory, UNPACKED_NAME, name);
  if (error >= 0 && problem == 0) error = sync_fd(directory);
  if (error >= 0 && problem == 0) return true;
  remove_file(directory, UNPACKED_NAME);
  if (problem != 0) say("Cannot unpack ", payload->path, ": ", problem, "; install Mycelium again");
  else say("Cannot unpack into ", directory_path, ": ", error_words(error));
  return false;
}

bool verify_payload(const Payload *payload) {
  const Trailer *trailer = &payload->trailer;
  uint8_t digest[SHA256_SIZE];
  const char *problem = 0;
  uint8_t *file = map_memory(payload->file_size, PROT_READ_, MAP_PRIVATE_, payload->fd);
  if (map_error(file) != 0) {
    problem = "it cannot be mapped into memory";
  } else {
    end_at_bus_error();
    sha256_of(file, trailer->payload_offset, digest);
    if (!same_bytes(digest, trailer->launcher_sha256, SHA256_SIZE))
      problem = "its launcher is damaged";
    sha256_of(file + trailer->payload_offset, trailer->payload_size, digest);
    if (!same_bytes(digest, trailer->payload_sha256, SHA256_SIZE))
      problem = "its payload is damaged";
    unmap_memory(file, payload->file_size);
  }
  if (problem == 0) {
    uint8_t *core =
        map_memory(trailer->core_size, PROT_READ_ | PROT_WRITE_, MAP_PRIVATE_ | MAP_ANONYMOUS_, -1);
    problem = map_error(core) != 0 ? "there is too little memory" : unpack_into(payload, core);
    if (map_error(core) == 0) unmap_memory(core, trailer->core_size);
  }
  if (problem != 0) say("Cannot use ", payload->path, ": ", problem);
  return problem == 0;
}
