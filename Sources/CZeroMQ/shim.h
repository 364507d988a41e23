// The C interface of libzmq 4.3.
#include <zmq.h>
