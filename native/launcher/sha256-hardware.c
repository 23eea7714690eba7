/* One compression step for each architecture, as Intel's and ARM's manuals lay the instructions out. */
#include "sha256.h"

extern const uint32_t sha256_constants[64];

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

static bool find_hardware(void) {
  unsigned a, b, c, d;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & 1u << 19) == 0) return false; /* SSE4.1 */
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & 1u << 29) != 0; /* SHA */
}

void sha256_use_hardware(uint64_t hwcap) { (void)hwcap; }

bool sha256_has_hardware(void) {
  static int known; /* 0: not looked for, 1: missing, 2: there */
  if (known == 0) known = find_hardware() ? 2 : 1;
  return known == 2;
}

__attribute__((target("sha,sse4.1"))) static void blocks(uint32_t state[8], const uint8_t *at,
                                                         size_t count) {
  const __m128i order = _mm_set_epi64x(0x0c0d0e0f08090a0bll, 0x0405060700010203ll);
  __m128i low = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state), 0xb1);
  __m128i high = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(state + 4)), 0x1b);
  __m128i abef = _mm_alignr_epi8(low, high, 8);
  __m128i cdgh = _mm_blend_epi16(high, low, 0xf0);
  for (; count > 0; count--, at += 64) {
    const __m128i abef_before = abef, cdgh_before = cdgh;
    __m128i w[4];
    for (int i = 0; i < 4; i++)
      w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(at + 16 * i)), order);
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {
      __m128i sum =
          _mm_add_epi32(w[i % 4], _mm_load_si128((const __m128i *)(sha256_constants + 4 * i)));
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
      if (i >= 12) continue;
      const __m128i last = w[(i + 3) % 4];
      __m128i next = _mm_sha256msg1_epu32(w[i % 4], w[(i + 1) % 4]);
      next = _mm_add_epi32(next, _mm_alignr_epi8(last, w[(i + 2) % 4], 4));
      w[i % 4] = _mm_sha256msg2_epu32(next, last);
    }
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
  }
  low = _mm_shuffle_epi32(abef, 0x1b);
  high = _mm_shuffle_epi32(cdgh, 0xb1);
  _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(low, high, 0xf0));
  _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(high, low, 8));
}

#elif defined(__aarch64__)
#include <arm_neon.h>

#define HWCAP_SHA2 (1u << 6)

static bool is_there;

void sha256_use_hardware(uint64_t hwcap) { is_there = (hwcap & HWCAP_SHA2) != 0; }

bool sha256_has_hardware(void) { return is_there; }

#if defined(__clang__)
__attribute__((target("sha2")))
#else
__attribute__((target("+crypto")))
#endif
static void blocks(uint32_t state[8], const uint8_t *at, size_t count) {
  uint32x4_t abcd = vld1q_u32(state), efgh = vld1q_u32(state + 4);
  for (; count > 0; count--, at += 64) {
    const uint32x4_t abcd_before = abcd, efgh_before = efgh;
    uint32x4_t w[4];
    for (int i = 0; i < 4; i++) w[i] = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(at + 16 * i)));
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {
      const uint32x4_t sum = vaddq_u32(w[i % 4], vld1q_u32(sha256_constants + 4 * i));
      const uint32x4_t before = abcd;
      abcd = vsha256hq_u32(abcd, efgh, sum);
      efgh = vsha256h2q_u32(efgh, before, sum);
      if (i >= 12) continue;
      w[i % 4] = vsha256su1q_u32(vsha256su0q_u32(w[i % 4], w[(i + 1) % 4]), w[(i + 2) % 4],
                                 w[(i + 3) % 4]);
    }
    abcd = vaddq_u32(abcd, abcd_before);
    efgh = vaddq_u32(efgh, efgh_before);
  }
  vst1q_u32(state, abcd);
  vst1q_u32(state + 4, efgh);
}
#endif

bool sha256_blocks_hardware(uint32_t state[8], const uint8_t *at, size_t count) {
  if (!sha256_has_hardware()) return false;
  blocks(state, at, count);
  return true;
}
