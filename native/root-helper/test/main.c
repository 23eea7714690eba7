/*
** For tests, with a C library and sanitizers: the helper as it is, or with `--fuzz SEED COUNT` its readers of foreign
** bytes (requests, sums, versions, trailers) on made-up input. Prints the number of requests that were taken.
*/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../launcher/kernel.h"
#include "../../launcher/text.h"
#include "../../launcher/trailer.h"
#include "../helper.h"
#include "../release-check.h"
#include "../request.h"

static const char *const samples[] = {
    "unit start k3s",
    "unit status wireguard",
    "interface create myc0 wireguard",
    "interface change myc-home mtu 1420",
    "interface change myc0 address 10.1.2.3/24",
    "interface change myc0 no-address fd00:1::2:3/64",
    "interface delete myc0",
    "install-launcher /var/lib/mycelium/update/launcher",
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef  0.2.0/mycelium-linux-x64\n",
    "1.2.3-rc.1.x+build",
    "MYCPAYL1",
};
#define SAMPLE_COUNT (sizeof samples / sizeof *samples)

static uint64_t state;

/* SplitMix64. */
static uint64_t draw(void) {
  uint64_t z = state += 0x9e3779b97f4a7c15ull;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ z >> 27) * 0x94d049bb133111ebull;
  return z ^ z >> 31;
}

/* A sample with some of its bytes changed, taken away, doubled, or replaced by a piece of another. */
static size_t mutate(char *bytes, size_t size) {
  const char *sample = samples[draw() % SAMPLE_COUNT];
  size_t length = strlen(sample);
  memcpy(bytes, sample, length);
  for (uint64_t changes = draw() % 5; changes > 0 && length > 0; changes--) {
    size_t at = draw() % length;
    const char *other = samples[draw() % SAMPLE_COUNT];
    size_t piece = draw() % (strlen(other) + 1);
    switch (draw() % 4) {
      case 0: bytes[at] = (char)draw(); break;
      case 1: memmove(bytes + at, bytes + at + 1, --length - at); break;
      case 2: bytes[at] = " ./:-0af"[draw() % 8]; break;
      default:
        if (at + piece > size) piece = size - at;
        memcpy(bytes + at, other, piece);
        if (at + piece > length) length = at + piece;
    }
  }
  return length;
}

/* What was taken keeps its promises. */
static void check(const Request *request) {
  if (request->interface[0] != 0 && strncmp(request->interface, "myc", 3) != 0) abort();
  if (strlen(request->interface) > INTERFACE_NAME_MAX || strlen(request->path) >= REQUEST_SIZE_MAX) abort();
  if (strstr(request->path, "/.") != NULL || (request->path[0] != 0 && request->path[0] != '/')) abort();
  if (request->address.size != 0 && request->address.prefix > 8 * request->address.size) abort();
}

static int fuzz(uint64_t seed, uint64_t count) {
  uint64_t taken = 0;
  state = seed;
  for (uint64_t i = 0; i < count; i++) {
    char buffer[REQUEST_SIZE_MAX + 64];
    size_t length = mutate(buffer, sizeof buffer);
    /* On the heap and of the exact size: a byte read beyond it is an error. */
    char *bytes = malloc(length + 1);
    Request request;
    uint8_t digest[SHA256_SIZE] = {0};
    memcpy(bytes, buffer, length);
    if (read_request(bytes, length, &request) == NULL) {
      check(&request);
      taken++;
    }
    sums_have(bytes, length, "mycelium-linux-x64", digest);
    bytes[length] = 0;
    int order = compare_versions(bytes, "1.2.3-rc.1");
    if (order != -compare_versions("1.2.3-rc.1", bytes)) abort();
    free(bytes);
    uint8_t trailer_bytes[TRAILER_SIZE] = {0};
    Trailer trailer;
    memcpy(trailer_bytes, buffer, length);
    if (read_trailer(trailer_bytes, draw() % (2 * TRAILER_SIZE), &trailer) == NULL) abort();
  }
  printf("%llu\n", (unsigned long long)taken);
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 4 && strcmp(argv[1], "--fuzz") == 0) return fuzz(strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10));
  return root_helper_main(argv + 1);
}
