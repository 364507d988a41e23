// How a stored block is laid out, shared by packing, decoding and the kernels.
#pragma once
#include "CKernels.h"

// GGUF type numbers; F8_E4M3 has none there.
enum {
  F32 = 0,
  F16 = 1,
  Q4_0 = 2,
  Q4_1 = 3,
  Q5_0 = 6,
  Q5_1 = 7,
  Q8_0 = 8,
  Q8_1 = 9,
  Q2_K = 10,
  Q3_K = 11,
  Q4_K = 12,
  Q5_K = 13,
  Q6_K = 14,
  Q8_K = 15,
  IQ4_NL = 20,
  IQ4_XS = 23,
  BF16 = 30,
  F8_E4M3 = 1000
};

// The values of the nibbles of IQ4_NL and IQ4_XS.
extern const int8_t ck_iq4_values[16];
