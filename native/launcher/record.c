#include "record.h"

#define HEAD "mycelium-slots 1"
#define SUM_LINE_SIZE (4 + 2 * SHA256_SIZE + 1)
#define NUMBER_MAX 0xffffffffu
#define SAFE_INTEGER_MAX ((1ull << 53) - 1)

typedef struct {
  const char *bytes;
  size_t length;
} Span;

enum {
  KEY_ACTIVE,
  KEY_ACTIVE_VERSION,
  KEY_ACTIVE_FORMAT,
  KEY_STANDBY,
  KEY_STANDBY_VERSION,
  KEY_STANDBY_FORMAT,
  KEY_STATE,
  KEY_BOOTS,
  KEY_TRIAL_SINCE,
  KEY_FLOOR,
  KEY_PAYLOAD,
  KEY_REFUSED,
  KEY_REASON,
  KEY_CHECKED_ACTIVE,
  KEY_CHECKED_STANDBY,
  KEY_COUNT,
};

static const char *const KEYS[KEY_COUNT] = {
    "active",         "active-version", "active-format", "standby",        "standby-version",
    "standby-format", "state",          "boots",         "trial-since",    "floor",
    "payload",        "refused",        "reason",        "checked-active", "checked-standby",
};

static bool span_is(Span span, const char *text) {
  const size_t length = text_length(text);
  return span.length == length &&
         same_bytes((const uint8_t *)span.bytes, (const uint8_t *)text, length);
}

/* Up to the separator, which is dropped; `rest` becomes what is behind it. */
static Span take_until(Span *rest, char separator) {
  Span taken = {rest->bytes, 0};
  while (taken.length < rest->length && rest->bytes[taken.length] != separator) taken.length++;
  const size_t used = taken.length < rest->length ? taken.length + 1 : taken.length;
  *rest = (Span){rest->bytes + used, rest->length - used};
  return taken;
}

/* Decimal digits, also with zeros before them. */
static bool read_decimal(Span span, size_t digits_max, uint64_t max, uint64_t *number) {
  if (span.length == 0 || span.length > digits_max) return false;
  size_t zeros = 0;
  while (zeros + 1 < span.length && span.bytes[zeros] == '0') zeros++;
  return read_number(span.bytes + zeros, span.length - zeros, number) && *number <= max;
}

static bool read_sha256(Span span, uint8_t sha256[SHA256_SIZE], bool *is_there) {
  *is_there = !span_is(span, "-");
  return !*is_there || read_hex(span.bytes, span.length, sha256, SHA256_SIZE);
}

/* Three numbers. One that is larger than any stat can be means: not verified. */
static bool read_checked(Span span, CheckedStat *checked) {
  uint64_t numbers[3];
  bool is_possible = true;
  for (int i = 0; i < 3; i++) {
    const Span part = i < 2 ? take_until(&span, ' ') : span;
    if (part.length == 0 || part.length > 20) return false;
    for (size_t at = 0; at < part.length; at++)
      if (part.bytes[at] < '0' || part.bytes[at] > '9') return false;
    is_possible = read_decimal(part, 20, UINT64_MAX, &numbers[i]) && is_possible;
  }
  *checked =
      is_possible ? (CheckedStat){numbers[0], numbers[1], numbers[2]} : (CheckedStat){0, 0, 0};
  return true;
}

static void copy_text(char *to, size_t size, Span from) {
  Text text = {.bytes = to, .size = size};
  to[0] = 0;
  add_bytes(&text, from.bytes, from.length);
}

static bool has_line_of(const Record *record, Span key) {
  Span rest = {record->unknown, record->unknown_length};
  while (rest.length > 0) {
    Span line = take_until(&rest, '\n');
    const Span other = take_until(&line, ' ');
    if (other.length == key.length &&
        same_bytes((const uint8_t *)other.bytes, (const uint8_t *)key.bytes, key.length))
      return true;
  }
  return false;
}

