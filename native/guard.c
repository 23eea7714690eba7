/*
** SQLite loadable extension: what a replicated state machine needs of SQLite and Bun does not offer.
**
**   mycelium_deadline(ms)       statements of this connection fail with SQLITE_INTERRUPT `ms` from now; 0: never
**   mycelium_pin(time_ms, seed) pins time (this thread) and randomness (this connection); seed is 16 bytes
**   mycelium_request(ordinal)   starts a request: its own random stream, total_changes() and
**                               last_insert_rowid() from 0
**   mycelium_resume()           pins again, where another connection of this thread was pinned meanwhile
**   mycelium_unpin()            back to real time and real randomness
**   mycelium_effects()          of this request: rows changed * 4, + 2 when random numbers were drawn, + 1 when
**                               deferred foreign keys are violated just now
**   mycelium_foreign_keys(on)   turns foreign keys on or off, also inside a transaction
**   mycelium_limits(length)     lowers SQLITE_LIMIT_LENGTH
**   mycelium_check_pages(size, first, count)   looks for damaged pages in the database file
**
** random(), randomblob() and total_changes() are replaced. Time is pinned below SQLite, in the VFS, so
** that every date function, 'now' and CURRENT_* follow, as do rowids that SQLite picks at random when a table's
** largest rowid is taken. The time zone is UTC on every machine. The pinned VFS is a copy of the default one that
** is made the default: load the extension once (into ":memory:") before the connections that need it are opened.
**
** Pages of shards' databases carry checksums: see page-checksums.h.
**
** Random numbers are ChaCha20 (RFC 8439) keyed by the seed, one nonce per request, so that what one client sees
** says nothing about what another gets.
*/
#include "sqlite/sqlite3ext.h"
SQLITE_EXTENSION_INIT1
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PROGRESS_OPS 1000
#define OWN_STREAM (1ULL << 63)
#define DAY_MS 86400000.0
/* Julian day of 1970-01-01 in milliseconds. */
#define UNIX_EPOCH_JULIAN_MS 210866760000000LL

typedef struct {
  uint32_t input[16];
  uint8_t block[64];
  unsigned used;
} Stream;

typedef struct {
  sqlite3 *db;
  int64_t deadlineNs;
  int pinned;
  sqlite3_int64 julianMs;
  uint8_t seed[16];
  Stream stream;
  /* Seeds SQLite's own generator, which also names temporary files: apart from what statements see. */
  Stream ownStream;
  int usedRandom;
  sqlite3_int64 changesBase;
} Guard;

static __thread Guard *pinnedGuard;

/* --- ChaCha20 ------------------------------------------------------------------------------------------------ */

#define ROTL(x, n) (((x) << (n)) | ((x) >> (32 - (n))))
#define QUARTER(a, b, c, d) \
  a += b; d = ROTL(d ^ a, 16); c += d; b = ROTL(b ^ c, 12); a += b; d = ROTL(d ^ a, 8); c += d; b = ROTL(b ^ c, 7);

static void streamBlock(Stream *s) {
  uint32_t x[16];
  memcpy(x, s->input, sizeof x);
  for (int i = 0; i < 10; i++) {
    QUARTER(x[0], x[4], x[8], x[12]) QUARTER(x[1], x[5], x[9], x[13])
    QUARTER(x[2], x[6], x[10], x[14]) QUARTER(x[3], x[7], x[11], x[15])
    QUARTER(x[0], x[5], x[10], x[15]) QUARTER(x[1], x[6], x[11], x[12])
    QUARTER(x[2], x[7], x[8], x[13]) QUARTER(x[3], x[4], x[9], x[14])
  }
  for (int i = 0; i < 16; i++) {
    uint32_t word = x[i] + s->input[i];
    for (int j = 0; j < 4; j++) s->block[i * 4 + j] = (uint8_t)(word >> (8 * j));
  }
  if (++s->input[12] == 0) s->input[13]++;
  s->used = 0;
}

static uint32_t load32(const uint8_t *p) {
  return p[0] | ((uint32_t)p[1] << 8) | ((uint32_t)p[2] << 16) | ((uint32_t)p[3] << 24);
}

static void streamStart(Stream *s, const uint8_t seed[16], uint64_t nonce) {
  static const char tau[] = "expand 16-byte k";
  for (int i = 0; i < 4; i++) {
    s->input[i] = load32((const uint8_t *)tau + 4 * i);
    s->input[4 + i] = s->input[8 + i] = load32(seed + 4 * i);
  }
  s->input[12] = s->input[13] = 0;
  s->input[14] = (uint32_t)nonce;
  s->input[15] = (uint32_t)(nonce >> 32);
  s->used = sizeof s->block;
}

static void streamRead(Stream *s, uint8_t *out, size_t size) {
  while (size > 0) {
    if (s->used == sizeof s->block) streamBlock(s);
    size_t n = sizeof s->block - s->used;
    if (n > size) n = size;
    memcpy(out, s->block + s->used, n);
    s->used += (unsigned)n;
    out += n;
    size -= n;
  }
}

/* --- Page checksums ------------------------------------------------------------------------------------------- */

