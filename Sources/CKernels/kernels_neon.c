// The kernels for 64-bit Arm without the dot product instructions, and the choice between the two.
#include "formats.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#include <string.h>
#include <sys/auxv.h>

#define INLINE static inline __attribute__((always_inline))
#define NAME "neon"
#include "vectors_neon.h"
#include "variant.h"

const ck_kernels *ck_kernels_neon_dot(void);

const ck_kernels *ck_kernels_neon(void) {
  const unsigned long dot_product = 1ul << 20;  // HWCAP_ASIMDDP
  return getauxval(AT_HWCAP) & dot_product ? ck_kernels_neon_dot() : &table;
}
#else
const ck_kernels *ck_kernels_neon(void) { return NULL; }
#endif
