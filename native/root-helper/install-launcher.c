/* install-launcher: the order of its checks, and why each, is in DESIGN.md. */
#include "../launcher/sha256.h"
#include "../launcher/trailer.h"
#include "release-check.h"
#include "verbs.h"

enum { KEY_SIZE_MAX = 16 * 1024, OTHERS_WRITE = 022, LOCK_AT_ONCE = 4 };
#define PROGRAM_SIZE_MAX (128ull << 20)
#define SUMS_SIZE_MAX (64u * 1024)
#define SIGNATURE_SIZE_MAX 1024u
#define COPY_SIZE (64u * 1024)
/* Beside the program, so that a rename is enough. */
#define COPY ".mycelium.new"
#define PREDECESSOR "mycelium.previous"
#define PREDECESSOR_NEW ".mycelium.previous.new"

static const char release_name[] = "mycelium-linux-" CALL("x64", "arm64");

typedef struct {
  const Options *options;
  Answer *answer;
  /* Directory of the program, the program's name in it, and the agent's directory of the release. */
  int program_directory, source_directory;
  const char *program_name;
  /* The root-owned copy. */
  int copy;
  uint64_t size;
  uint8_t digest[SHA256_SIZE];
  Trailer trailer;
} Installation;

static bool refuse(Installation *at, const char *words) {
  answer_refused(at->answer, words);
  return false;
}

static bool fail_with(Installation *at, const char *words, long error) {
  answer_error(at->answer, words, error);
  return false;
}

/* Opens `path`, which must lie in the state directory, one part after the other and through no link. */
static bool open_source(Installation *at, const char *path) {
  const char *state = at->options->state;
  char part[REQUEST_SIZE_MAX];
  if (!starts_with(path, state) || path[text_length(state)] != '/')
    return refuse(at, "the directory is not in the state directory");
  int fd = at->options->state_fd;
  for (path += text_length(state); *path != 0;) {
    size_t length = 0;
    for (path++; *path != 0 && *path != '/'; path++) part[length++] = *path;
    part[length] = 0;
    int next = open_at(fd, part, OPEN_READ | OPEN_DIRECTORY | OPEN_NOFOLLOW, 0);
    if (fd != at->options->state_fd) close_fd(fd);
    if (next < 0) return fail_with(at, "the directory cannot be opened", next);
    fd = next;
  }
  at->source_directory = fd;
  return true;
}

/* A regular file of at most `size_max` bytes; not a pipe that never ends, nor a link. Its size in `size`. */
static int open_file(int directory, const char *name, uint64_t size_max, uint64_t *size) {
  struct statx_ status;
  int fd = open_at(directory, name, OPEN_READ | OPEN_NOFOLLOW | OPEN_NONBLOCK, 0);
  if (fd < 0) return fd;
  if (stat_fd(fd, &status) < 0 || (status.mode & MODE_TYPE) != MODE_FILE || status.size > size_max) {
    close_fd(fd);
    return -ERR_INVAL;
  }
  *size = status.size;
  return fd;
}

static long write_all(int fd, const uint8_t *bytes, size_t size) {
  while (size > 0) {
    long put = KERNEL_3(write, fd, bytes, size);
    if (put == -ERR_INTR) continue;
    if (put <= 0) return put < 0 ? put : -ERR_IO;
    bytes += put;
    size -= (size_t)put;
  }
  return 0;
}

/* A small file of the agent's, read once: in `bytes`, and in a file without a name that openssl can read. */
static int take_small(Installation *at, const char *name, uint8_t *bytes, size_t size_max, size_t *length) {
  uint64_t size = 0;
  int fd = open_file(at->source_directory, name, size_max, &size);
  if (fd < 0) return fd;
  *length = 0;
  for (;;) {
    long got = *length < size_max ? KERNEL_3(read, fd, bytes + *length, size_max - *length) : 0;
    if (got == -ERR_INTR) continue;
    if (got <= 0) break;
    *length += (size_t)got;
  }
  close_fd(fd);
  int memory = (int)KERNEL_2(memfd_create, name, 0);
  if (memory >= 0 && write_all(memory, bytes, *length) < 0) {
    close_fd(memory);
    return -ERR_IO;
  }
  return memory;
}

