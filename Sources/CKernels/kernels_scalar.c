// The kernels in plain C: slow, everywhere, and the reference for all others.
#include "formats.h"

#define INLINE static inline __attribute__((always_inline))
#include "vectors_scalar.h"
#include "variant.h"

const ck_kernels *ck_kernels_scalar(void) { return &table; }
