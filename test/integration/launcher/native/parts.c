/*
** The launcher's parsers and filters as a program of their own, for tests under sanitizers: they have no C library,
** this has. Reads frames (32-bit length, bytes) until the end of standard input and answers each with one.
**
**   parts record|trailer|filter|hash|arguments|trial-time     what a frame holds stands at each function
**   parts fuzz SEED COUNT                          changes valid input at random; ends with 1 at the first fault
*/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../../native/launcher/arguments.h"
#include "../../../../native/launcher/branch-filter.h"
#include "../../../../native/launcher/record.h"
#include "../../../../native/launcher/trailer.h"

typedef struct {
  uint8_t *bytes;
  uint32_t size;
} Frame;

static void answer(const void *bytes, size_t size) {
  uint32_t length = (uint32_t)size;
  fwrite(&length, sizeof length, 1, stdout);
  fwrite(bytes, 1, size, stdout);
}

static void answer_text(const char *text) { answer(text, strlen(text)); }

static void refuse(const char *problem) {
  char line[256];
  snprintf(line, sizeof line, "!%s", problem);
  answer_text(line);
}

/* A record's text; its answer is the same record as the launcher writes it, or "!" and what is wrong. */
static void try_record(Frame frame) {
  static Record record;
  char bytes[RECORD_SIZE_MAX + 64];
  size_t length = 0;
  const char *problem = read_record((const char *)frame.bytes, frame.size, &record);
  if (problem != 0) refuse(problem);
  else if (!write_record(&record, bytes, sizeof bytes, &length)) refuse("it cannot be written");
  else answer(bytes, length);
}

/* The file's size (64 bits) and the last 4096 bytes; its answer is the version and state format. */
static void try_trailer(Frame frame) {
  Trailer trailer;
  uint64_t file_size;
  char line[128];
  if (frame.size != sizeof file_size + TRAILER_SIZE) exit(2);
  memcpy(&file_size, frame.bytes, sizeof file_size);
  const char *problem = read_trailer(frame.bytes + sizeof file_size, file_size, &trailer);
  snprintf(line, sizeof line, "%s %u", trailer.version, trailer.state_format);
  if (problem != 0) refuse(problem);
  else answer_text(line);
}

/* The machine (16 bits) and a filtered core; its answer is the core. */
static void undo_filter(Frame frame) {
  uint16_t machine;
  memcpy(&machine, frame.bytes, sizeof machine);
  unfilter_branches(machine, frame.bytes + sizeof machine, frame.size - sizeof machine);
  answer(frame.bytes + sizeof machine, frame.size - sizeof machine);
}

/* Anything; its answer is its SHA-256, taken in pieces, in portable code and by this processor's instructions. */
static void hash_frame(Frame frame) {
  Sha256 hash;
  uint8_t digest[SHA256_SIZE];
  sha256_start(&hash);
  for (size_t at = 0, piece = 1; at < frame.size; piece = piece * 2 + 1) {
    const size_t size = frame.size - at < piece ? frame.size - at : piece;
    sha256_add(&hash, frame.bytes + at, size);
    at += size;
  }
  sha256_end(&hash, digest);
  uint32_t portable[8] = {1, 2, 3, 4, 5, 6, 7, 8}, hardware[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  sha256_blocks_portable(portable, frame.bytes, frame.size / 64);
  if (sha256_blocks_hardware(hardware, frame.bytes, frame.size / 64) &&
      memcmp(portable, hardware, sizeof portable) != 0)
    refuse("both ways differ");
  else answer(digest, sizeof digest);
}

/* Words, each ended by 0; its answer is "boot" or "command" and the state. */
static void try_arguments(Frame frame) {
  char *words[64] = {0};
  size_t count = 0;
  for (size_t at = 0; at < frame.size && count < 63; at += strlen((char *)frame.bytes + at) + 1)
    words[count++] = (char *)frame.bytes + at;
  const Arguments found = read_arguments(words);
  char line[512];
  snprintf(line, sizeof line, "%s %s", found.is_boot ? "boot" : "command",
           found.state == 0 ? "-" : found.state);
  answer_text(line);
}

/* "BOOTS SINCE NOW TIMEOUT"; its answer is what the start has. */
static void try_trial_time(Frame frame) {
  Record record = {.boots = 0};
  unsigned long long boots, since, timeout;
  long long now;
  char line[128] = "";
  memcpy(line, frame.bytes, frame.size < sizeof line ? frame.size : sizeof line - 1);
  if (sscanf(line, "%llu %llu %lld %llu", &boots, &since, &now, &timeout) != 4) exit(2);
  record.boots = boots;
  record.trial_since_ms = since;
  snprintf(line, sizeof line, "%llu", (unsigned long long)trial_time_s(&record, now, timeout));
  answer_text(line);
}

static void each_frame(void (*handle)(Frame)) {
  Frame frame;
  while (fread(&frame.size, sizeof frame.size, 1, stdin) == 1) {
    /* Exactly as large, so that a sanitizer sees one byte too much. */
    frame.bytes = malloc(frame.size == 0 ? 1 : frame.size);
    if (frame.bytes == 0 || fread(frame.bytes, 1, frame.size, stdin) != frame.size) exit(2);
    handle(frame);
    free(frame.bytes);
  }
}

static uint64_t seed_state;

static uint64_t random_number(uint64_t below) {
  uint64_t z = seed_state += 0x9e3779b97f4a7c15ull;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ z >> 27) * 0x94d049bb133111ebull;
  return (z ^ z >> 31) % below;
}

