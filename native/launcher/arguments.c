#include "arguments.h"

#include "text.h"

Arguments read_arguments(char *const *words) {
  Arguments found = {0, words[0] != 0 && same_text(words[0], "run")};
  for (; *words != 0 && !same_text(*words, "--"); words++) {
    if (starts_with(*words, "--state=")) {
      found.state = *words + 8;
    } else if (same_text(*words, "--state")) {
      if (words[1] == 0) break;
      found.state = *++words;
    } else if (same_text(*words, "--background") || same_text(*words, "--background=true") ||
               same_text(*words, "--help") || same_text(*words, "-h")) {
      found.is_boot = false;
    }
  }
  return found;
}

const char *environment_value(char *const *environment, const char *name) {
  const size_t length = text_length(name);
  for (; *environment != 0; environment++)
    if (starts_with(*environment, name) && (*environment)[length] == '=')
      return *environment + length + 1;
  return 0;
}
