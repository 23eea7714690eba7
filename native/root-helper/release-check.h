/* What the helper reads of a release, besides the trailer: its sums, and which of two versions is older. Pure. */
#ifndef MYCELIUM_RELEASE_CHECK_H
#define MYCELIUM_RELEASE_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../launcher/sha256.h"

/*
** True when `sums` (as sha256sum writes them) says of a file `name`, in whatever folder, that its SHA-256 is `digest`.
** The sums are the release's own: their signature was verified.
*/
bool sums_have(const char *sums, size_t length, const char *name, const uint8_t digest[SHA256_SIZE]);

/* Semantic Versioning 2.0.0, section 11. Below 0: `one` is older. What is no such version is older than any that is. */
int compare_versions(const char *one, const char *other);

#endif
