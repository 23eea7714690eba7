#include "exec.h"

#define LAUNCHER_VARIABLE "MYCELIUM_LAUNCHER="

static char **scrubbed(char **environment, const char *launcher) {
  size_t count = 0;
  while (environment[count] != 0) count++;
  static char variable[sizeof LAUNCHER_VARIABLE + PATH_SIZE];
  Text text = TEXT_ON(variable);
  add_text(&text, LAUNCHER_VARIABLE);
  add_text(&text, launcher);
  char **kept = map_memory((count + 2) * sizeof *kept, PROT_READ_ | PROT_WRITE_, MAP_PRIVATE_ | MAP_ANONYMOUS_, -1);
  if (map_error(kept) != 0) return 0;
  size_t at = 0;
  for (size_t i = 0; i < count; i++) {
    if (starts_with(environment[i], "BUN_") || starts_with(environment[i], LAUNCHER_VARIABLE)) continue;
    kept[at++] = environment[i];
  }
  if (*launcher != 0) kept[at++] = variable;
  kept[at] = 0;
  return kept;
}

long exec_core(const Place *place, const char *name, const char *launcher, char **argv, char **environment) {
  char path[PATH_SIZE + CORE_NAME_SIZE];
  Text text = TEXT_ON(path);
  add_text(&text, place->path);
  add_text(&text, "/");
  add_text(&text, name);
  char **kept = scrubbed(environment, launcher);
  if (kept == 0) return -ERR_NOMEM;
  return KERNEL_3(execve, path, argv, kept);
}
