/* The shipped file and the core it carries. */
#ifndef MYCELIUM_PAYLOAD_H
#define MYCELIUM_PAYLOAD_H

#include "launcher.h"
#include "trailer.h"

typedef struct {
  /* Absolute; "" when it is not known. */
  char path[PATH_SIZE];
  uint64_t file_size;
  Trailer trailer;
  int fd;
} Payload;

/* Opens the shipped file at `path` and reads its trailer. Says what is wrong, then false. */
bool open_payload(const char *path, Payload *payload);

/*
** Unpacks the core into `name` in the directory, 0755, whole and synced or not at all: it is made as "unpacked.new",
** checked against its SHA-256, and renamed. Says what is wrong, then false. Needs the directory's lock.
*/
bool unpack_core(const Payload *payload, int directory, const char *directory_path,
                 const char *name);

/* Bytes that must be free for it. */
uint64_t unpack_room(const Payload *payload);

/* The temporary name of unpack_core: what a killed one left may be removed under the lock. */
#define UNPACKED_NAME "unpacked.new"

/* Checks every byte of the shipped file: launcher part, payload, core. Says what is wrong, then false. */
bool verify_payload(const Payload *payload);

/* SHA-256 of a whole open file; false when it cannot be read. */
bool hash_file(int fd, uint64_t size, uint8_t digest[SHA256_SIZE]);

#endif
