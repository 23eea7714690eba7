#include "launcher.h"

void say_words(const char *const *words) {
  char line[2 * PATH_SIZE];
  Text text = TEXT_ON(line);
  add_text(&text, "mycelium: ");
  for (; *words != 0; words++) add_text(&text, *words);
  if (text.is_cut) text.length--;
  text.bytes[text.length++] = '\n';
  for (size_t done = 0; done < text.length;) {
    long written = KERNEL_3(write, 2, text.bytes + done, text.length - done);
    if (written == -ERR_INTR) continue;
    if (written <= 0) return;
    done += (size_t)written;
  }
}

const char *error_words(long error) {
  static const struct {
    int number;
    const char *words;
  } known[] = {
      {ERR_PERM, "not permitted"},
      {ERR_NOENT, "there is no such file or directory"},
      {ERR_IO, "the disk failed to read or write (input/output error)"},
      {ERR_NOEXEC, "it is no executable for this machine"},
      {ERR_ACCES, "permission denied"},
      {ERR_NOTDIR, "a part of the path is no directory"},
      {ERR_NOSPC, "no space is left on the disk"},
      {ERR_ROFS, "the file system is read-only"},
      {ERR_NAMETOOLONG, "the path is too long"},
      {ERR_DQUOT, "the disk quota is used up"},
  };
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
    if (-error == known[i].number) return known[i].words;
  static char other[32];
  Text text = TEXT_ON(other);
  add_text(&text, "error number ");
  add_number(&text, (uint64_t)-error);
  return other;
}

static Text next_buffer(void) {
  static char buffers[4][32];
  static unsigned turn;
  char *buffer = buffers[turn++ % 4];
  return (Text){.bytes = buffer, .size = sizeof buffers[0]};
}

const char *megabytes(uint64_t bytes) {
  Text text = next_buffer();
  add_number(&text, bytes / 1000000);
  add_text(&text, ".");
  add_number(&text, bytes / 100000 % 10);
  add_text(&text, " MB");
  return text.bytes;
}

const char *number_words(uint64_t number) {
  Text text = next_buffer();
  add_number(&text, number);
  return text.bytes;
}

static int64_t clock_ms(int clock) {
  struct timespec_ now = {0, 0};
  KERNEL_2(clock_gettime, clock, &now);
  return now.seconds * 1000 + now.nanoseconds / 1000000;
}

int64_t unix_ms(void) { return clock_ms(CLOCK_REALTIME_); }
int64_t monotonic_ms(void) { return clock_ms(CLOCK_MONOTONIC_); }

void sleep_ms(int64_t ms) {
  struct timespec_ left = {ms / 1000, ms % 1000 * 1000000};
  while (KERNEL_2(nanosleep, &left, &left) == -ERR_INTR) {
  }
}
