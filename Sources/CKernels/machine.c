// What Swift cannot reach: macros of the C library.
#define _GNU_SOURCE
#include <sched.h>
#include <sys/mman.h>

#include "CKernels.h"

int ck_allowed_processors(void) {
#ifdef __linux__
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) return CPU_COUNT(&set);
#endif
  return 1;
}

void ck_advise_huge_pages(void *address, size_t byte_count) {
#ifdef MADV_HUGEPAGE
  (void)madvise(address, byte_count, MADV_HUGEPAGE);
#else
  (void)address, (void)byte_count;
#endif
}
