// The kernels for x86-64 with AVX2, FMA and F16C.
#include "formats.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#include "vectors_avx2.h"
#include "variant.h"
#pragma clang attribute pop

const ck_kernels *ck_kernels_avx2(void) {
  bool runs = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
              __builtin_cpu_supports("f16c");
  return runs ? &table : NULL;
}
#else
const ck_kernels *ck_kernels_avx2(void) { return NULL; }
#endif