static void fill_random(void *to, size_t size) {
  for (size_t i = 0; i < size; i++) ((uint8_t *)to)[i] = (uint8_t)random_number(256);
}

static size_t mutate(uint8_t *bytes, size_t size, size_t size_max) {
  static const char *const words[] = {
      "\n", " ", "-", "0", "active ", "sum ", "reason ", "trial", "18446744073709551616"};
  for (uint64_t edits = random_number(4); edits > 0; edits--) {
    const size_t at = random_number(size + 1);
    const char *word = words[random_number(sizeof words / sizeof words[0])];
    const size_t length = strlen(word),
                 cut = random_number(3) == 0 ? random_number(size - at + 1) : 0;
    switch (random_number(4)) {
      case 0:
        if (at < size) bytes[at] ^= (uint8_t)(1u << random_number(8));
        break;
      case 1:
        memmove(bytes + at, bytes + at + cut, size - at - cut);
        size -= cut;
        break;
      case 2:
        if (size + length > size_max) break;
        memmove(bytes + at + length, bytes + at, size - at);
        memcpy(bytes + at, word, length);
        size += length;
        break;
      default:
        if (at < size) bytes[at] = (uint8_t)random_number(256);
    }
    if (size == 0) return 0;
  }
  return size;
}

static void random_core(SlotCore *core) {
  core->is_there = random_number(4) != 0;
  fill_random(core->sha256, sizeof core->sha256);
  snprintf(core->version, sizeof core->version, "%u", (unsigned)random_number(1000));
  core->format = random_number(5);
  core->checked =
      (CheckedStat){random_number(UINT64_MAX), random_number(UINT64_MAX), random_number(9)};
}

static void fail(const char *what) {
  fprintf(stderr, "fault: %s\n", what);
  exit(1);
}

static void fuzz_record(void) {
  static Record record, again;
  static char bytes[2 * RECORD_SIZE_MAX], written[2 * RECORD_SIZE_MAX];
  size_t length, size, sum_at;
  memset(&record, 0, sizeof record);
  random_core(&record.active);
  random_core(&record.standby);
  record.active.is_there = true;
  record.is_trial = random_number(2);
  record.boots = random_number(5);
  fill_random(record.payload, sizeof record.payload);
  record.has_refused = random_number(2);
  snprintf(record.reason, sizeof record.reason, "%s", random_number(2) ? "it was slow" : "");
  for (uint64_t lines = random_number(3); lines > 0; lines--)
    record.unknown_length += (size_t)snprintf(record.unknown + record.unknown_length, 32,
                                              "key%u value\n", (unsigned)lines);
  if (!write_record(&record, bytes, sizeof bytes, &length))
    fail("a valid record cannot be written");
  if (read_record(bytes, length, &again) != 0) fail("a valid record cannot be read");
  /* The lines are changed, then half of the time given a sum again, so that what is behind the sum is reached. */
  sum_at = length - 69;
  size = mutate((uint8_t *)bytes, sum_at, RECORD_SIZE_MAX - 69);
  if (random_number(2) == 0) {
    uint8_t digest[SHA256_SIZE];
    Text text = {.bytes = bytes, .size = sizeof bytes, .length = size};
    sha256_of(bytes, size, digest);
    add_text(&text, "sum ");
    add_hex(&text, digest, SHA256_SIZE);
    add_text(&text, "\n");
    size = text.length;
  }
  char *exact = malloc(size == 0 ? 1 : size);
  if (exact == 0) exit(2);
  memcpy(exact, bytes, size);
  if (read_record(exact, size, &record) == 0 &&
      write_record(&record, written, sizeof written, &length)) {
    if (read_record(written, length, &again) != 0)
      fail("a record that was read and written cannot be read");
    if (memcmp(record.active.sha256, again.active.sha256, SHA256_SIZE) != 0 ||
        record.boots != again.boots || record.is_trial != again.is_trial ||
        strcmp(record.reason, again.reason) != 0 || record.unknown_length != again.unknown_length)
      fail("a record is another after it was written");
  }
  free(exact);
}

