// What the processor can do at most, to compare kernels with: reading memory, and multiplying in
// registers. The functions return something that depends on all work, so that none is left out.
#include "CKernels.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#include <sys/auxv.h>
#endif

enum { AHEAD = 4096 };  // bytes that are asked for early

// ---------------------------------------------------------------- reading

static uint64_t read_words(const uint8_t *from, size_t byte_count) {
  uint64_t sums[8] = {0};
  for (size_t i = 0; i + 64 <= byte_count; i += 64)
    for (size_t w = 0; w < 8; w++) {
      uint64_t word;
      memcpy(&word, from + i + 8 * w, 8);
      sums[w] += word;
    }
  uint64_t sum = 0;
  for (size_t w = 0; w < 8; w++) sum += sums[w];
  return sum;
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static uint64_t read_avx2(const uint8_t *from, size_t byte_count) {
  __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
  size_t i = 0;
  for (; i + 128 <= byte_count; i += 128) {
    __builtin_prefetch(from + i + AHEAD, 0, 3);
    __builtin_prefetch(from + i + AHEAD + 64, 0, 3);
    a = _mm256_add_epi64(a, _mm256_loadu_si256((const __m256i *)(from + i)));
    b = _mm256_add_epi64(b, _mm256_loadu_si256((const __m256i *)(from + i + 32)));
    c = _mm256_add_epi64(c, _mm256_loadu_si256((const __m256i *)(from + i + 64)));
    d = _mm256_add_epi64(d, _mm256_loadu_si256((const __m256i *)(from + i + 96)));
  }
  uint64_t lanes[4];
  __m256i sum = _mm256_add_epi64(_mm256_add_epi64(a, b), _mm256_add_epi64(c, d));
  memcpy(lanes, &sum, sizeof lanes);
  return lanes[0] + lanes[1] + lanes[2] + lanes[3] + read_words(from + i, byte_count - i);
}

__attribute__((target("avx512f"))) static uint64_t read_avx512(const uint8_t *from,
                                                               size_t byte_count) {
  __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
  size_t i = 0;
  for (; i + 256 <= byte_count; i += 256) {
    for (size_t line = 0; line < 256; line += 64)
      __builtin_prefetch(from + i + AHEAD + line, 0, 3);
    a = _mm512_add_epi64(a, _mm512_loadu_si512(from + i));
    b = _mm512_add_epi64(b, _mm512_loadu_si512(from + i + 64));
    c = _mm512_add_epi64(c, _mm512_loadu_si512(from + i + 128));
    d = _mm512_add_epi64(d, _mm512_loadu_si512(from + i + 192));
  }
  __m512i sum = _mm512_add_epi64(_mm512_add_epi64(a, b), _mm512_add_epi64(c, d));
  return (uint64_t)_mm512_reduce_add_epi64(sum) + read_words(from + i, byte_count - i);
}
#endif

uint64_t ck_read_memory(const uint8_t *from, size_t byte_count) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return read_avx512(from, byte_count);
  if (__builtin_cpu_supports("avx2")) return read_avx2(from, byte_count);
#endif
  return read_words(from, byte_count);
}

// ---------------------------------------------------------------- multiplying

// Enough sums at a time to fill every pipeline; few enough for the registers there are.
enum { CHAINS_512 = 16, CHAINS_256 = 10, CHAINS_128 = 16 };

// Hides a value's origin from the compiler, so that equal sums stay as many.
#define OPAQUE(register_class, value) __asm__ volatile("" : "+" register_class(value))

#if defined(__x86_64__)
__attribute__((target("avx512f,avx512vnni"))) static double dot_avx512(size_t rounds) {
  __m512i sums[CHAINS_512], a = _mm512_set1_epi32(0x01020304), b = _mm512_set1_epi32(0x04030201);
  for (int c = 0; c < CHAINS_512; c++) {
    sums[c] = _mm512_setzero_si512();
    OPAQUE("v", sums[c]);
  }
  for (size_t round = 0; round < rounds; round++)
    for (int c = 0; c < CHAINS_512; c++) sums[c] = _mm512_dpbusd_epi32(sums[c], a, b);
  __m512i sum = sums[0];
  for (int c = 1; c < CHAINS_512; c++) sum = _mm512_add_epi32(sum, sums[c]);
  return _mm512_reduce_add_epi32(sum);
}

__attribute__((target("avx512f"))) static double fma_avx512(size_t rounds) {
  __m512 sums[CHAINS_512], a = _mm512_set1_ps(0.5f), b = _mm512_set1_ps(0.25f);
  for (int c = 0; c < CHAINS_512; c++) {
    sums[c] = _mm512_setzero_ps();
    OPAQUE("v", sums[c]);
  }
  for (size_t round = 0; round < rounds; round++)
    for (int c = 0; c < CHAINS_512; c++) sums[c] = _mm512_fmadd_ps(sums[c], a, b);
  __m512 sum = sums[0];
  for (int c = 1; c < CHAINS_512; c++) sum = _mm512_add_ps(sum, sums[c]);
  return _mm512_reduce_add_ps(sum);
}

// Without dot instructions: products of bytes, added up in 16 bits as long as they fit.
__attribute__((target("avx2"))) static double dot_avx2(size_t rounds) {
  __m256i sums[CHAINS_256], a = _mm256_set1_epi32(0x01020304), b = _mm256_set1_epi32(0x04030201);
  for (int c = 0; c < CHAINS_256; c++) sums[c] = _mm256_setzero_si256();
  for (size_t round = 0; round < rounds; round++)
    for (int c = 0; c < CHAINS_256; c++) {
      OPAQUE("x", a);
      sums[c] = _mm256_add_epi16(sums[c], _mm256_maddubs_epi16(a, b));
    }
  int16_t lanes[16];
  __m256i sum = sums[0];
  for (int c = 1; c < CHAINS_256; c++) sum = _mm256_add_epi16(sum, sums[c]);
  memcpy(lanes, &sum, sizeof lanes);
  return lanes[0];
}