#include "page-checksums.h"

/* --- The pinned VFS ------------------------------------------------------------------------------------------ */

static sqlite3_vfs *realVfs;
static sqlite3_vfs pinnedVfs;
static pthread_once_t vfsOnce = PTHREAD_ONCE_INIT;

static int currentTimeInt64(sqlite3_vfs *vfs, sqlite3_int64 *julianMs) {
  (void)vfs;
  if (!pinnedGuard) return realVfs->xCurrentTimeInt64(realVfs, julianMs);
  *julianMs = pinnedGuard->julianMs;
  return SQLITE_OK;
}

static int currentTime(sqlite3_vfs *vfs, double *julianDay) {
  sqlite3_int64 julianMs = 0;
  int rc = currentTimeInt64(vfs, &julianMs);
  *julianDay = julianMs / DAY_MS;
  return rc;
}

/* SQLite's own generator (random rowids) takes its seed here; it is reset where a request starts and ends. */
static int randomness(sqlite3_vfs *vfs, int size, char *out) {
  (void)vfs;
  if (!pinnedGuard) return realVfs->xRandomness(realVfs, size, out);
  streamRead(&pinnedGuard->ownStream, (uint8_t *)out, (size_t)size);
  return size;
}

static int openFile(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *outFlags) {
  (void)vfs;
  return openChecked(realVfs, name, file, flags, outFlags);
}

static int utcTime(const void *time, void *broken) {
  return gmtime_r((const time_t *)time, (struct tm *)broken) == 0;
}

static void installVfs(void) {
  realVfs = sqlite3_vfs_find(0);
  if (!realVfs || realVfs->iVersion < 2 || !realVfs->xCurrentTimeInt64) return;
  pinnedVfs = *realVfs;
  pinnedVfs.pNext = 0;
  pinnedVfs.zName = "mycelium";
  pinnedVfs.szOsFile = realVfs->szOsFile + (int)sizeof(CheckedFile);
  pinnedVfs.xOpen = openFile;
  pinnedVfs.xCurrentTime = currentTime;
  pinnedVfs.xCurrentTimeInt64 = currentTimeInt64;
  pinnedVfs.xRandomness = randomness;
  sqlite3_vfs_register(&pinnedVfs, 1);
  sqlite3_test_control(SQLITE_TESTCTRL_LOCALTIME_FAULT, 2, utcTime);
}

/* --- Deadlines ----------------------------------------------------------------------------------------------- */