/* The key is trusted, so nobody but root may write it. */
static bool is_key_ours(const char *path) {
  struct statx_ status;
  if (stat_at(AT_CWD, path, AT_SYMLINK_NOFOLLOW, &status) < 0) return false;
  return (status.mode & MODE_TYPE) == MODE_FILE && (status.mode & OTHERS_WRITE) == 0 &&
         status.uid == (uint32_t)KERNEL_0(geteuid) && status.size <= KEY_SIZE_MAX;
}

static void add_descriptor_path(Text *text, int fd) {
  add_text(text, "/proc/self/fd/");
  add_number(text, (uint64_t)fd);
}

static bool is_signed(Installation *at, int sums, int signature) {
  char sums_path[32], signature_path[32];
  Text sums_text = TEXT_ON(sums_path), signature_text = TEXT_ON(signature_path);
  add_descriptor_path(&sums_text, sums);
  add_descriptor_path(&signature_text, signature);
  const char *const words[] = {"dgst",       "-sha256",      "-verify",  at->options->key,
                               "-signature", signature_path, sums_path, 0};
  int status = run_tool(at->options, "openssl", words, 0);
  if (status == 127 || status < 0) return refuse(at, "openssl cannot be run");
  return status == 0 || refuse(at, "SHA256SUMS is not signed by the release key");
}

/* True when the digest of the copy is among the release's signed sums. */
static bool check_release(Installation *at) {
  static uint8_t sums_bytes[SUMS_SIZE_MAX], signature_bytes[SIGNATURE_SIZE_MAX];
  size_t sums_length, signature_length;
  if (!is_key_ours(at->options->key)) return refuse(at, "there is no release key that only root may write");
  int sums = take_small(at, "SHA256SUMS", sums_bytes, sizeof sums_bytes, &sums_length);
  if (sums < 0) return fail_with(at, "SHA256SUMS cannot be read", sums);
  int signature = take_small(at, "SHA256SUMS.sig", signature_bytes, sizeof signature_bytes, &signature_length);
  if (signature < 0) {
    close_fd(sums);
    return fail_with(at, "SHA256SUMS.sig cannot be read", signature);
  }
  bool is_good = is_signed(at, sums, signature);
  close_fd(sums);
  close_fd(signature);
  if (!is_good) return false;
  return sums_have((const char *)sums_bytes, sums_length, release_name, at->digest) ||
         refuse(at, "the file is none of this release, for this machine");
}

static bool open_program_directory(Installation *at) {
  char directory[256];
  size_t slash = 0, length = text_length(at->options->program);
  for (size_t i = 0; i < length; i++)
    if (at->options->program[i] == '/') slash = i;
  if (slash == 0 || slash >= sizeof directory) return refuse(at, "the program's path is wrong");
  __builtin_memcpy(directory, at->options->program, slash);
  directory[slash] = 0;
  at->program_name = at->options->program + slash + 1;
  at->program_directory = open_at(AT_CWD, directory, OPEN_READ | OPEN_DIRECTORY, 0);
  if (at->program_directory < 0) return fail_with(at, "the program's directory cannot be opened", at->program_directory);
  long busy = KERNEL_2(flock, at->program_directory, LOCK_EXCLUSIVE | LOCK_AT_ONCE);
  return busy >= 0 || fail_with(at, "another installation is under way", busy);
}

/* Copies the agent's file to one that only root can open, and takes its digest on the way. */
static bool copy_program(Installation *at) {
  static uint8_t bytes[COPY_SIZE];
  Sha256 hash;
  uint64_t size;
  int from = open_file(at->source_directory, "mycelium", PROGRAM_SIZE_MAX, &size);
  if (from < 0) return fail_with(at, "the file mycelium cannot be read", from);
  remove_file(at->program_directory, COPY);
  at->copy = open_at(at->program_directory, COPY, OPEN_BOTH | OPEN_CREATE | OPEN_EXCLUSIVE | OPEN_NOFOLLOW, 0600);
  long error = at->copy;
  sha256_start(&hash);
  while (error >= 0) {
    long got = KERNEL_3(read, from, bytes, sizeof bytes);
    if (got == -ERR_INTR) continue;
    if (got <= 0) {
      error = got;
      break;
    }
    at->size += (uint64_t)got;
    if (at->size > PROGRAM_SIZE_MAX) error = -ERR_INVAL;
    else error = write_all(at->copy, bytes, (size_t)got);
    sha256_add(&hash, bytes, (size_t)got);
  }
  close_fd(from);
  sha256_end(&hash, at->digest);
  return error >= 0 || fail_with(at, "the file cannot be copied", error);
}

