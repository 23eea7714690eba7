#include "answer.h"

static void answer_with(Answer *answer, const char *outcome, const char *words) {
  answer->outcome = outcome;
  answer->words.length = 0;
  add_text(&answer->words, words);
}

void answer_ok(Answer *answer, const char *words) { answer_with(answer, "ok", words); }
void answer_refused(Answer *answer, const char *words) { answer_with(answer, "refused", words); }
void answer_failed(Answer *answer, const char *words) { answer_with(answer, "failed", words); }

void answer_error(Answer *answer, const char *words, long error) {
  answer_failed(answer, words);
  add_text(&answer->words, " (error ");
  add_number(&answer->words, (uint64_t)(error < 0 ? -error : error));
  add_text(&answer->words, ")");
}
