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
** Where cores may be that commands other than a boot use, best first, ended by null: XDG_CACHE_HOME, the system's for
** root, the user's, and for an account without a home one in /var/tmp.
*/
#define CACHE_COUNT_MAX 3
void list_caches(char *const *environment, const char *caches[CACHE_COUNT_MAX + 1]);

/* Where root's commands put theirs; other users may run it from there. */
#define SYSTEM_CACHE "/var/cache/mycelium"

/* Makes and opens a cache; only this user's will do, so that nobody else chooses what runs. */
bool open_cache(const char *path, Place *place);

/* True when only root and this user can put files into it. */
bool is_ours_alone(const struct statx_ *status);

/* "core-<sha256 as hex>" */
#define CORE_NAME_SIZE (5 + 2 * SHA256_SIZE + 1)
void core_name(const uint8_t sha256[SHA256_SIZE], char name[CORE_NAME_SIZE]);

/* Waits for the lock of the directory, for a minute. Its descriptor; below 0: minus the error number. */
int lock_place(const Place *place);
void unlock_place(int lock);

#endif
