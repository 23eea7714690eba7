/* Directories: which one holds the node's state, its slots, the cache. All paths are absolute. */
#ifndef MYCELIUM_PLACE_H
#define MYCELIUM_PLACE_H

#include "launcher.h"
#include "trailer.h"

typedef struct {
  int fd;
  char path[PATH_SIZE];
} Place;

/*
** The state directory as the core finds it: `chosen` (--state), else MYCELIUM_STATE, else /var/lib/mycelium for root
** or who may read it, else the user's own (XDG base directories). False when there is none to be found.
*/
bool find_state(const char *chosen, char *const *environment, char path[PATH_SIZE]);

/* Opens `path`. Below 0: minus the error number. */
long open_place(const char *path, Place *place);

/* Makes `path` with its parents, the last of them with `mode`, and opens it. */
long make_place(const char *path, int mode, Place *place);

/*
** Makes and opens the directory for cores that commands other than a boot use. Only this user's, so that nobody
** else chooses what runs. Says why it cannot, then false.
*/
bool open_cache(char *const *environment, Place *place);

/* True when only root and this user can put files into it. */
bool is_ours_alone(const struct statx_ *status);

/* "core-<sha256 as hex>" */
#define CORE_NAME_SIZE (5 + 2 * SHA256_SIZE + 1)
void core_name(const uint8_t sha256[SHA256_SIZE], char name[CORE_NAME_SIZE]);

/* Waits for the lock of the directory, for a minute. Its descriptor; below 0: minus the error number. */
int lock_place(const Place *place);
void unlock_place(int lock);

#endif
