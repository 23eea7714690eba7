/* Units are systemd's business: the helper asks systemctl, about the few names that request.c knows. */
#include "verbs.h"

/* systemd's words for a unit's state are this long at most. */
#define STATE_SIZE_MAX 32

static void add_line(Text *text, const char *bytes, size_t length) {
  for (size_t i = 0; i < length && bytes[i] != '\n'; i++)
    if (bytes[i] >= 'a' && bytes[i] <= 'z') add_bytes(text, bytes + i, 1);
}

static void say_state(const Options *options, const Request *request, Answer *answer) {
  char buffer[STATE_SIZE_MAX];
  Text output = TEXT_ON(buffer);
  const char *const words[] = {"show", "--property=ActiveState", "--value", request->unit, 0};
  int status = run_tool(options, "systemctl", words, &output);
  if (status != 0) {
    answer_error(answer, "systemctl does not tell the unit's state", status);
    return;
  }
  answer_ok(answer, "");
  add_line(&answer->words, output.bytes, output.length);
}

void change_unit(const Options *options, const Request *request, Answer *answer) {
  if (request->verb == VERB_unit_status) {
    say_state(options, request, answer);
    return;
  }
  const char *verb = request->verb == VERB_unit_start ? "start" : "stop";
  const char *const words[] = {"--no-ask-password", "--quiet", verb, request->unit, 0};
  int status = run_tool(options, "systemctl", words, 0);
  if (status == 0) answer_ok(answer, request->unit);
  else answer_error(answer, "systemctl could not; see its journal", status);
}
