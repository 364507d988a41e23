// Reference dequantisation, straight from the table of block formats in the GGUF documentation.
//
// Evaluation order matters for equality with other engines: (d · scale) is rounded to float32
// first, then multiplied by the code; minimum products likewise, then subtracted.
#include <string.h>

#include "formats.h"
#pragma STDC FP_CONTRACT OFF

const int8_t ck_iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                  1,    13,   25,  38,  53,  69,  89,  113};

static float float_from_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

static uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  return bits;
}

float ck_float_from_half(uint16_t half) {
  uint32_t sign = (uint32_t)(half & 0x8000) << 16, rest = half & 0x7fff;
  if (rest >= 0x7c00) return float_from_bits(sign | 0x7f800000 | (rest & 0x3ff) << 13);
  if (rest >= 0x400) return float_from_bits(sign | ((rest << 13) + 0x38000000));
  float value = (float)rest * 0x1p-24f;  // subnormal: exact
  return sign != 0 ? -value : value;
}

uint16_t ck_half_from_float(float value) {
  uint32_t bits = bits_of(value), sign = bits >> 16 & 0x8000, rest = bits & 0x7fffffff;
  if (rest > 0x7f800000) return (uint16_t)(sign | 0x7e00);
  if (rest >= 0x477ff000) return (uint16_t)(sign | 0x7c00);  // rounds to infinity
  if (rest < 0x38800000) {  // subnormal: let float addition round at 2^-24
    float shifted = float_from_bits(rest) + 0.5f;
    return (uint16_t)(sign | (bits_of(shifted) - 0x3f000000));
  }
  uint32_t rounded = rest + 0xfff + (rest >> 13 & 1);
  return (uint16_t)(sign | (rounded - 0x38000000) >> 13);
}

static float half_at(const uint8_t *p) {
  uint16_t half;
  memcpy(&half, p, 2);
  return ck_float_from_half(half);
}

static uint32_t u32_at(const uint8_t *p) {
  uint32_t word;
  memcpy(&word, p, 4);
  return word;
}

// Nibble of element i of a block of 32: low nibbles first, then high ones.
static int nibble(const uint8_t *q, int i) { return i < 16 ? q[i] & 15 : q[i - 16] >> 4; }

static void decode_q4_0(const uint8_t *b, float *out) {
  float d = half_at(b);
  for (int i = 0; i < 32; i++) out[i] = d * (float)(nibble(b + 2, i) - 8);
}

static void decode_q4_1(const uint8_t *b, float *out) {
  float d = half_at(b), m = half_at(b + 2);
  for (int i = 0; i < 32; i++) out[i] = d * (float)nibble(b + 4, i) + m;
}

static void decode_q5_0(const uint8_t *b, float *out) {
  float d = half_at(b);
  uint32_t high = u32_at(b + 2);
  for (int i = 0; i < 32; i++)
    out[i] = d * (float)(nibble(b + 6, i) + 16 * (int)(high >> i & 1) - 16);
}

static void decode_q5_1(const uint8_t *b, float *out) {
  float d = half_at(b), m = half_at(b + 2);
  uint32_t high = u32_at(b + 4);
  for (int i = 0; i < 32; i++)
    out[i] = d * (float)(nibble(b + 8, i) + 16 * (int)(high >> i & 1)) + m;
}

static void decode_q8_0(const uint8_t *b, float *out) {
  float d = half_at(b);
  for (int i = 0; i < 32; i++) out[i] = d * (float)(int8_t)b[2 + i];
}

static void decode_q8_1(const uint8_t *b, float *out) {
  float d = half_at(b);
  for (int i = 0; i < 32; i++) out[i] = d * (float)(int8_t)b[4 + i];
}

static void decode_iq4_nl(const uint8_t *b, float *out) {
  float d = half_at(b);
  for (int i = 0; i < 32; i++) out[i] = d * (float)ck_iq4_values[nibble(b + 2, i)];
}

// Two bits of element i, shared by Q2_K and Q3_K.
static int crumb(const uint8_t *q, int i) {
  return q[32 * (i / 128) + i % 32] >> 2 * (i % 128 / 32) & 3;
}

static void decode_q2_k(const uint8_t *b, float *out) {
  float d = half_at(b + 80), dmin = half_at(b + 82);
  for (int i = 0; i < 256; i++) {
    int scale = b[i / 16];
    out[i] = d * (float)(scale & 15) * (float)crumb(b + 16, i) - dmin * (float)(scale >> 4);
  }
}

static void decode_q3_k(const uint8_t *b, float *out) {
  const uint8_t *s = b + 96;
  float d = half_at(b + 108);
  for (int i = 0; i < 256; i++) {
    int j = i / 16, low = j < 8 ? s[j] & 15 : s[j - 8] >> 4;
    int scale = low + 16 * (s[8 + j % 4] >> 2 * (j / 4) & 3) - 32;
    int code = crumb(b + 32, i) - (b[i % 32] >> i / 32 & 1 ? 0 : 4);
    out[i] = d * (float)scale * (float)code;
  }
}

