// Round trips without anything around them: what a call over the same connections costs at least.
//
// Every function returns 0, or -1 when the connection failed.
#pragma once
#include <stddef.h>

/// Bytes of each frame of a question and of its answer; frames of a connection without frames are
/// sent as one piece.
struct bare_sizes {
  size_t question[3], answer[3];
};

/// The asking side: listens at a port that it chooses.
struct bare_zeromq;
struct bare_zeromq *bare_zeromq_listen(int *port);
/// Asks once, by a ROUTER socket, and blocks until the answer is here.
int bare_zeromq_ask(struct bare_zeromq *link, const struct bare_sizes *sizes);
void bare_zeromq_close(struct bare_zeromq *link);
/// The answering side: a DEALER socket, until the other side closes or asks for nothing.
int bare_zeromq_answer(int port);

/// Listens at a port that it chooses; returns a descriptor.
int bare_tcp_listen(int *port);
/// Takes the next connection.
int bare_tcp_accept(int listener);
/// Asks once and waits for the answer; `spins` is whether both sides poll instead of sleeping.
int bare_tcp_ask(int descriptor, const struct bare_sizes *sizes, int spins);
/// Connects and answers until the other side closes; sleeps when nothing came for 2 ms.
int bare_tcp_answer(int port);

/// Processor time of a process, in nanoseconds; 0 when it cannot be told.
unsigned long long bare_process_time(int pid);
unsigned long long bare_thread_time(void);