/* Sorts the lines: known ones into `values`, the rest into the record. */
static const char *read_lines(Span body, Span values[KEY_COUNT], Record *record) {
  while (body.length > 0) {
    const Span line = take_until(&body, '\n');
    Span value = line;
    const Span key = take_until(&value, ' ');
    int known = 0;
    while (known < KEY_COUNT && !span_is(key, KEYS[known])) known++;
    if (known < KEY_COUNT) {
      if (values[known].bytes != 0) return "a key is there twice";
      values[known] = value;
      continue;
    }
    if (has_line_of(record, key)) return "a key is there twice";
    __builtin_memcpy(record->unknown + record->unknown_length, line.bytes, line.length);
    record->unknown_length += line.length;
    record->unknown[record->unknown_length++] = '\n';
  }
  for (int i = 0; i < KEY_COUNT; i++)
    if (values[i].length == 0) return "a key is missing";
  return 0;
}

static bool read_core(const Span values[KEY_COUNT], int key, int checked_key, SlotCore *core) {
  copy_text(core->version, sizeof core->version, values[key + 1]);
  return read_sha256(values[key], core->sha256, &core->is_there) &&
         read_decimal(values[key + 2], 16, NUMBER_MAX, &core->format) &&
         read_checked(values[checked_key], &core->checked);
}

static const char *read_values(const Span values[KEY_COUNT], Record *record) {
  bool has_payload;
  record->is_trial = span_is(values[KEY_STATE], "trial");
  if (!record->is_trial && !span_is(values[KEY_STATE], "confirmed"))
    return "its state is neither of two";
  if (!read_core(values, KEY_ACTIVE, KEY_CHECKED_ACTIVE, &record->active) ||
      !record->active.is_there)
    return "its active core is not readable";
  if (!read_core(values, KEY_STANDBY, KEY_CHECKED_STANDBY, &record->standby))
    return "its standby is not readable";
  if (record->standby.is_there &&
      same_bytes(record->active.sha256, record->standby.sha256, SHA256_SIZE))
    return "one core is in both slots";
  if (!read_decimal(values[KEY_BOOTS], 16, NUMBER_MAX, &record->boots) ||
      !read_decimal(values[KEY_TRIAL_SINCE], 16, SAFE_INTEGER_MAX, &record->trial_since_ms) ||
      !read_decimal(values[KEY_FLOOR], 16, NUMBER_MAX, &record->floor))
    return "a number is not readable";
  if (!read_sha256(values[KEY_PAYLOAD], record->payload, &has_payload) || !has_payload ||
      !read_sha256(values[KEY_REFUSED], record->refused, &record->has_refused))
    return "a SHA-256 is not readable";
  if (!span_is(values[KEY_REASON], "-"))
    copy_text(record->reason, sizeof record->reason, values[KEY_REASON]);
  return 0;
}

const char *read_record(const char *bytes, size_t size, Record *record) {
  *record = (Record){.boots = 0};
  if (size > RECORD_SIZE_MAX) return "it is longer than 4 KiB";
  if (size <= SUM_LINE_SIZE) return "it is cut off";
  Span body = {bytes, size - SUM_LINE_SIZE}, sum = {bytes + body.length, SUM_LINE_SIZE};
  uint8_t found[SHA256_SIZE], needed[SHA256_SIZE];
  if (body.bytes[body.length - 1] != '\n' ||
      !same_bytes((const uint8_t *)sum.bytes, (const uint8_t *)"sum ", 4) ||
      sum.bytes[SUM_LINE_SIZE - 1] != '\n' ||
      !read_hex(sum.bytes + 4, 2 * SHA256_SIZE, needed, SHA256_SIZE))
    return "it has no sum at its end";
  sha256_of(body.bytes, body.length, found);
  if (!same_bytes(found, needed, SHA256_SIZE)) return "its sum is not that of its lines";
  if (!span_is(take_until(&body, '\n'), HEAD)) return "its head is of another kind";
  Span values[KEY_COUNT] = {{0, 0}};
  const char *problem = read_lines(body, values, record);
  return problem != 0 ? problem : read_values(values, record);
}

static void add_line(Text *text, int key, const char *value) {
  add_text(text, KEYS[key]);
  add_text(text, " ");
  add_text(text, value);
  add_text(text, "\n");
}

