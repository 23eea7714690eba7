/*
** What may be asked of the root helper. A request is one line of words; whatever is not exactly one of these forms is
** refused before anything happens. Pure, and fuzzed: the bytes are whoever's that can reach the socket.
*/
#ifndef MYCELIUM_REQUEST_H
#define MYCELIUM_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REQUEST_SIZE_MAX 512
#define REQUEST_WORDS_MAX 5
/* IFNAMSIZ without its 0. */
#define INTERFACE_NAME_MAX 15
#define MTU_MIN 576
#define MTU_MAX 9216

typedef enum {
  VERB_unit_start,
  VERB_unit_stop,
  VERB_unit_status,
  VERB_interface_create,
  VERB_interface_up,
  VERB_interface_down,
  VERB_interface_mtu,
  VERB_interface_address,
  VERB_interface_no_address,
  VERB_interface_delete,
  VERB_install_launcher,
} Verb;

typedef struct {
  uint8_t bytes[16];
  /* 4 or 16. */
  uint8_t size;
  uint8_t prefix;
} Address;

typedef struct {
  Verb verb;
  /* Of unit_*: the whole name, one of a fixed list. */
  const char *unit;
  char interface[INTERFACE_NAME_MAX + 1];
  /* Of interface_create, one of a fixed list. */
  const char *kind;
  uint32_t mtu;
  Address address;
  /* Of install_launcher: absolute, without "." and "..", each part short. */
  char path[REQUEST_SIZE_MAX];
} Request;

/* Null when `request` was filled, else what is wrong. `bytes` are those before the newline. */
const char *read_request(const char *bytes, size_t length, Request *request);

#endif
