/*
** A checksum in the last 8 bytes of every page of a shard's database file, so that what a disk changed is never
** served: a page that does not fit its checksum reads as SQLITE_CORRUPT. (SQLite has checksums in its WAL only.)
**
** A layer over the VFS's main database files whose names end in ".sqlite" or ".incoming". Such files reserve 8 bytes
** a page (SQLITE_FCNTL_RESERVE_BYTES, set before the first page is written). The sum is taken where a page is
** written to the database file, from a copy: pages in the cache and in the WAL keep whatever stands there, and SQLite
** does not look at reserved bytes. It covers the page's place too, so that a page written elsewhere is found. A page
** of zeros alone passes: it was never written (a hole).
**
** Not seen: a flipped bit of a WAL frame between its write and its checkpoint in one life of the process (recovery
** after a restart checks frames), and a page that is as it was before its last write.
*/
#define PAGE_SIZE_MIN 512
#define PAGE_SIZE_MAX 65536
#define CHECKSUM_SIZE 8
/* Of SQLite 3.48: reads of parts of pages, which could not be checked. */
#define IOCAP_SUBPAGE_READ 0x00008000

typedef struct {
  sqlite3_file base;
  /* The file below follows in memory. */
} CheckedFile;

static sqlite3_file *belowOf(sqlite3_file *file) { return (sqlite3_file *)((CheckedFile *)file + 1); }

static int endsWith(const char *name, const char *end) {
  size_t size = strlen(name), endSize = strlen(end);
  return size >= endSize && memcmp(name + size - endSize, end, endSize) == 0;
}

static int hasChecksums(const char *name) {
  return name && (endsWith(name, ".sqlite") || endsWith(name, ".incoming"));
}

static int isPage(int size, sqlite3_int64 offset) {
  return size >= PAGE_SIZE_MIN && size <= PAGE_SIZE_MAX && (size & (size - 1)) == 0 && offset % size == 0;
}

static uint64_t mix(uint64_t sum, uint64_t word) {
  sum = (sum ^ word) * 0x9e3779b97f4a7c15ULL;
  return sum << 29 | sum >> 35;
}

/* Four sums side by side, because each step waits for the one before. Each step is a bijection of its word. */
static uint64_t checksumOf(const uint8_t *page, int size, sqlite3_int64 offset) {
  uint64_t sums[4] = {(uint64_t)offset, (uint64_t)size, 3, 4};
  int count = (size - CHECKSUM_SIZE) / 8;
  for (int i = 0; i < count; i++) {
    uint64_t word;
    memcpy(&word, page + 8 * i, 8);
    sums[i & 3] = mix(sums[i & 3], word);
  }
  uint64_t sum = 0;
  for (int i = 0; i < 4; i++) sum = mix(sum ^ sum >> 31, sums[i]);
  sum ^= sum >> 31;
  /* 0 is what a page has that was never written. */
  return sum ? sum : 1;
}

static int isZero(const uint8_t *page, int size) {
  return page[0] == 0 && memcmp(page, page + 1, (size_t)size - 1) == 0;
}

static int checkedRead(sqlite3_file *file, void *page, int size, sqlite3_int64 offset) {
  sqlite3_file *below = belowOf(file);
  int rc = below->pMethods->xRead(below, page, size, offset);
  if (rc != SQLITE_OK || !isPage(size, offset)) return rc;
  uint64_t sum = checksumOf(page, size, offset);
  if (memcmp((uint8_t *)page + size - CHECKSUM_SIZE, &sum, CHECKSUM_SIZE) == 0) return SQLITE_OK;
  return isZero(page, size) ? SQLITE_OK : SQLITE_CORRUPT;
}

static int checkedWrite(sqlite3_file *file, const void *page, int size, sqlite3_int64 offset) {
  sqlite3_file *below = belowOf(file);
  if (!isPage(size, offset)) return below->pMethods->xWrite(below, page, size, offset);
  static __thread uint8_t copy[PAGE_SIZE_MAX];
  uint64_t sum = checksumOf(page, size, offset);
  memcpy(copy, page, (size_t)size - CHECKSUM_SIZE);
  memcpy(copy + size - CHECKSUM_SIZE, &sum, CHECKSUM_SIZE);
  return below->pMethods->xWrite(below, copy, size, offset);
}

#define BELOW(call, ...) (belowOf(file)->pMethods->call(belowOf(file), ##__VA_ARGS__))

