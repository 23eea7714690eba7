/* The launcher: unpacks the core it carries and becomes it. native/DESIGN.md has the whole picture. */
#include "../root-helper/helper.h"
#include "arguments.h"
#include "exec.h"
#include "payload.h"

static void find_self(char path[PATH_SIZE]) {
  long length = KERNEL_4(readlinkat, AT_CWD, "/proc/self/exe", path, PATH_SIZE - 1);
  path[length > 0 ? length : 0] = 0;
}

static bool has_core(const Place *place, const char *name, const Trailer *trailer) {
  struct statx_ status;
  return stat_at(place->fd, name, AT_SYMLINK_NOFOLLOW, &status) >= 0 && (status.mode & MODE_TYPE) == MODE_FILE &&
         status.size == trailer->core_size && is_ours_alone(&status);
}

int launcher_main(int argc, char **argv, char **environment) {
  static Payload payload;
  static Place place;
  if (argc > 1 && same_text(argv[1], "--root-helper")) return root_helper_main(argv + 2);
  find_self(payload.path);
  if (!open_payload("/proc/self/exe", &payload)) return EXIT_SOFTWARE;
  if (payload.trailer.machine != MACHINE) {
    say("Cannot run: this file carries a program for another kind of machine; download the one for this machine");
    return EXIT_SOFTWARE;
  }
  if (!open_cache(environment, &place)) return EXIT_CANNOT_CREATE;
  char name[CORE_NAME_SIZE];
  core_name(payload.trailer.core_sha256, name);
  if (!has_core(&place, name, &payload.trailer)) {
    int lock = lock_place(&place);
    bool is_there = has_core(&place, name, &payload.trailer) || unpack_core(&payload, place.fd, place.path, name);
    unlock_place(lock);
    if (!is_there) return EXIT_CANNOT_CREATE;
  }
  long error = exec_core(&place, name, payload.path, argv, environment);
  say("Cannot run ", place.path, "/", name, ": ", error_words(error));
  return EXIT_OS;
}