/* Null when the file's trailer is whole, else what is wrong. */
static const char *read_trailer_of(int fd, uint64_t size, Trailer *trailer) {
  uint8_t bytes[TRAILER_SIZE];
  if (size < TRAILER_SIZE || KERNEL_4(pread, fd, bytes, TRAILER_SIZE, size - TRAILER_SIZE) != TRAILER_SIZE)
    return "it is too short";
  return read_trailer(bytes, size, trailer);
}

static bool has_digest(const uint8_t *bytes, uint64_t size, const uint8_t wanted[SHA256_SIZE]) {
  uint8_t found[SHA256_SIZE];
  sha256_of(bytes, size, found);
  return same_bytes(found, wanted, SHA256_SIZE);
}

static bool check_parts(Installation *at) {
  const char *problem = read_trailer_of(at->copy, at->size, &at->trailer);
  if (problem != 0) return refuse(at, problem);
  if (at->trailer.machine != MACHINE) return refuse(at, "it is for another kind of machine");
  uint8_t *bytes = map_memory(at->size, PROT_READ_, MAP_PRIVATE_, at->copy);
  if (map_error(bytes) != 0) return fail_with(at, "the copy cannot be read", map_error(bytes));
  bool is_whole = has_digest(bytes, at->trailer.payload_offset, at->trailer.launcher_sha256) &&
                  has_digest(bytes + at->trailer.payload_offset, at->trailer.payload_size, at->trailer.payload_sha256);
  unmap_memory(bytes, at->size);
  return is_whole || refuse(at, "its parts are not what its trailer says");
}

/* What is installed is never replaced by something older; a program that is damaged is by anything. */
static bool check_version(Installation *at) {
  uint64_t size;
  Trailer installed;
  int fd = open_file(at->program_directory, at->program_name, PROGRAM_SIZE_MAX, &size);
  if (fd < 0) return true;
  const char *problem = read_trailer_of(fd, size, &installed);
  close_fd(fd);
  if (problem != 0 || compare_versions(at->trailer.version, installed.version) >= 0) return true;
  refuse(at, "");
  add_text(&at->answer->words, at->trailer.version);
  add_text(&at->answer->words, " is older than the installed ");
  add_text(&at->answer->words, installed.version);
  return false;
}

/* The predecessor gets a second name first, so that at no moment the program's own name is missing. */
static bool put_in_place(Installation *at) {
  int directory = at->program_directory;
  long error = KERNEL_2(fchmod, at->copy, 0755);
  if (error >= 0) error = sync_fd(at->copy);
  if (error < 0) return fail_with(at, "the copy cannot be written", error);
  remove_file(directory, PREDECESSOR_NEW);
  error = KERNEL_5(linkat, directory, at->program_name, directory, PREDECESSOR_NEW, 0);
  if (error >= 0) error = rename_in(directory, PREDECESSOR_NEW, PREDECESSOR);
  if (error < 0 && error != -ERR_NOENT) return fail_with(at, "the predecessor cannot be kept", error);
  error = rename_in(directory, COPY, at->program_name);
  if (error >= 0) error = sync_fd(directory);
  return error >= 0 || fail_with(at, "the program cannot be replaced", error);
}

void install_launcher(const Options *options, const Request *request, Answer *answer) {
  Installation at = {.options = options, .answer = answer, .program_directory = -1, .copy = -1};
  if (!open_source(&at, request->path) || !open_program_directory(&at)) return;
  if (copy_program(&at) && check_release(&at) && check_parts(&at) && check_version(&at) && put_in_place(&at))
    answer_ok(answer, at.trailer.version);
  else remove_file(at.program_directory, COPY);
}