__attribute__((target("avx2,fma"))) static double fma_avx2(size_t rounds) {
  __m256 sums[CHAINS_256], a = _mm256_set1_ps(0.5f), b = _mm256_set1_ps(0.25f);
  for (int c = 0; c < CHAINS_256; c++) {
    sums[c] = _mm256_setzero_ps();
    OPAQUE("x", sums[c]);
  }
  for (size_t round = 0; round < rounds; round++)
    for (int c = 0; c < CHAINS_256; c++) sums[c] = _mm256_fmadd_ps(sums[c], a, b);
  float lanes[8];
  __m256 sum = sums[0];
  for (int c = 1; c < CHAINS_256; c++) sum = _mm256_add_ps(sum, sums[c]);
  memcpy(lanes, &sum, sizeof lanes);
  return (double)lanes[0];
}
#elif defined(__aarch64__)
static double dot_neon(size_t rounds) {
  int32x4_t sums[CHAINS_128];
  int8x16_t a = vdupq_n_s8(3), b = vdupq_n_s8(2);
  for (int c = 0; c < CHAINS_128; c++) sums[c] = vdupq_n_s32(0);
  for (size_t round = 0; round < rounds; round++)
    for (int c = 0; c < CHAINS_128; c++) {
      OPAQUE("w", a);
      int16x8_t low = vmull_s8(vget_low_s8(a), vget_low_s8(b));
      low = vmlal_high_s8(low, a, b);
      sums[c] = vpadalq_s16(sums[c], low);
    }
  int32x4_t sum = sums[0];
  for (int c = 1; c < CHAINS_128; c++) sum = vaddq_s32(sum, sums[c]);
  return vaddvq_s32(sum);
}

__attribute__((target("arch=armv8.2-a+dotprod"))) static double dot_neon_dot(size_t rounds) {
  int32x4_t sums[CHAINS_128];
  int8x16_t a = vdupq_n_s8(3), b = vdupq_n_s8(2);
  for (int c = 0; c < CHAINS_128; c++) {
    sums[c] = vdupq_n_s32(0);
    OPAQUE("w", sums[c]);
  }
  for (size_t round = 0; round < rounds; round++)
    for (int c = 0; c < CHAINS_128; c++) sums[c] = vdotq_s32(sums[c], a, b);
  int32x4_t sum = sums[0];
  for (int c = 1; c < CHAINS_128; c++) sum = vaddq_s32(sum, sums[c]);
  return vaddvq_s32(sum);
}

static double fma_neon(size_t rounds) {
  float32x4_t sums[CHAINS_128], a = vdupq_n_f32(0.5f), b = vdupq_n_f32(0.25f);
  for (int c = 0; c < CHAINS_128; c++) {
    sums[c] = vdupq_n_f32(0);
    OPAQUE("w", sums[c]);
  }
  for (size_t round = 0; round < rounds; round++)
    for (int c = 0; c < CHAINS_128; c++) sums[c] = vfmaq_f32(b, sums[c], a);
  float32x4_t sum = sums[0];
  for (int c = 1; c < CHAINS_128; c++) sum = vaddq_f32(sum, sums[c]);
  return (double)vaddvq_f32(sum);
}
#endif

static double dot_scalar(size_t rounds) {
  int32_t sums[8] = {0};
  int32_t a = 3;
  for (size_t round = 0; round < rounds; round++)
    for (int c = 0; c < 8; c++) {
      OPAQUE("r", a);
      sums[c] += a * c;
    }
  double sum = 0;
  for (int c = 0; c < 8; c++) sum += sums[c];
  return sum;
}

static double fma_scalar(size_t rounds) {
  float sums[8] = {0}, a = 0.5f;
  for (size_t round = 0; round < rounds; round++)
    for (int c = 0; c < 8; c++) sums[c] = sums[c] * a + 0.25f;
  double sum = 0;
  for (int c = 0; c < 8; c++) sum += (double)sums[c];
  return sum;
}

static const ck_ceiling scalar_ceiling = {dot_scalar, 8, fma_scalar, 8};
#if defined(__x86_64__)
static const ck_ceiling avx2_ceiling = {dot_avx2, 32 * CHAINS_256, fma_avx2, 8 * CHAINS_256};
static const ck_ceiling avx512_ceiling = {dot_avx512, 64 * CHAINS_512, fma_avx512,
                                          16 * CHAINS_512};
#elif defined(__aarch64__)
static const ck_ceiling neon_ceiling = {dot_neon, 16 * CHAINS_128, fma_neon, 4 * CHAINS_128};
static const ck_ceiling neon_dot_ceiling = {dot_neon_dot, 16 * CHAINS_128, fma_neon,
                                            4 * CHAINS_128};
#endif

const ck_ceiling *ck_ceiling_of(const ck_kernels *kernels) {
#if defined(__x86_64__)
  if (kernels == ck_kernels_avx512()) return &avx512_ceiling;
  if (kernels == ck_kernels_avx2()) return &avx2_ceiling;
#elif defined(__aarch64__)
  const unsigned long dot_product = 1ul << 20;  // HWCAP_ASIMDDP
  if (kernels == ck_kernels_neon())
    return getauxval(AT_HWCAP) & dot_product ? &neon_dot_ceiling : &neon_ceiling;
#endif
  return &scalar_ceiling;
}
