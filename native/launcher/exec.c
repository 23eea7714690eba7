#include "exec.h"

#define LAUNCHER_VARIABLE "MYCELIUM_LAUNCHER="

/*
 * Of the core's runtime, which reads them at its start only. On small machines the last tier of the just-in-time
 * compiler costs more than it gives: 6 to 20 % of all writes, the slowest of them, and 17 MB. Garbage is collected
 * when the heap has grown fourfold, not twofold: up to a tenth less for the slowest writes of one client, and no more
 * memory after 13 s of loads.
 */
static char *const runtime_settings[] = {"BUN_JSC_useFTLJIT=0", "BUN_JSC_smallHeapGrowthFactor=4"};
#define RUNTIME_COUNT (sizeof runtime_settings / sizeof *runtime_settings)

/*
 * The same, unless whoever starts it has set them. Memory that was freed goes back to the system after half a second,
 * not at once: 5 to 10 % of a loaded node's CPU. Whole pages that are free within used memory are looked for every
 * five seconds, not ten times a second: 0.35 % of a core of an idle node.
 */
static const struct {
  const char *name;
  char *setting;
} memory_settings[] = {
    {"MIMALLOC_PURGE_DELAY=", "MIMALLOC_PURGE_DELAY=500"},
    {"MIMALLOC_PURGE_HOLES_MIN_INTERVAL=", "MIMALLOC_PURGE_HOLES_MIN_INTERVAL=5000"},
};
#define MEMORY_COUNT (sizeof memory_settings / sizeof *memory_settings)
#define ADDED_COUNT (RUNTIME_COUNT + MEMORY_COUNT + 1)

static int has_variable(char **environment, const char *name) {
  for (size_t i = 0; environment[i] != 0; i++) {
    if (starts_with(environment[i], name)) return 1;
  }
  return 0;
}

static char **scrubbed(char **environment, const char *launcher) {
  size_t count = 0;
  while (environment[count] != 0) count++;
  static char variable[sizeof LAUNCHER_VARIABLE + PATH_SIZE];
  Text text = TEXT_ON(variable);
  add_text(&text, LAUNCHER_VARIABLE);
  add_text(&text, launcher);
  char **kept = map_memory((count + ADDED_COUNT + 1) * sizeof *kept, PROT_READ_ | PROT_WRITE_,
                           MAP_PRIVATE_ | MAP_ANONYMOUS_, -1);
  if (map_error(kept) != 0) return 0;
  size_t at = 0;
  for (size_t i = 0; i < count; i++) {
    if (starts_with(environment[i], "BUN_") || starts_with(environment[i], LAUNCHER_VARIABLE))
      continue;
    kept[at++] = environment[i];
  }
  for (size_t i = 0; i < RUNTIME_COUNT; i++) kept[at++] = runtime_settings[i];
  for (size_t i = 0; i < MEMORY_COUNT; i++) {
    if (!has_variable(environment, memory_settings[i].name))
      kept[at++] = memory_settings[i].setting;
  }
  if (*launcher != 0) kept[at++] = variable;
  kept[at] = 0;
  return kept;
}

long exec_core(const Place *place, const char *name, const char *launcher, char **argv,
               char **environment) {
  char path[PATH_SIZE + CORE_NAME_SIZE];
  Text text = TEXT_ON(path);
  add_text(&text, place->path);
  add_text(&text, "/");
  add_text(&text, name);
  char **kept = scrubbed(environment, launcher);
  if (kept == 0) return -ERR_NOMEM;
  return KERNEL_3(execve, path, argv, kept);
}