static void add_number_line(Text *text, int key, uint64_t value) {
  char digits[24];
  Text number = TEXT_ON(digits);
  add_number(&number, value);
  add_line(text, key, digits);
}

static void add_sha256_line(Text *text, int key, bool is_there, const uint8_t sha256[SHA256_SIZE]) {
  char digits[2 * SHA256_SIZE + 1];
  Text hex = TEXT_ON(digits);
  add_hex(&hex, sha256, SHA256_SIZE);
  add_line(text, key, is_there ? digits : "-");
}

static void add_core_lines(Text *text, int key, const SlotCore *core) {
  add_sha256_line(text, key, core->is_there, core->sha256);
  add_line(text, key + 1, core->is_there && core->version[0] != 0 ? core->version : "-");
  add_number_line(text, key + 2, core->is_there ? core->format : 0);
}

static void add_checked_line(Text *text, int key, const SlotCore *core) {
  const CheckedStat none = {0, 0, 0}, *checked = core->is_there ? &core->checked : &none;
  char numbers[3 * 24];
  Text line = TEXT_ON(numbers);
  add_number(&line, checked->size);
  add_text(&line, " ");
  add_number(&line, checked->modified_ns);
  add_text(&line, " ");
  add_number(&line, checked->inode);
  add_line(text, key, numbers);
}

bool write_record(const Record *record, char *bytes, size_t size, size_t *length) {
  Text text = {.bytes = bytes, .size = size};
  uint8_t sum[SHA256_SIZE];
  add_text(&text, HEAD "\n");
  add_core_lines(&text, KEY_ACTIVE, &record->active);
  add_core_lines(&text, KEY_STANDBY, &record->standby);
  add_line(&text, KEY_STATE, record->is_trial ? "trial" : "confirmed");
  add_number_line(&text, KEY_BOOTS, record->boots);
  add_number_line(&text, KEY_TRIAL_SINCE, record->trial_since_ms);
  add_number_line(&text, KEY_FLOOR, record->floor);
  add_sha256_line(&text, KEY_PAYLOAD, true, record->payload);
  add_sha256_line(&text, KEY_REFUSED, record->has_refused, record->refused);
  add_line(&text, KEY_REASON, record->reason[0] != 0 ? record->reason : "-");
  add_checked_line(&text, KEY_CHECKED_ACTIVE, &record->active);
  add_checked_line(&text, KEY_CHECKED_STANDBY, &record->standby);
  add_bytes(&text, record->unknown, record->unknown_length);
  sha256_of(bytes, text.length, sum);
  add_text(&text, "sum ");
  add_hex(&text, sum, SHA256_SIZE);
  add_text(&text, "\n");
  *length = text.length;
  return !text.is_cut && text.length <= RECORD_SIZE_MAX;
}

uint64_t trial_time_s(const Record *record, int64_t now_ms, uint64_t timeout_s) {
  const uint64_t now = now_ms > 0 ? (uint64_t)now_ms : 0, least_s = timeout_s * 2 / 5;
  if (record->boots <= 1 || now <= record->trial_since_ms) return timeout_s;
  const uint64_t passed_s = (now - record->trial_since_ms) / 1000;
  return passed_s < timeout_s - least_s ? timeout_s - passed_s : least_s;
}

void swap_cores(Record *record) {
  const SlotCore active = record->active;
  record->active = record->standby;
  record->standby = active;
}

void switch_record(Record *record, uint64_t now_ms) {
  swap_cores(record);
  record->is_trial = true;
  record->boots = 0;
  record->trial_since_ms = now_ms;
  if (record->has_refused && same_bytes(record->refused, record->active.sha256, SHA256_SIZE)) {
    record->has_refused = false;
    record->reason[0] = 0;
  }
}

void revert_record(Record *record, const char *reason) {
  Text text = TEXT_ON(record->reason);
  swap_cores(record);
  record->is_trial = false;
  record->boots = 0;
  record->trial_since_ms = 0;
  record->has_refused = true;
  __builtin_memcpy(record->refused, record->standby.sha256, SHA256_SIZE);
  record->reason[0] = 0;
  add_text(&text, reason);
}
