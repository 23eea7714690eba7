#include "branch-filter.h"

static uint32_t read_u32(const uint8_t *at) {
  return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void write_u32(uint8_t *at, uint32_t value) {
  for (int i = 0; i < 4; i++) at[i] = (uint8_t)(value >> (8 * i));
}

/*
** CALL (E8) and JMP (E9) with a 32-bit distance. In the filtered core 0 <= value < size is an absolute target; what
** lay in that range before was moved to -position <= value < 0. Other values stay.
*/
static void unfilter_x64(uint8_t *bytes, size_t size) {
  const int64_t whole = (int64_t)size;
  for (size_t i = 0; i + 5 <= size; i++) {
    if ((bytes[i] & 0xfe) != 0xe8) continue;
    const int64_t position = (int64_t)i + 5, value = (int32_t)read_u32(bytes + i + 1);
    if (value >= 0 && value < whole) write_u32(bytes + i + 1, (uint32_t)(value - position));
    if (value < 0 && value >= -position) write_u32(bytes + i + 1, (uint32_t)(value + whole));
    i += 4;
  }
}

/* BL: all 26 bits turn. ADRP: pages up to 512 MiB away, so that data that looks like one mostly stays (as xz does). */
static void unfilter_arm64(uint8_t *bytes, size_t size) {
  for (size_t i = 0; i + 4 <= size; i += 4) {
    const uint32_t word = read_u32(bytes + i);
    if ((word & 0xfc000000) == 0x94000000) {
      write_u32(bytes + i, 0x94000000 | ((word - (uint32_t)(i >> 2)) & 0x03ffffff));
    } else if ((word & 0x9f000000) == 0x90000000) {
      const uint32_t page = (word >> 29 & 3) | (word >> 3 & 0x001ffffc);
      if (((page + 0x00020000) & 0x001c0000) != 0) continue;
      const uint32_t back = page - (uint32_t)(i >> 12);
      write_u32(bytes + i, (word & 0x9000001f) | (back & 3) << 29 | (back & 0x0003fffc) << 3 |
                               ((0u - (back & 0x00020000)) & 0x00e00000));
    }
  }
}

void unfilter_branches(uint16_t machine, uint8_t *bytes, size_t size) {
  if (machine == 62) unfilter_x64(bytes, size);
  if (machine == 183) unfilter_arm64(bytes, size);
}
