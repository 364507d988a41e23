// What the kernel has for waiting precisely, which the module of the C library leaves out.
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