static void fuzz_trailer(void) {
  uint8_t *bytes = calloc(1, TRAILER_SIZE);
  if (bytes == 0) exit(2);
  Trailer trailer;
  const uint64_t offset = random_number(100000), size = 1 + random_number(100000),
                 core = 1 + random_number(1000000);
  memcpy(bytes, "MYCPAYL1\1\0\0\0\1\0\0\0\x3e\0\0\0\1", 21);
  memcpy(bytes + 24, &offset, 8);
  memcpy(bytes + 32, &size, 8);
  memcpy(bytes + 40, &core, 8);
  memcpy(bytes + 112, "1.2.3", 5);
  sha256_of(bytes, 4064, bytes + 4064);
  uint64_t file_size = offset + size + TRAILER_SIZE;
  if (read_trailer(bytes, file_size, &trailer) != 0) fail("a valid trailer cannot be read");
  for (uint64_t edits = random_number(4); edits > 0; edits--)
    bytes[random_number(200)] ^= (uint8_t)(1u << random_number(8));
  if (random_number(4) == 0) file_size = random_number(300000);
  if (random_number(8) != 0) sha256_of(bytes, 4064, bytes + 4064);
  if (read_trailer(bytes, file_size, &trailer) == 0) {
    if (trailer.payload_offset + trailer.payload_size + TRAILER_SIZE != file_size ||
        trailer.payload_offset > file_size || trailer.core_size > CORE_SIZE_MAX)
      fail("a trailer reaches out of its file");
    if (!is_version_text(trailer.version, strlen(trailer.version))) fail("a version is no version");
  }
  free(bytes);
}

static void fuzz_filter(void) {
  const size_t size = random_number(300);
  uint8_t *bytes = malloc(size == 0 ? 1 : size);
  if (bytes == 0) exit(2);
  fill_random(bytes, size);
  for (size_t i = 0; i < size; i += 1 + random_number(9)) bytes[i] = random_number(2) ? 0xe8 : 0x94;
  unfilter_branches(random_number(2) ? 62 : 183, bytes, size);
  free(bytes);
}

static int fuzz(uint64_t seed, uint64_t count) {
  for (uint64_t i = 0; i < count; i++) {
    /* Each round has its own seed: a fault's is said, and is a short run of its own. */
    seed_state = seed + i;
    fuzz_record();
    fuzz_trailer();
    fuzz_filter();
  }
  printf("%llu rounds from seed %llu\n", (unsigned long long)count, (unsigned long long)seed);
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 4 && strcmp(argv[1], "fuzz") == 0)
    return fuzz(strtoull(argv[2], 0, 10), strtoull(argv[3], 0, 10));
  if (argc != 2) return 2;
  if (strcmp(argv[1], "record") == 0) each_frame(try_record);
  else if (strcmp(argv[1], "trailer") == 0) each_frame(try_trailer);
  else if (strcmp(argv[1], "filter") == 0) each_frame(undo_filter);
  else if (strcmp(argv[1], "hash") == 0) each_frame(hash_frame);
  else if (strcmp(argv[1], "arguments") == 0) each_frame(try_arguments);
  else if (strcmp(argv[1], "trial-time") == 0) each_frame(try_trial_time);
  else return 2;
  return 0;
}
