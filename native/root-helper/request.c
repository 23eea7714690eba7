#include "request.h"

#include "../launcher/text.h"
#include "address.h"

/* What a node starts and stops of its own; each has its unit where it is installed. */
static const char *const units[][2] = {
    {"k3s", "mycelium-k3s.service"},
    {"wireguard", "mycelium-wireguard.service"},
    {"qemu", "mycelium-qemu.service"},
};
static const char *const kinds[] = {"wireguard", "bridge", "dummy"};
#define PATH_PARTS_MAX 12
#define PATH_PART_SIZE_MAX 80

typedef struct {
  char *words[REQUEST_WORDS_MAX];
  size_t count;
} Words;

static bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
         c == ':' || c == '/' || c == '-';
}

/* Splits `line` in place at single spaces. */
static const char *split(char *line, size_t length, Words *words) {
  size_t start = 0;
  for (size_t i = 0; i <= length; i++) {
    if (i < length && is_plain(line[i])) continue;
    if (i < length && line[i] != ' ') return "a character that no request has";
    if (i == start) return "an empty word";
    if (words->count == REQUEST_WORDS_MAX) return "too many words";
    line[i] = 0;
    words->words[words->count++] = line + start;
    start = i + 1;
  }
  return 0;
}

/* myc and 1 to 12 of a-z, 0-9 and -. */
static bool read_interface(const char *word, char name[INTERFACE_NAME_MAX + 1]) {
  size_t length = text_length(word);
  if (length < 4 || length > INTERFACE_NAME_MAX || !starts_with(word, "myc")) return false;
  for (size_t i = 0; i < length; i++) {
    char c = word[i];
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) return false;
  }
  __builtin_memcpy(name, word, length + 1);
  return true;
}

static const char *read_unit_request(const Words *words, Request *request) {
  if (words->count != 3) return "unit needs start, stop or status, and a name";
  const char *verb = words->words[1];
  if (same_text(verb, "start")) request->verb = VERB_unit_start;
  else if (same_text(verb, "stop")) request->verb = VERB_unit_stop;
  else if (same_text(verb, "status")) request->verb = VERB_unit_status;
  else return "unit needs start, stop or status";
  for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
    if (!same_text(words->words[2], units[i][0])) continue;
    request->unit = units[i][1];
    return 0;
  }
  return "this unit is none of the agent's";
}

static const char *read_kind(const char *word, Request *request) {
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    if (!same_text(word, kinds[i])) continue;
    request->kind = kinds[i];
    return 0;
  }
  return "an interface is of kind wireguard, bridge or dummy";
}

static const char *read_change(const Words *words, Request *request) {
  const char *what = words->words[3];
  if (words->count == 4 && same_text(what, "up")) {
    request->verb = VERB_interface_up;
    return 0;
  }
  if (words->count == 4 && same_text(what, "down")) {
    request->verb = VERB_interface_down;
    return 0;
  }
  if (words->count != 5) return "a change is up, down, mtu N, address A/P or no-address A/P";
  const char *value = words->words[4];
  if (same_text(what, "mtu")) {
    uint64_t mtu;
    request->verb = VERB_interface_mtu;
    if (!read_number(value, text_length(value), &mtu) || mtu < MTU_MIN || mtu > MTU_MAX)
      return "an MTU is from 576 to 9216";
    request->mtu = (uint32_t)mtu;
    return 0;
  }
  if (same_text(what, "address")) request->verb = VERB_interface_address;
  else if (same_text(what, "no-address")) request->verb = VERB_interface_no_address;
  else return "a change is up, down, mtu N, address A/P or no-address A/P";
  return read_address(value, &request->address) ? 0 : "an address is as 10.1.2.3/24 or fd00::1/64";
}

static const char *read_interface_request(const Words *words, Request *request) {
  if (words->count < 3) return "interface needs create, change or delete, and a name";
  const char *verb = words->words[1];
  if (!read_interface(words->words[2], request->interface))
    return "an interface is named myc and up to 12 of a-z, 0-9 and -";
  if (same_text(verb, "create") && words->count == 4) {
    request->verb = VERB_interface_create;
    return read_kind(words->words[3], request);
  }
  if (same_text(verb, "change") && words->count >= 4) return read_change(words, request);
  if (same_text(verb, "delete") && words->count == 3) {
    request->verb = VERB_interface_delete;
    return 0;
  }
  return "interface needs create NAME KIND, change NAME WHAT, or delete NAME";
}

/* No part of a path is empty, "." or "..", or begins with a point. */
static bool is_path(const char *path) {
  size_t parts = 0, start = 1, length = text_length(path);
  if (path[0] != '/') return false;
  for (size_t i = 1; i <= length; i++) {
    if (i < length && path[i] != '/') continue;
    if (i == start || i - start > PATH_PART_SIZE_MAX || path[start] == '.' || ++parts > PATH_PARTS_MAX) return false;
    start = i + 1;
  }
  return true;
}

static const char *read_install_request(const Words *words, Request *request) {
  if (words->count != 2 || !is_path(words->words[1])) return "install-launcher needs the path of a directory";
  request->verb = VERB_install_launcher;
  __builtin_memcpy(request->path, words->words[1], text_length(words->words[1]) + 1);
  return 0;
}

const char *read_request(const char *bytes, size_t length, Request *request) {
  char line[REQUEST_SIZE_MAX];
  Words words = {.count = 0};
  if (length >= sizeof line) return "it is too long";
  __builtin_memset(request, 0, sizeof *request);
  __builtin_memcpy(line, bytes, length);
  const char *problem = split(line, length, &words);
  if (problem != 0) return problem;
  if (same_text(words.words[0], "unit")) return read_unit_request(&words, request);
  if (same_text(words.words[0], "interface")) return read_interface_request(&words, request);
  if (same_text(words.words[0], "install-launcher")) return read_install_request(&words, request);
  return "the helper knows unit, interface and install-launcher";
}