// The 6-bit scale and minimum of sub-block j of Q4_K and Q5_K.
static void scale_and_minimum(const uint8_t *s, int j, int *scale, int *minimum) {
  if (j < 4) {
    *scale = s[j] & 63;
    *minimum = s[j + 4] & 63;
  } else {
    *scale = (s[j + 4] & 15) + 16 * (s[j - 4] >> 6);
    *minimum = (s[j + 4] >> 4) + 16 * (s[j] >> 6);
  }
}

// Q4_K and Q5_K: `high` is NULL, or holds the fifth bits.
static void decode_affine_k(const uint8_t *b, const uint8_t *high, const uint8_t *q, float *out) {
  float d = half_at(b), dmin = half_at(b + 2);
  for (int i = 0; i < 256; i++) {
    int scale, minimum, byte = q[32 * (i / 64) + i % 32];
    scale_and_minimum(b + 4, i / 32, &scale, &minimum);
    int code = i % 64 < 32 ? byte & 15 : byte >> 4;
    if (high != NULL) code += 16 * (high[i % 32] >> i / 32 & 1);
    out[i] = d * (float)scale * (float)code - dmin * (float)minimum;
  }
}

static void decode_q4_k(const uint8_t *b, float *out) { decode_affine_k(b, NULL, b + 16, out); }

static void decode_q5_k(const uint8_t *b, float *out) { decode_affine_k(b, b + 16, b + 48, out); }

static void decode_q6_k(const uint8_t *b, float *out) {
  float d = half_at(b + 208);
  for (int i = 0; i < 256; i++) {
    int g = i / 128, k = i % 128 / 32, l = i % 32;
    int byte = b[64 * g + l + 32 * (k & 1)], low = k < 2 ? byte & 15 : byte >> 4;
    int high = b[128 + 32 * g + l] >> 2 * k & 3;
    out[i] = d * (float)(int8_t)b[192 + i / 16] * (float)(low + 16 * high - 32);
  }
}

static void decode_q8_k(const uint8_t *b, float *out) {
  float d = float_from_bits(u32_at(b));
  for (int i = 0; i < 256; i++) out[i] = d * (float)(int8_t)b[4 + i];
}

static void decode_iq4_xs(const uint8_t *b, float *out) {
  float d = half_at(b);
  uint16_t high;
  memcpy(&high, b + 2, 2);
  for (int i = 0; i < 256; i++) {
    int j = i / 32, scale = (b[4 + j / 2] >> 4 * (j % 2) & 15) + 16 * (high >> 2 * j & 3);
    out[i] = d * (float)(scale - 32) * (float)ck_iq4_values[nibble(b + 8 + 16 * j, i % 32)];
  }
}

static float float_from_e4m3(uint8_t code) {
  uint32_t sign = (uint32_t)(code & 0x80) << 24, rest = code & 0x7f;
  if (rest == 0x7f) return float_from_bits(sign | 0x7fc00000);
  if (rest >= 8) return float_from_bits(sign | ((rest << 20) + 0x3c000000));
  return float_from_bits(sign | bits_of((float)rest * 0x1p-9f));
}

static void decode_f32(const uint8_t *raw, float *out) { memcpy(out, raw, 4); }

static void decode_f16(const uint8_t *raw, float *out) { *out = half_at(raw); }

static void decode_bf16(const uint8_t *raw, float *out) {
  *out = float_from_bits((uint32_t)raw[1] << 24 | (uint32_t)raw[0] << 16);
}

static void decode_f8_e4m3(const uint8_t *raw, float *out) { *out = float_from_e4m3(*raw); }

static void decode_blocks(void (*block)(const uint8_t *, float *), size_t elements, size_t bytes,
                          const uint8_t *raw, size_t count, float *out) {
  for (size_t b = 0; b < count / elements; b++) block(raw + b * bytes, out + b * elements);
}

bool ck_decode(uint32_t format, const uint8_t *raw, size_t count, float *out) {
  switch (format) {
#define CASE(format, function, elements)                                                \
  case format:                                                                          \
    decode_blocks(function, elements, ck_row_bytes(format, elements), raw, count, out); \
    return true;
    CASE(F32, decode_f32, 1)
    CASE(F16, decode_f16, 1)
    CASE(BF16, decode_bf16, 1)
    CASE(F8_E4M3, decode_f8_e4m3, 1)
    CASE(Q4_0, decode_q4_0, 32)
    CASE(Q4_1, decode_q4_1, 32)
    CASE(Q5_0, decode_q5_0, 32)
    CASE(Q5_1, decode_q5_1, 32)
    CASE(Q8_0, decode_q8_0, 32)
    CASE(Q8_1, decode_q8_1, 32)
    CASE(IQ4_NL, decode_iq4_nl, 32)
    CASE(Q2_K, decode_q2_k, 256)
    CASE(Q3_K, decode_q3_k, 256)
    CASE(Q4_K, decode_q4_k, 256)
    CASE(Q5_K, decode_q5_k, 256)
    CASE(Q6_K, decode_q6_k, 256)
    CASE(Q8_K, decode_q8_k, 256)
    CASE(IQ4_XS, decode_iq4_xs, 256)
#undef CASE
    default:
      return false;
  }
}
