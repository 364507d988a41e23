// The C interface of libzmq 4.3.
#include <zmq.h>

// In the library since 4.3.0, in the stable part of the header only later.
#ifndef ZMQ_ZAP_ENFORCE_DOMAIN
#define ZMQ_ZAP_ENFORCE_DOMAIN 93
#endif
