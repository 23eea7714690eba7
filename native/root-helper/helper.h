/*
** The root helper (DESIGN.md): answers the one request that comes over standard input, and ends. What the verbs share.
** Like the launcher it uses no C library.
*/
#ifndef MYCELIUM_ROOT_HELPER_H
#define MYCELIUM_ROOT_HELPER_H

#include <stdint.h>

#include "../launcher/kernel.h"
#include "../launcher/text.h"
#include "request.h"

enum {
  CALL_socket = CALL(41, 198),
  CALL_sendto = CALL(44, 206),
  CALL_recvfrom = CALL(45, 207),
  CALL_getsockopt = CALL(55, 209),
  CALL_memfd_create = CALL(319, 279),
  CALL_pipe2 = CALL(293, 59),
};

#define ANSWER_SIZE_MAX 512

/* From the unit's command line, so root's words. */
typedef struct {
  const char *program;
  const char *key;
  const char *state;
  /* Directory of systemctl and openssl. */
  const char *tools;
  /* The agent's: the owner of `state`. */
  uint32_t uid;
  int state_fd;
} Options;

/* What a verb came to: "ok", "refused" by a rule, "failed" when it was tried. `words` says more, in one line. */
typedef struct {
  const char *outcome;
  Text words;
} Answer;

/* Each sets the outcome and returns. */
void answer_ok(Answer *answer, const char *words);
void answer_refused(Answer *answer, const char *words);
void answer_failed(Answer *answer, const char *words);
/* "words (error N)", for what the kernel returned. */
void answer_error(Answer *answer, const char *words, long error);

void change_unit(const Options *options, const Request *request, Answer *answer);
void change_interface(const Request *request, Answer *answer);
void install_launcher(const Options *options, const Request *request, Answer *answer);

/*
** Runs TOOLS/`name` with `words` (its arguments, ended by a null) in an environment of our own. Its standard input and
** errors are /dev/null, its output too unless `output` is given. Its exit status; 128 and more when a signal ended it,
** -1 when it could not be run.
*/
int run_tool(const Options *options, const char *name, const char *const *words, Text *output);

/* `words` are those after --root-helper. Returns the exit status. */
int root_helper_main(char *const *words);

#endif
