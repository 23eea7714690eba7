#include "helper.h"

#include "verbs.h"

enum { SOL_SOCKET_ = 1, SO_PEERCRED_ = 17, POLL_IN = 1, NO_SIGNAL = 0x4000 };
/* The request is one packet of a local peer: longer than this it is not coming. */
#define REQUEST_TIMEOUT_MS 5000

struct ucred_ {
  int32_t pid;
  uint32_t uid, gid;
};

static bool read_options(char *const *words, Options *options) {
  *options = (Options){
      .program = "/usr/local/bin/mycelium",
      .key = "/usr/local/lib/mycelium/release.pem",
      .state = "/var/lib/mycelium",
      .tools = "/usr/bin",
  };
  for (; words[0] != 0; words += 2) {
    if (words[1] == 0 || words[1][0] != '/') return false;
    if (same_text(words[0], "--program")) options->program = words[1];
    else if (same_text(words[0], "--key")) options->key = words[1];
    else if (same_text(words[0], "--state")) options->state = words[1];
    else if (same_text(words[0], "--tools")) options->tools = words[1];
    else return false;
  }
  return true;
}

/* The agent is who owns the state directory: install.sh gave it that, and only root can change it. */
static bool find_agent(Options *options) {
  struct statx_ status;
  options->state_fd = open_at(AT_CWD, options->state, OPEN_READ | OPEN_DIRECTORY | OPEN_NOFOLLOW, 0);
  if (options->state_fd < 0 || stat_fd(options->state_fd, &status) < 0) return false;
  options->uid = status.uid;
  return true;
}

static bool is_agent(const Options *options) {
  struct ucred_ peer;
  uint32_t size = sizeof peer;
  if (KERNEL_5(getsockopt, 0, SOL_SOCKET_, SO_PEERCRED_, &peer, &size) < 0) return false;
  return size == sizeof peer && peer.uid == options->uid && peer.uid != 0;
}

static int64_t now_ms(void) {
  struct timespec_ now;
  KERNEL_2(clock_gettime, CLOCK_MONOTONIC_, &now);
  return now.seconds * 1000 + now.nanoseconds / 1000000;
}

/* The bytes before the newline; below 0 when none came in time or there are more. */
static long receive_request(char bytes[REQUEST_SIZE_MAX]) {
  const int64_t deadline_ms = now_ms() + REQUEST_TIMEOUT_MS;
  size_t length = 0;
  while (length < REQUEST_SIZE_MAX) {
    int64_t left_ms = deadline_ms - now_ms();
    struct timespec_ wait = {left_ms / 1000, left_ms % 1000 * 1000000};
    struct pollfd_ input = {0, POLL_IN, 0};
    if (left_ms <= 0 || KERNEL_5(ppoll, &input, 1, &wait, 0, 0) <= 0) return -1;
    long got = KERNEL_3(read, 0, bytes + length, REQUEST_SIZE_MAX - length);
    if (got <= 0) return -1;
    for (size_t i = length; i < length + (size_t)got; i++)
      if (bytes[i] == '\n') return i + 1 == length + (size_t)got ? (long)i : -1;
    length += (size_t)got;
  }
  return -1;
}

static void carry_out(const Options *options, const Request *request, Answer *answer) {
  switch (request->verb) {
    case VERB_unit_start:
    case VERB_unit_stop:
    case VERB_unit_status: change_unit(options, request, answer); return;
    case VERB_install_launcher: install_launcher(options, request, answer); return;
    default: change_interface(request, answer);
  }
}

static void take_request(const Options *options, Answer *answer) {
  char bytes[REQUEST_SIZE_MAX];
  Request request;
  if (!is_agent(options)) {
    answer_refused(answer, "only the owner of the state directory is served");
    return;
  }
  long length = receive_request(bytes);
  if (length < 0) {
    answer_refused(answer, "a request is one line, sent at once");
    return;
  }
  const char *problem = read_request(bytes, (size_t)length, &request);
  if (problem != 0) answer_refused(answer, problem);
  else carry_out(options, &request, answer);
}

static int send_answer(const Answer *answer) {
  char buffer[ANSWER_SIZE_MAX + 16];
  Text line = TEXT_ON(buffer);
  add_text(&line, answer->outcome);
  add_text(&line, " ");
  add_bytes(&line, answer->words.bytes, answer->words.length);
  add_text(&line, "\n");
  /* In the journal too: what root did is kept. */
  KERNEL_3(write, 2, line.bytes, line.length);
  return KERNEL_6(sendto, 0, line.bytes, line.length, NO_SIGNAL, 0, 0) == (long)line.length ? 0 : 1;
}

int root_helper_main(char *const *words) {
  char buffer[ANSWER_SIZE_MAX];
  Options options;
  Answer answer = {.outcome = "failed", .words = TEXT_ON(buffer)};
  if (!read_options(words, &options)) answer_failed(&answer, "the helper's command line is wrong");
  else if (!find_agent(&options)) answer_failed(&answer, "the state directory cannot be opened");
  else take_request(&options, &answer);
  return send_answer(&answer);
}
