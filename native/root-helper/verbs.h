/* The verbs (DESIGN.md). Each ends with an answer. */
#ifndef MYCELIUM_ROOT_HELPER_VERBS_H
#define MYCELIUM_ROOT_HELPER_VERBS_H

#include "answer.h"
#include "request.h"
#include "tools.h"

void change_unit(const Options *options, const Request *request, Answer *answer);
void change_interface(const Request *request, Answer *answer);
void install_launcher(const Options *options, const Request *request, Answer *answer);

#endif
