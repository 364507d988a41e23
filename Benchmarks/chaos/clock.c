// A wall clock that jumps, for one process and what it starts:
//
//     cc -shared -fPIC -O2 -o clock.so clock.c -ldl
//     CLOCK_FILE=offset LD_PRELOAD=./clock.so conclave ...
//
// CLOCK_FILE holds a double, seconds that are added to the time of day; whoever writes another one there
// makes the clock jump. Monotonic clocks are left alone, as by an administrator or a time server. Waits
// until a time of day end when that time has come by the clock as it was when they began. (libfaketime
// changes the environment before main, which hides the arguments from Swift programs.)
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile double *offset;

__attribute__((constructor)) static void start(void) {
  const char *path = getenv("CLOCK_FILE");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *place = mmap(0, sizeof(double), PROT_READ, MAP_SHARED, file, 0);
  if (place != MAP_FAILED) offset = place;
  close(file);
}

static void shift(struct timespec *time, double seconds) {
  long long nanoseconds = time->tv_nsec + (long long)(seconds * 1e9);
  long long whole = nanoseconds / 1000000000;
  nanoseconds -= whole * 1000000000;
  if (nanoseconds < 0) nanoseconds += 1000000000, whole -= 1;
  time->tv_sec += whole;
  time->tv_nsec = nanoseconds;
}

static double now(void) { return offset ? *offset : 0; }

int clock_gettime(clockid_t clock, struct timespec *time) {
  int result = syscall(SYS_clock_gettime, clock, time);
  if (!result && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) shift(time, now());
  return result;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
  struct timespec precise;
  if (clock_gettime(CLOCK_REALTIME, &precise)) return -1;
  if (time) *time = (struct timeval){precise.tv_sec, precise.tv_nsec / 1000};
  return 0;
}

time_t time(time_t *place) {
  struct timespec precise;
  clock_gettime(CLOCK_REALTIME, &precise);
  if (place) *place = precise.tv_sec;
  return precise.tv_sec;
}

// The kernel's clock does not jump: a deadline by the other one is translated. One by the monotonic clock,
// which counts from the start of the machine, is far from any time of day.
static struct timespec translate(const struct timespec *deadline) {
  struct timespec result = *deadline;
  if (result.tv_sec > 1000000000) shift(&result, -now());
  return result;
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict deadline) {
  static int (*next)(sem_t *, const struct timespec *);
  if (!next) next = dlsym(RTLD_NEXT, "sem_timedwait");
  struct timespec real = translate(deadline);
  return next(semaphore, &real);
}

int pthread_cond_timedwait(
    pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
    const struct timespec *restrict deadline) {
  static int (*next)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
  if (!next) next = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
  if (!next) next = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
  struct timespec real = translate(deadline);
  return next(condition, mutex, &real);
}
