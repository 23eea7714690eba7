/* What all verbs need: the words root started the helper with, and other programs. */
#ifndef MYCELIUM_ROOT_HELPER_TOOLS_H
#define MYCELIUM_ROOT_HELPER_TOOLS_H

#include <stdint.h>

#include "../launcher/kernel.h"
#include "../launcher/text.h"

enum {
  CALL_socket = CALL(41, 198),
  CALL_sendto = CALL(44, 206),
  CALL_recvfrom = CALL(45, 207),
  CALL_getsockopt = CALL(55, 209),
  CALL_memfd_create = CALL(319, 279),
  CALL_pipe2 = CALL(293, 59),
};

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

/*
** Runs TOOLS/`name` with `words` (its arguments, ended by a null) in an environment of our own. Its standard input and
** errors are /dev/null, its output too unless `output` is given. Its exit status; 128 and more when a signal ended it,
** -1 when it could not be run.
*/
int run_tool(const Options *options, const char *name, const char *const *words, Text *output);

#endif
