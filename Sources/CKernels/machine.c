// What Swift cannot reach: macros of the C library, and calls that it lacks.
#define _GNU_SOURCE
#include <sched.h>
#include <sys/mman.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#ifdef __linux__
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#endif

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

void ck_spread_over_nodes(void *address, size_t byte_count) {
#if defined(__linux__) && defined(SYS_mbind) && defined(SYS_get_mempolicy)
  enum { WORD_BITS = 8 * sizeof(unsigned long), NODES = 1024, INTERLEAVE = 3, ALLOWED = 4 };
  unsigned long nodes[NODES / WORD_BITS] = {0};
  if (syscall(SYS_get_mempolicy, NULL, nodes, NODES, NULL, ALLOWED) != 0) return;
  int count = 0;
  for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++) count += __builtin_popcountl(nodes[i]);
  if (count > 1) (void)syscall(SYS_mbind, address, byte_count, INTERLEAVE, nodes, NODES, 0);
#else
  (void)address, (void)byte_count;
#endif
}

void ck_share_arenas(void) {
#ifdef __GLIBC__
  (void)mallopt(M_ARENA_MAX, 2);
#endif
}

void ck_return_freed_memory(void) {
#ifdef __GLIBC__
  (void)malloc_trim(0);
#endif
}

int ck_thread(void) {
#ifdef __linux__
  return (int)syscall(SYS_gettid);
#else
  return 0;
#endif
}

int ck_processor(void) {
#ifdef __linux__
  return sched_getcpu();
#else
  return -1;
#endif
}

int64_t ck_thread_time(int thread) {
#ifdef __linux__
  // The clock of another thread of this process, as the kernel numbers it: CPUCLOCK_SCHED of a
  // thread. It counts while the thread has a processor.
  clockid_t clock = (clockid_t)(~(unsigned)thread << 3 | 6);
  struct timespec time;
  if (clock_gettime(clock, &time) == 0) return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
#else
  (void)thread;
#endif
  return -1;
}

#ifdef __linux__
_Static_assert(sizeof(cpu_set_t) <= sizeof(ck_processors), "a set of processors fits");
#endif

bool ck_allowed_of_thread(int thread, ck_processors *allowed) {
#ifdef __linux__
  return sched_getaffinity(thread, sizeof *allowed, (cpu_set_t *)allowed) == 0;
#else
  (void)thread, (void)allowed;
  return false;
#endif
}

bool ck_allow_thread(int thread, const ck_processors *allowed) {
#ifdef __linux__
  return sched_setaffinity(thread, sizeof *allowed, (const cpu_set_t *)allowed) == 0;
#else
  (void)thread, (void)allowed;
  return false;
#endif
}

bool ck_move_thread(int thread, int processor) {
  enum { WORD_BITS = 64 };
  ck_processors one = {{0}};
  if (processor < 0 || (size_t)processor >= 8 * sizeof one) return false;
  one.words[processor / WORD_BITS] = (uint64_t)1 << processor % WORD_BITS;
  return ck_allow_thread(thread, &one);
}

void ck_name_thread(const char *name) {
#ifdef __linux__
  (void)pthread_setname_np(pthread_self(), name);
#else
  (void)name;
#endif
}

bool ck_wait_at_most(sem_t *semaphore, int64_t nanoseconds) {
#ifdef __linux__
  enum { SECOND = 1000000000 };
  struct timespec end;
  clock_gettime(CLOCK_MONOTONIC, &end);
  int64_t total = end.tv_nsec + nanoseconds;
  end.tv_sec += (time_t)(total / SECOND);
  end.tv_nsec = (long)(total % SECOND);
  return sem_clockwait(semaphore, CLOCK_MONOTONIC, &end) == 0;
#else
  (void)semaphore, (void)nanoseconds;
  return false;
#endif
}
