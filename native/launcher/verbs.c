#include "verbs.h"

#include "arguments.h"
#include "see-off.h"
#include "see-off.h"
#include "slots.h"

#define EXIT_USAGE 2

static void add_json_text(Text *json, const char *text) {
  static const char digits[] = "0123456789abcdef";
  add_text(json, "\"");
  for (; *text != 0; text++) {
    const unsigned char c = (unsigned char)*text;
    if (c == '"' || c == '\\') add_text(json, "\\");
    if (c < ' ') {
      const char escape[] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15], 0};
      add_text(json, escape);
    } else {
      add_bytes(json, text, 1);
    }
  }
  add_text(json, "\"");
}

static void add_key(Text *json, const char *key) {
  const char last = json->length > 0 ? json->bytes[json->length - 1] : '{';
  if (last != '{') add_text(json, ",");
  add_json_text(json, key);
  add_text(json, ":");
}

static void add_field(Text *json, const char *key, const char *value) {
  add_key(json, key);
  add_json_text(json, value);
}

static void add_number_field(Text *json, const char *key, uint64_t value) {
  add_key(json, key);
  add_number(json, value);
}

static void add_hex_field(Text *json, const char *key, const uint8_t sha256[SHA256_SIZE]) {
  add_key(json, key);
  add_text(json, "\"");
  add_hex(json, sha256, SHA256_SIZE);
  add_text(json, "\"");
}

static void add_core_field(Text *json, const char *key, const SlotCore *core) {
  add_key(json, key);
  if (!core->is_there) {
    add_text(json, "null");
    return;
  }
  add_text(json, "{");
  add_hex_field(json, "sha256", core->sha256);
  add_field(json, "version", core->version);
  add_number_field(json, "stateFormat", core->format);
  add_text(json, "}");
}

static void add_slots_field(Text *json, const char *state) {
  static Record record;
  static Place slots;
  char path[PATH_SIZE + 8];
  Text text = TEXT_ON(path);
  add_text(&text, state);
  add_text(&text, "/slots");
  add_key(json, "slots");
  const RecordStatus status =
      open_place(path, &slots) < 0 ? RECORD_MISSING : load_record(&slots, &record);
  if (status != RECORD_READ) {
    add_text(json, status == RECORD_MISSING ? "null" : "\"damaged\"");
    return;
  }
  add_text(json, "{");
  add_core_field(json, "active", &record.active);
  add_core_field(json, "standby", &record.standby);
  add_field(json, "state", record.is_trial ? "trial" : "confirmed");
  add_number_field(json, "boots", record.boots);
  add_number_field(json, "floor", record.floor);
  add_key(json, "refused");
  if (record.has_refused) {
    add_text(json, "{");
    add_hex_field(json, "sha256", record.refused);
    add_field(json, "reason", record.reason);
    add_text(json, "}");
  } else {
    add_text(json, "null");
  }
  add_text(json, "}");
}

static int print_info(const Payload *payload, char **argv, char *const *environment) {
  static char bytes[4 * PATH_SIZE];
  char state[PATH_SIZE];
  const Trailer *trailer = &payload->trailer;
  Text json = TEXT_ON(bytes);
  add_text(&json, "{");
  add_field(&json, "path", payload->path);
  add_number_field(&json, "format", trailer->format);
  add_field(&json, "version", trailer->version);
  add_field(&json, "arch", trailer->machine == 183 ? "arm64" : "x64");
  add_number_field(&json, "stateFormat", trailer->state_format);
  add_hex_field(&json, "coreSha256", trailer->core_sha256);
  add_number_field(&json, "coreSizeBytes", trailer->core_size);
  add_number_field(&json, "payloadSizeBytes", trailer->payload_size);
  add_hex_field(&json, "launcherSha256", trailer->launcher_sha256);
  add_number_field(&json, "launcherSizeBytes", trailer->payload_offset);
  if (find_state(read_arguments(argv + 1).state, environment, state)) {
    add_field(&json, "state", state);
    add_slots_field(&json, state);
  }
  add_text(&json, "}\n");
  for (size_t done = 0; done < json.length;) {
    const long written = KERNEL_3(write, 1, json.bytes + done, json.length - done);
    if (written <= 0) return EXIT_IO;
    done += (size_t)written;
  }
  return 0;
}

static bool open_named(const char *path, Payload *payload) {
  Text text = TEXT_ON(payload->path);
  add_text(&text, path);
  return open_payload(path, payload);
}

/* Splits "OUT" into its directory and name; the core is made in the directory under a name of its own first. */
static int extract(const Payload *payload, const char *out) {
  static Place directory;
  char path[PATH_SIZE] = ".";
  size_t slash = text_length(out);
  while (slash > 0 && out[slash - 1] != '/') slash--;
  if (slash > 0) {
    Text text = TEXT_ON(path);
    add_bytes(&text, out, slash);
  }
  const long error = open_place(path, &directory);
  if (error < 0) {
    say("Cannot write ", out, ": ", error_words(error));
    return EXIT_CANNOT_CREATE;
  }
  return unpack_core(payload, directory.fd, path, out + slash) ? 0 : EXIT_CANNOT_CREATE;
}

bool run_verb(const Payload *payload, char **argv, char **environment, int *status) {
  static Payload named;
  const char *verb = argv[1];
  if (verb == 0 || !starts_with(verb, "--launcher-")) return false;
  if (same_text(verb, "--launcher-info")) {
    *status = print_info(payload, argv, environment);
  } else if (same_text(verb, "--launcher-verify") && argv[2] != 0 && argv[3] == 0) {
    *status = open_named(argv[2], &named) && verify_payload(&named) ? 0 : 1;
  } else if (same_text(verb, "--launcher-extract") && argv[2] != 0 && argv[3] != 0 &&
             argv[4] == 0) {
    *status = open_named(argv[2], &named) ? extract(&named, argv[3]) : 1;
  } else if (same_text(verb, "--launcher-see-off") && argv[2] != 0 && argv[3] != 0) {
    *status = see_off(payload->path, argv + 2, environment);
  } else {
    say("Usage: --launcher-info [--state DIR], --launcher-verify FILE, ",
        "--launcher-extract FILE OUT, --launcher-see-off PID WORDS...");
    *status = EXIT_USAGE;
  }
  return true;
}
