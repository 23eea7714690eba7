/*
** SHA-256 (FIPS 180-4), by the processor's own instructions where it has them (x86 SHA extensions, ARMv8
** cryptography extension), found while running.
*/
#ifndef MYCELIUM_SHA256_H
#define MYCELIUM_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32

typedef struct {
  uint32_t state[8];
  uint64_t length;
  uint8_t block[64];
} Sha256;

/* arm64: AT_HWCAP of the auxiliary vector says what the processor has; without it the portable way is taken. */
void sha256_use_hardware(uint64_t hwcap);
void sha256_start(Sha256 *hash);
void sha256_add(Sha256 *hash, const void *bytes, size_t size);
void sha256_end(Sha256 *hash, uint8_t digest[SHA256_SIZE]);
void sha256_of(const void *bytes, size_t size, uint8_t digest[SHA256_SIZE]);

/* For tests: both ways must agree. */
void sha256_blocks_portable(uint32_t state[8], const uint8_t *blocks, size_t count);
bool sha256_blocks_hardware(uint32_t state[8], const uint8_t *blocks, size_t count);
bool sha256_has_hardware(void);

#endif
