// The kernels for 64-bit Arm with dot product instructions (Armv8.2 and later).
#include "formats.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define NAME "neon"
#define DOT_PRODUCT
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)
#include "vectors_neon.h"
#include "variant.h"
#pragma clang attribute pop

const ck_kernels *ck_kernels_neon_dot(void) { return &table; }
#endif
