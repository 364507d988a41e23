#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "CAllocations.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__GLIBC__) && !defined(SANITIZED)
#define COUNTS 1
#endif

static _Thread_local bool counted, adopts;
static _Thread_local pid_t family;  // the thread that adopted this one, or itself; 0: not known yet
static _Thread_local int inside_zeromq;
static atomic_int active;  // the family that is counted, or 0
static char only_name[16];  // constant while counting; empty for all threads
static atomic_size_t own_count, zeromq_count;

bool allocations_are_counted(void) {
#ifdef COUNTS
  return true;
#else
  return false;
#endif
}

static pid_t own_family(void) {
  if (family == 0) family = gettid();
  return family;
}

void allocations_count_thread(bool value) { counted = value; }

void allocations_adopt_threads(bool value) { adopts = value; }

void allocations_begin(const char *thread_name) {
  snprintf(only_name, sizeof only_name, "%s", thread_name == NULL ? "" : thread_name);
  atomic_store(&own_count, 0);
  atomic_store(&zeromq_count, 0);
  atomic_store(&active, own_family());
}

void allocations_end(size_t *own, size_t *zeromq) {
  atomic_store(&active, 0);
  *own = atomic_load(&own_count);
  *zeromq = atomic_load(&zeromq_count);
}

#ifdef COUNTS
static bool has_name(void) {
  char name[sizeof only_name];
  if (only_name[0] == 0) return true;
  return pthread_getname_np(pthread_self(), name, sizeof name) == 0 && strcmp(name, only_name) == 0;
}

static void count(void) {
  if (!counted || atomic_load_explicit(&active, memory_order_acquire) != family) return;
  if (family == 0 || !has_name()) return;
  atomic_fetch_add(inside_zeromq > 0 ? &zeromq_count : &own_count, 1);
}

// ---------------------------------------------------------------- the heap

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t elements, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size) {
  count();
  return __libc_malloc(size);
}

void *calloc(size_t elements, size_t size) {
  count();
  return __libc_calloc(elements, size);
}

void *realloc(void *old, size_t size) {
  count();
  return __libc_realloc(old, size);
}

void *memalign(size_t alignment, size_t size) {
  count();
  return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **result, size_t alignment, size_t size) {
  if (alignment % sizeof(void *) != 0 || (alignment & (alignment - 1)) != 0 || alignment == 0)
    return EINVAL;
  void *block = memalign(alignment, size);
  if (block == NULL) return ENOMEM;
  *result = block;
  return 0;
}

// ---------------------------------------------------------------- threads

typedef void *thread_body(void *argument);

typedef struct thread_start {
  thread_body *body;
  void *argument;
  pid_t family;
} thread_start;

static void *run_adopted(void *argument) {
  thread_start start = *(thread_start *)argument;
  free(argument);
  counted = adopts = true;
  family = start.family;
  return start.body(start.argument);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, thread_body *body,
                   void *argument) {
  typedef int creator(pthread_t *, const pthread_attr_t *, thread_body *, void *);
  creator *create = (creator *)dlsym(RTLD_NEXT, "pthread_create");
  thread_start *start = adopts && inside_zeromq == 0 ? malloc(sizeof *start) : NULL;
  if (start == NULL) return create(thread, attributes, body, argument);
  *start = (thread_start){body, argument, own_family()};
  return create(thread, attributes, run_adopted, start);
}

// ---------------------------------------------------------------- ZeroMQ

// Calls that the path of a token makes, found before anything is counted.
#define ZEROMQ_CALLS(CALL)                                                               \
  CALL(zmq_msg_init_size, (void *message, size_t size), (message, size))                 \
  CALL(zmq_msg_send, (void *message, void *socket, int flags), (message, socket, flags)) \
  CALL(zmq_msg_recv, (void *message, void *socket, int flags), (message, socket, flags)) \
  CALL(zmq_msg_close, (void *message), (message))                                        \
  CALL(zmq_send, (void *socket, const void *bytes, size_t size, int flags),              \
       (socket, bytes, size, flags))                                                     \
  CALL(zmq_setsockopt, (void *socket, int option, const void *value, size_t size),       \
       (socket, option, value, size))

#define DECLARE(NAME, PARAMETERS, ARGUMENTS) static int(*real_##NAME) PARAMETERS;
#define FIND(NAME, PARAMETERS, ARGUMENTS) real_##NAME = (int(*) PARAMETERS)dlsym(RTLD_NEXT, #NAME);
#define FORWARD(NAME, PARAMETERS, ARGUMENTS) \
  int NAME PARAMETERS {                      \
    inside_zeromq++;                         \
    int result = real_##NAME ARGUMENTS;      \
    int code = errno;                        \
    inside_zeromq--;                         \
    errno = code;                            \
    return result;                           \
  }

ZEROMQ_CALLS(DECLARE)
__attribute__((constructor)) static void find_zeromq(void){ZEROMQ_CALLS(FIND)} ZEROMQ_CALLS(FORWARD)
#endif
