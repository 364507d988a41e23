// The C interface of libprotobuf-c 1.4.
#include <protobuf-c/protobuf-c.h>