static int checkedClose(sqlite3_file *file) { return BELOW(xClose); }
static int checkedTruncate(sqlite3_file *file, sqlite3_int64 size) { return BELOW(xTruncate, size); }
static int checkedSync(sqlite3_file *file, int flags) { return BELOW(xSync, flags); }
static int checkedSize(sqlite3_file *file, sqlite3_int64 *size) { return BELOW(xFileSize, size); }
static int checkedLock(sqlite3_file *file, int lock) { return BELOW(xLock, lock); }
static int checkedUnlock(sqlite3_file *file, int lock) { return BELOW(xUnlock, lock); }
static int checkedReserved(sqlite3_file *file, int *is) { return BELOW(xCheckReservedLock, is); }
static int checkedControl(sqlite3_file *file, int op, void *arg) { return BELOW(xFileControl, op, arg); }
static int checkedSector(sqlite3_file *file) { return BELOW(xSectorSize); }
static int checkedTraits(sqlite3_file *file) { return BELOW(xDeviceCharacteristics) & ~IOCAP_SUBPAGE_READ; }
static int checkedShmMap(sqlite3_file *file, int region, int size, int extend, void volatile **at) {
  return BELOW(xShmMap, region, size, extend, at);
}
static int checkedShmLock(sqlite3_file *file, int offset, int n, int flags) {
  return BELOW(xShmLock, offset, n, flags);
}
static void checkedShmBarrier(sqlite3_file *file) { BELOW(xShmBarrier); }
static int checkedShmUnmap(sqlite3_file *file, int remove) { return BELOW(xShmUnmap, remove); }

/* Version 2: no memory maps, whose reads could not be checked. */
static const sqlite3_io_methods checkedMethods = {
    2,           checkedClose,  checkedRead,     checkedWrite,   checkedTruncate, checkedSync,
    checkedSize, checkedLock,   checkedUnlock,   checkedReserved, checkedControl, checkedSector,
    checkedTraits, checkedShmMap, checkedShmLock, checkedShmBarrier, checkedShmUnmap, 0, 0,
};

/* `below` is the VFS that opens the file; room for the layer was asked for by szOsFile. */
static int openChecked(sqlite3_vfs *below, const char *name, sqlite3_file *file, int flags, int *outFlags) {
  if (!(flags & SQLITE_OPEN_MAIN_DB) || !hasChecksums(name)) {
    return below->xOpen(below, name, file, flags, outFlags);
  }
  file->pMethods = 0;
  sqlite3_file *real = belowOf(file);
  int rc = below->xOpen(below, name, real, flags, outFlags);
  if (real->pMethods) file->pMethods = &checkedMethods;
  return rc;
}

/* Has no effect on a file that has pages already. */
static void reserveChecksums(sqlite3 *db) {
  int size = CHECKSUM_SIZE;
  if (hasChecksums(sqlite3_db_filename(db, "main"))) {
    sqlite3_file_control(db, "main", SQLITE_FCNTL_RESERVE_BYTES, &size);
  }
}

#define REREADS_MAX 10
#define REREAD_PAUSE_US 2000

/*
** The number of the first damaged page from `first` on, 0 when `count` pages are sound, NULL behind the end. A page
** that a checkpoint is writing just now can be read half: it is read again.
*/
static void checkPages(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  (void)argc;
  int size = sqlite3_value_int(argv[0]);
  sqlite3_int64 first = sqlite3_value_int64(argv[1]), count = sqlite3_value_int64(argv[2]), end = 0;
  sqlite3_file *file = 0;
  sqlite3_file_control(sqlite3_context_db_handle(ctx), "main", SQLITE_FCNTL_FILE_POINTER, &file);
  if (!file || file->pMethods != &checkedMethods || !isPage(size, 0) || first < 1) {
    sqlite3_result_error(ctx, "no file with checksums", -1);
    return;
  }
  int rc = checkedSize(file, &end);
  uint8_t *page = sqlite3_malloc(size);
  if (!page) rc = SQLITE_NOMEM;
  sqlite3_int64 number = first;
  for (; rc == SQLITE_OK && number < first + count && (number - 1) * size < end; number++) {
    rc = checkedRead(file, page, size, (number - 1) * size);
    for (int i = 0; rc == SQLITE_CORRUPT && i < REREADS_MAX; i++) {
      usleep(REREAD_PAUSE_US);
      rc = checkedRead(file, page, size, (number - 1) * size);
    }
    if (rc != SQLITE_OK) break;
  }
  sqlite3_free(page);
  if (rc == SQLITE_CORRUPT || rc == SQLITE_IOERR_SHORT_READ) sqlite3_result_int64(ctx, number);
  else if (rc != SQLITE_OK) sqlite3_result_error_code(ctx, rc);
  else if (number > first) sqlite3_result_int64(ctx, 0);
}