static int64_t nowNs(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static int onProgress(void *context) {
  return nowNs() >= ((Guard *)context)->deadlineNs;
}

static void setDeadline(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  (void)argc;
  Guard *guard = sqlite3_user_data(ctx);
  sqlite3_int64 ms = sqlite3_value_int64(argv[0]);
  if (ms <= 0) {
    sqlite3_progress_handler(guard->db, 0, 0, 0);
    return;
  }
  guard->deadlineNs = nowNs() + ms * 1000000LL;
  sqlite3_progress_handler(guard->db, PROGRESS_OPS, onProgress, guard);
}

/* --- Pinning ------------------------------------------------------------------------------------------------- */

static void startStream(Guard *guard, uint64_t nonce) {
  streamStart(&guard->stream, guard->seed, nonce);
  streamStart(&guard->ownStream, guard->seed, nonce | OWN_STREAM);
  guard->usedRandom = 0;
  sqlite3_randomness(0, 0);
}

static void pin(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  (void)argc;
  Guard *guard = sqlite3_user_data(ctx);
  if (sqlite3_value_bytes(argv[1]) != sizeof guard->seed) {
    sqlite3_result_error(ctx, "mycelium_pin: the seed must have 16 bytes", -1);
    return;
  }
  memcpy(guard->seed, sqlite3_value_blob(argv[1]), sizeof guard->seed);
  guard->julianMs = sqlite3_value_int64(argv[0]) + UNIX_EPOCH_JULIAN_MS;
  guard->pinned = 1;
  pinnedGuard = guard;
  startStream(guard, 0);
}

static void resume(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  (void)argc;
  (void)argv;
  Guard *guard = sqlite3_user_data(ctx);
  guard->pinned = 1;
  pinnedGuard = guard;
  sqlite3_randomness(0, 0);
}

static void forgetPin(Guard *guard) {
  guard->pinned = 0;
  if (pinnedGuard != guard) return;
  pinnedGuard = 0;
  sqlite3_randomness(0, 0);
}

static void unpin(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  (void)argc;
  (void)argv;
  forgetPin(sqlite3_user_data(ctx));
}

static void startRequest(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  (void)argc;
  Guard *guard = sqlite3_user_data(ctx);
  startStream(guard, (uint64_t)sqlite3_value_int64(argv[0]));
  guard->changesBase = sqlite3_total_changes64(guard->db);
  sqlite3_set_last_insert_rowid(guard->db, 0);
}

static void effects(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  (void)argc;
  (void)argv;
  Guard *guard = sqlite3_user_data(ctx);
  int violated = 0, highest = 0;
  sqlite3_db_status(guard->db, SQLITE_DBSTATUS_DEFERRED_FKS, &violated, &highest, 0);
  sqlite3_int64 changes = sqlite3_total_changes64(guard->db) - guard->changesBase;
  sqlite3_result_int64(ctx, changes * 4 + (guard->usedRandom ? 2 : 0) + (violated ? 1 : 0));
}

/* --- Replaced functions -------------------------------------------------------------------------------------- */

static void fillRandom(Guard *guard, void *out, int size) {
  if (!guard->pinned) {
    sqlite3_randomness(size, out);
    return;
  }
  guard->usedRandom = 1;
  streamRead(&guard->stream, out, (size_t)size);
}

static void randomInteger(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  (void)argc;
  (void)argv;
  uint8_t raw[8];
  fillRandom(sqlite3_user_data(ctx), raw, sizeof raw);
  uint64_t value = load32(raw) | ((uint64_t)load32(raw + 4) << 32);
  /* As SQLite's: never the least integer, so that abs(random()) cannot fail. */
  sqlite3_int64 number = (sqlite3_int64)(value & 0x7fffffffffffffffULL);
  sqlite3_result_int64(ctx, value >> 63 ? -number : number);
}

static void randomBlob(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  (void)argc;
  Guard *guard = sqlite3_user_data(ctx);
  sqlite3_int64 size = sqlite3_value_int64(argv[0]);
  if (size < 1) size = 1;
  if (size > sqlite3_limit(guard->db, SQLITE_LIMIT_LENGTH, -1)) {
    sqlite3_result_error_toobig(ctx);
    return;
  }
  uint8_t *blob = sqlite3_malloc64((sqlite3_uint64)size);
  if (!blob) {
    sqlite3_result_error_nomem(ctx);
    return;
  }
  fillRandom(guard, blob, (int)size);
  sqlite3_result_blob64(ctx, blob, (sqlite3_uint64)size, sqlite3_free);
}

static void requestTotalChanges(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  (void)argc;
  (void)argv;
  Guard *guard = sqlite3_user_data(ctx);
  sqlite3_result_int64(ctx, sqlite3_total_changes64(guard->db) - guard->changesBase);
}

/* --- Foreign keys and limits --------------------------------------------------------------------------------- */

static void foreignKeys(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  (void)argc;
  Guard *guard = sqlite3_user_data(ctx);
  int on = sqlite3_value_int(argv[0]);
  sqlite3_result_int(ctx, sqlite3_db_config(guard->db, SQLITE_DBCONFIG_ENABLE_FKEY, on, 0));
}

static void setLimits(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  (void)argc;
  Guard *guard = sqlite3_user_data(ctx);
  sqlite3_limit(guard->db, SQLITE_LIMIT_LENGTH, sqlite3_value_int(argv[0]));
}

/* --- Registration -------------------------------------------------------------------------------------------- */

static void destroyGuard(void *context) {
  forgetPin(context);
  sqlite3_free(context);
}

typedef void (*Function)(sqlite3_context *, int, sqlite3_value **);

static const struct {
  const char *name;
  int argCount;
  Function function;
} functions[] = {
  {"random", 0, randomInteger},
  {"randomblob", 1, randomBlob},
  {"total_changes", 0, requestTotalChanges},
  {"mycelium_deadline", 1, setDeadline},
  {"mycelium_pin", 2, pin},
  {"mycelium_resume", 0, resume},
  {"mycelium_unpin", 0, unpin},
  {"mycelium_request", 1, startRequest},
  {"mycelium_effects", 0, effects},
  {"mycelium_foreign_keys", 1, foreignKeys},
  {"mycelium_limits", 1, setLimits},
  {"mycelium_check_pages", 3, checkPages},
};

/* The name SQLite looks for whatever the file is called. */
int sqlite3_extension_init(sqlite3 *db, char **message, const sqlite3_api_routines *api) {
  SQLITE_EXTENSION_INIT2(api);
  pthread_once(&vfsOnce, installVfs);
  if (!pinnedVfs.zName) {
    *message = sqlite3_mprintf("this SQLite's VFS cannot tell the time in milliseconds");
    return SQLITE_ERROR;
  }
  reserveChecksums(db);
  Guard *guard = sqlite3_malloc(sizeof *guard);
  if (!guard) return SQLITE_NOMEM;
  memset(guard, 0, sizeof *guard);
  guard->db = db;
  guard->stream.used = guard->ownStream.used = sizeof guard->stream.block;
  int rc = SQLITE_OK;
  for (size_t i = 0; rc == SQLITE_OK && i < sizeof functions / sizeof functions[0]; i++) {
    /* The first function owns the guard: it lives as long as the connection. */
    rc = sqlite3_create_function_v2(db, functions[i].name, functions[i].argCount,
                                    SQLITE_UTF8 | (i < 3 ? SQLITE_INNOCUOUS : SQLITE_DIRECTONLY), guard,
                                    functions[i].function, 0, 0, i == 0 ? destroyGuard : 0);
  }
  return rc == SQLITE_OK ? SQLITE_OK_LOAD_PERMANENTLY : rc;
}
