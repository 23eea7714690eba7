/* What the root helper answers, in one line. */
#ifndef MYCELIUM_ROOT_HELPER_ANSWER_H
#define MYCELIUM_ROOT_HELPER_ANSWER_H

#include "../launcher/text.h"

#define ANSWER_SIZE_MAX 512

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

#endif
