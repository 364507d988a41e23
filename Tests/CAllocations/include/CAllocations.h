// Counts the heap allocations of chosen threads of a test process.
//
// It takes the place of malloc and its relatives in the whole process and passes every call on.
// Allocations that ZeroMQ makes within a call of ours are counted apart.
#ifndef CONCLAVE_ALLOCATIONS_H
#define CONCLAVE_ALLOCATIONS_H

#include <stdbool.h>
#include <stddef.h>

// Whether anything is counted: not under a sanitizer, which has a malloc of its own.
bool allocations_are_counted(void);

// Whether the calling thread is one of those that are counted.
void allocations_count_thread(bool counted);

// Whether threads that the calling thread starts are counted from then on, and those that they start.
void allocations_adopt_threads(bool adopts);

// Starts counting from zero, and ends it: the caller and what it adopted. With a name only threads of
// that name count.
void allocations_begin(const char *thread_name);
void allocations_end(size_t *own, size_t *zeromq);

#endif
