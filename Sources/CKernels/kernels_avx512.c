// The kernels for x86-64 with AVX-512 and VNNI.
#include "formats.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#pragma clang attribute push(                                                               \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c"))), \
    apply_to = function)
#include "vectors_avx512.h"
#include "variant.h"
#pragma clang attribute pop

const ck_kernels *ck_kernels_avx512(void) {
  bool runs = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
              __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
              __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("f16c");
  return runs ? &table : NULL;
}
#else
const ck_kernels *ck_kernels_avx512(void) { return NULL; }
#endif
