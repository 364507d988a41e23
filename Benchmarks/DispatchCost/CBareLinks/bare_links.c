#define _GNU_SOURCE
#include "bare_links.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

static unsigned long long nanoseconds(clockid_t clock) {
  struct timespec time;
  if (clock_gettime(clock, &time) != 0) return 0;
  return (unsigned long long)time.tv_sec * 1000000000ULL + (unsigned long long)time.tv_nsec;
}

unsigned long long bare_process_time(int pid) {
  clockid_t clock;
  return clock_getcpuclockid(pid, &clock) == 0 ? nanoseconds(clock) : 0;
}

unsigned long long bare_thread_time(void) { return nanoseconds(CLOCK_THREAD_CPUTIME_ID); }

// ZeroMQ

struct bare_zeromq {
  void *context, *socket;
  char peer[64];
  int peer_size;
};

struct bare_zeromq *bare_zeromq_listen(int *port) {
  struct bare_zeromq *link = calloc(1, sizeof *link);
  if (!link) return NULL;
  link->context = zmq_ctx_new();
  link->socket = zmq_socket(link->context, ZMQ_ROUTER);
  char endpoint[64];
  size_t size = sizeof endpoint;
  if (!link->socket || zmq_bind(link->socket, "tcp://127.0.0.1:*") != 0 ||
      zmq_getsockopt(link->socket, ZMQ_LAST_ENDPOINT, endpoint, &size) != 0) {
    bare_zeromq_close(link);
    return NULL;
  }
  *port = atoi(strrchr(endpoint, ':') + 1);
  return link;
}

void bare_zeromq_close(struct bare_zeromq *link) {
  int linger = 0;
  if (link->socket) {
    zmq_setsockopt(link->socket, ZMQ_LINGER, &linger, sizeof linger);
    zmq_close(link->socket);
  }
  zmq_ctx_term(link->context);
  free(link);
}


// Receives a whole message into `frames`, at most 4; returns how many.
static int receive(void *socket, zmq_msg_t *frames) {
  int count = 0;
  do {
    if (count == 4) return -1;
    zmq_msg_init(frames + count);
    while (zmq_msg_recv(frames + count, socket, 0) < 0)
      if (errno != EINTR) return -1;
    count++;
  } while (zmq_msg_more(frames + count - 1));
  return count;
}

static void discard(zmq_msg_t *frames, int count) {
  for (int index = 0; index < count; index++) zmq_msg_close(frames + index);
}

static int send_frames(void *socket, const size_t *sizes, const struct bare_sizes *ask) {
  for (int index = 0; index < 3; index++) {
    zmq_msg_t frame;
    if (zmq_msg_init_size(&frame, sizes[index]) != 0) return -1;
    memset(zmq_msg_data(&frame), 1, sizes[index]);
    if (index == 0 && ask) memcpy(zmq_msg_data(&frame), ask->answer, sizeof ask->answer);
    if (zmq_msg_send(&frame, socket, index < 2 ? ZMQ_SNDMORE : 0) < 0) return -1;
  }
  return 0;
}

int bare_zeromq_ask(struct bare_zeromq *link, const struct bare_sizes *sizes) {
  zmq_msg_t frames[4];
  if (link->peer_size == 0) {  // the other side says that it is there
    int count = receive(link->socket, frames);
    if (count < 1) return -1;
    link->peer_size = (int)zmq_msg_size(&frames[0]);
    if ((size_t)link->peer_size > sizeof link->peer) return -1;
    memcpy(link->peer, zmq_msg_data(&frames[0]), (size_t)link->peer_size);
    discard(frames, count);
  }
  if (zmq_send(link->socket, link->peer, (size_t)link->peer_size, ZMQ_SNDMORE) < 0) return -1;
  if (send_frames(link->socket, sizes->question, sizes) != 0) return -1;
  int count = receive(link->socket, frames);
  if (count < 0) return -1;
  discard(frames, count);
  return 0;
}

int bare_zeromq_answer(int port) {
  void *context = zmq_ctx_new();
  void *socket = zmq_socket(context, ZMQ_DEALER);
  char endpoint[64];
  snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%d", port);
  if (!socket || zmq_connect(socket, endpoint) != 0 || zmq_send(socket, "", 0, 0) < 0) return -1;
  zmq_msg_t frames[4];
  for (;;) {
    int count = receive(socket, frames);
    if (count < 0) return -1;
    size_t sizes[3];
    memcpy(sizes, zmq_msg_data(&frames[0]), sizeof sizes);
    discard(frames, count);
    if (send_frames(socket, sizes, NULL) != 0) return -1;
  }
}

// TCP

struct tcp_head {
  uint64_t question, answer;  // bytes, this head included in both
  uint64_t spins;
};

static size_t total(const size_t *sizes) { return sizes[0] + sizes[1] + sizes[2]; }

static void send_at_once(int descriptor) {
  int on = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

int bare_tcp_listen(int *port) {
  int descriptor = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  if (descriptor < 0 || bind(descriptor, (struct sockaddr *)&address, size) != 0 ||
      listen(descriptor, 4) != 0 ||
      getsockname(descriptor, (struct sockaddr *)&address, &size) != 0)
    return -1;
  *port = ntohs(address.sin_port);
  return descriptor;
}

int bare_tcp_accept(int listener) {
  int descriptor = accept(listener, NULL, NULL);
  if (descriptor >= 0) send_at_once(descriptor);
  return descriptor;
}

// Reads exactly `size` bytes, polling for up to `spin` nanoseconds (all the time: -1) before it sleeps.
static int read_all(int descriptor, char *bytes, size_t size, long long spin) {
  unsigned long long start = nanoseconds(CLOCK_MONOTONIC);
  while (size > 0) {
    int polls = spin < 0 || (long long)(nanoseconds(CLOCK_MONOTONIC) - start) < spin;
    ssize_t count = recv(descriptor, bytes, size, polls ? MSG_DONTWAIT : 0);
    if (count > 0) {
      bytes += count;
      size -= (size_t)count;
    } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
      return -1;
    }
  }
  return 0;
}

static int write_all(int descriptor, const char *bytes, size_t size) {
  while (size > 0) {
    ssize_t count = send(descriptor, bytes, size, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return -1;
    bytes += count;
    size -= (size_t)count;
  }
  return 0;
}

enum { most = 1 << 22 };

int bare_tcp_ask(int descriptor, const struct bare_sizes *sizes, int spins) {
  static char bytes[most];
  size_t question = total(sizes->question), answer = total(sizes->answer);
  if (question < sizeof(struct tcp_head) || question > most || answer > most) return -1;
  struct tcp_head head = {question, answer, (uint64_t)spins};
  memcpy(bytes, &head, sizeof head);
  if (write_all(descriptor, bytes, question) != 0) return -1;
  return read_all(descriptor, bytes, answer, spins ? -1 : 0);
}

int bare_tcp_answer(int port) {
  int descriptor = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  char *bytes = calloc(1, most);
  if (descriptor < 0 || !bytes || connect(descriptor, (struct sockaddr *)&address, sizeof address) != 0)
    return -1;
  send_at_once(descriptor);
  long long spin = 0;
  for (;;) {
    struct tcp_head head;
    if (read_all(descriptor, (char *)&head, sizeof head, spin) != 0 || head.question > most ||
        head.question < sizeof head || head.answer > most)
      break;
    spin = head.spins ? 2000000 : 0;
    if (read_all(descriptor, bytes, head.question - sizeof head, spin) != 0) break;
    if (write_all(descriptor, bytes, head.answer) != 0) break;
  }
  close(descriptor);
  free(bytes);
  return -1;
}
