/* The launcher: finds the core that shall run and becomes it. native/DESIGN.md has the whole picture. */
#include "../root-helper/helper.h"
#include "arguments.h"
#include "boot.h"
#include "cache.h"
#include "exec.h"
#include "verbs.h"

static void find_self(char path[PATH_SIZE]) {
  const long length = KERNEL_4(readlinkat, AT_CWD, "/proc/self/exe", path, PATH_SIZE - 1);
  path[length > 0 ? length : 0] = 0;
}

static int run_command(const Payload *payload, const char *state, char **argv, char **environment) {
  static Place place;
  char name[CORE_NAME_SIZE];
  if (!find_command_core(payload, state, environment, &place, name)) return EXIT_CANNOT_CREATE;
  const long error = exec_core(&place, name, payload->path, argv, environment);
  say("Cannot run ", place.path, "/", name, ": ", error_words(error));
  return EXIT_OS;
}

int launcher_main(int argc, char **argv, char **environment) {
  static Payload payload;
  char state[PATH_SIZE];
  int status;
  if (argc > 1 && same_text(argv[1], "--root-helper")) return root_helper_main(argv + 2);
  find_self(payload.path);
  if (argc < 1 || !open_payload("/proc/self/exe", &payload)) return EXIT_SOFTWARE;
  if (run_verb(&payload, argv, environment, &status)) return status;
  if (payload.trailer.machine != MACHINE) {
    say("Cannot run: ", payload.path, " carries a program for ",
        payload.trailer.machine == 183 ? "arm64" : "x86-64",
        ", this is another machine; download the file for this one");
    return EXIT_SOFTWARE;
  }
  const Arguments arguments = read_arguments(argv + 1);
  const bool has_state = find_state(arguments.state, environment, state);
  if (arguments.is_boot && has_state && is_own_boot(state))
    return boot(
        &(Boot){.payload = &payload, .state = state, .argv = argv, .environment = environment});
  return run_command(&payload, has_state ? state : 0, argv, environment);
}
