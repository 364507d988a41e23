// What happens to rows between matrix products; included once per instruction set.
//
// A row is walked sixteen floats at a time; the last step is padded with zeros, in every variant
// alike. Sums have sixteen lanes by index mod 16.

enum { STEP = CK_LANES };

INLINE size_t least(size_t a, size_t b) { return a < b ? a : b; }

// `for` over the steps of a row: `at` is the index, `n` the floats of this step.
#define EACH_STEP(columns) \
  for (size_t at = 0, n; at < (columns) && (n = least(STEP, (columns)-at)); at += STEP)

INLINE v16f load_step(const float *p, size_t n) {
  return n == STEP ? v_load(p) : v_load_part(p, n);
}

INLINE void store_step(float *p, v16f a, size_t n) {
  if (n == STEP)
    v_store(p, a);
  else
    v_store_part(p, a, n);
}

// ---------------------------------------------------------------- the exponential

// 1.5 · 2^23: adding it rounds a float of small magnitude to the nearest integer, ties to even,
// and leaves that integer in the low bits.
#define ROUNDER 12582912.0f

INLINE v16f power_of_two(v16i exponent) {
  return v_from_bits(i_shl(i_add(exponent, i_set1(127)), 23));
}

// e^x = 2^n · e^r with n = round(x / ln 2), |r| ≤ ln 2 / 2; e^r by a polynomial of degree 7 whose
// coefficients are those of Taylor's series, which is good to 2^-27 on that interval.
typedef struct exponential_parts {
  v16i n;
  v16f power;  // e^r
} exponential_parts;

INLINE exponential_parts v_exp_parts(v16f x) {
  v16f shifted = v_fma(x, v_set1(0x1.715476p+0f), v_set1(ROUNDER));
  v16i n = i_sub(v_bits(shifted), v_bits(v_set1(ROUNDER)));
  v16f whole = v_sub(shifted, v_set1(ROUNDER));
  v16f r = v_fnma(whole, v_set1(0x1.62e4p-1f), x);
  r = v_fnma(whole, v_set1(0x1.7f7d1cp-20f), r);
  v16f p = v_set1(0x1.a01a02p-13f);
  p = v_fma(p, r, v_set1(0x1.6c16c2p-10f));
  p = v_fma(p, r, v_set1(0x1.111112p-7f));
  p = v_fma(p, r, v_set1(0x1.555556p-5f));
  p = v_fma(p, r, v_set1(0x1.555556p-3f));
  p = v_fma(p, r, v_set1(0.5f));
  p = v_fma(p, v_mul(r, r), r);
  return (exponential_parts){n, v_add(p, v_set1(1.0f))};
}

// e^x within 1.5 units in the last place; 0 below −87.3 (no subnormal results), ∞ above 88.7.
INLINE v16f v_exp(v16f x) {
  exponential_parts parts = v_exp_parts(x);
  v16i half = i_sar(parts.n, 1);  // in two steps, since 2^128 is no float
  v16f p = v_mul(v_mul(parts.power, power_of_two(half)), power_of_two(i_sub(parts.n, half)));
  p = v_select_less(x, v_set1(-0x1.5d58ap+6f), v_zero(), p);
  return v_select_less(v_set1(0x1.62e42ep+6f), x, v_set1(__builtin_inff()), p);
}

INLINE v16f v_sigmoid(v16f x) {
  const v16f one = v_set1(1.0f);
  return v_div(one, v_add(one, v_exp(v_sub(v_zero(), x))));
}

// z / (1 + e^−z)
INLINE v16f v_silu(v16f z) { return v_div(z, v_add(v_set1(1.0f), v_exp(v_sub(v_zero(), z)))); }

static void exponential(float *x, size_t columns) {
  EACH_STEP(columns) store_step(x + at, v_exp(load_step(x + at, n)), n);
}

static void sigmoid(float *x, size_t columns) {
  EACH_STEP(columns) store_step(x + at, v_sigmoid(load_step(x + at, n)), n);
}

static void silu_multiply(const float *gate, const float *up, size_t columns, float *out) {
  EACH_STEP(columns) {
    v16f product = v_mul(v_silu(load_step(gate + at, n)), load_step(up + at, n));
    store_step(out + at, product, n);
  }
}

// ---------------------------------------------------------------- sums, norms, softmax

static void add(float *sum, const float *x, size_t columns) {
  EACH_STEP(columns) store_step(sum + at, v_add(load_step(sum + at, n), load_step(x + at, n)), n);
}

static void add_scaled(float *sum, float scale, const float *x, size_t columns) {
  EACH_STEP(columns) {
    v16f total = v_fma(v_set1(scale), load_step(x + at, n), load_step(sum + at, n));
    store_step(sum + at, total, n);
  }
}

static void multiply(float *x, float scale, size_t columns) {
  EACH_STEP(columns) store_step(x + at, v_mul(load_step(x + at, n), v_set1(scale)), n);
}

static float dot(const float *a, const float *b, size_t columns) {
  v16f sum = v_zero();
  EACH_STEP(columns) sum = v_fma(load_step(a + at, n), load_step(b + at, n), sum);
  return v_fold(sum);
}

static void rms_norm(const float *x, const float *weight, size_t columns, float epsilon,
                     float *out) {
  float mean = dot(x, x, columns) / (float)columns;
  v16f factor = v_set1(1.0f / __builtin_sqrtf(mean + epsilon));
  EACH_STEP(columns) {
    v16f scaled = v_mul(load_step(x + at, n), factor);
    store_step(out + at, v_mul(scaled, load_step(weight + at, n)), n);
  }
}

// The largest element; −∞ when none is ordered.
static float row_maximum(const float *x, size_t columns) {
  v16f most = v_set1(-__builtin_inff());
  float rest = -__builtin_inff();
  size_t whole = columns / STEP * STEP;
  for (size_t at = 0; at < whole; at += STEP) most = v_max(v_load(x + at), most);
  for (size_t at = whole; at < columns; at++) rest = x[at] > rest ? x[at] : rest;
  float folded = v_fold_max(most);
  return rest > folded ? rest : folded;
}

static void softmax(float *x, size_t columns) {
  v16f most = v_set1(row_maximum(x, columns)), sum = v_zero();
  EACH_STEP(columns) {
    v16f power = v_exp(v_sub(load_step(x + at, n), most));
    store_step(x + at, power, n);
    sum = v_add(sum, load_step(x + at, n));
  }
  multiply(x, 1.0f / v_fold(sum), columns);
}

// Index of the largest element, the lowest on ties; 0 when none is ordered.
static size_t argmax(const float *x, size_t columns) {
  float most = row_maximum(x, columns);
  for (size_t i = 0; i < columns; i++)
    if (x[i] == most) return i;
  return 0;
}

// ---------------------------------------------------------------- rotary positions

static void rotate_interleaved(float *x, const float *cosines, const float *sines, size_t pairs) {
  for (size_t j = 0; j < pairs; j++) {
    float a = x[2 * j], b = x[2 * j + 1], c = cosines[j], s = sines[j];
    float bs = b * s, as = a * s;
    x[2 * j] = __builtin_fmaf(a, c, -bs);
    x[2 * j + 1] = __builtin_fmaf(b, c, as);
  }
}

static void rotate_halves(float *x, const float *cosines, const float *sines, size_t pairs) {
  for (size_t j = 0; j < pairs; j++) {
    float a = x[j], b = x[j + pairs], c = cosines[j], s = sines[j];
    float bs = b * s, as = a * s;
    x[j] = __builtin_fmaf(a, c, -bs);
    x[j + pairs] = __builtin_fmaf(b, c, as);
  }
}

// ---------------------------------------------------------------- activation formats

INLINE v16f magnitude(v16f a) { return v_from_bits(i_and(v_bits(a), i_set1(0x7fffffff))); }

// Nearest integers, ties to even, of floats whose magnitude is below 2^22.
INLINE v16i nearest(v16f a) {
  return i_sub(v_bits(v_add(a, v_set1(ROUNDER))), v_bits(v_set1(ROUNDER)));
}

INLINE v16f clamp(v16f a, float limit) { return v_min(v_max(a, v_set1(-limit)), v_set1(limit)); }

// The scale under which fixed codes come closest to the values (least squares), as a half; the
// first scale where that is no finite half.
static uint16_t refit_scale(v16f a, v16f b, v16i codes_a, v16i codes_b, uint16_t first) {
  v16f ca = v_from_int(codes_a), cb = v_from_int(codes_b);
  float square = v_fold(v_fma(ca, ca, v_mul(cb, cb)));
  if (first == 0 || first == 0x7bff || square == 0) return first;
  uint16_t best = half_from_float(v_fold(v_fma(a, ca, v_mul(b, cb))) / square);
  return best < 0x7c00 ? best : first;
}

#ifdef FOLDS_SIXTEEN
#include "encode_avx512.h"
#endif

static void encode_int8(const float *x, size_t columns, int8_t *codes, uint16_t *scales) {
  size_t at = 0;
#ifdef FOLDS_SIXTEEN
  for (; at + 16 * CK_BLOCK <= columns; at += 16 * CK_BLOCK)
    encode_blocks(x + at, 16, codes + at, scales + at / CK_BLOCK);
  for (; at + 4 * CK_BLOCK <= columns; at += 4 * CK_BLOCK)
    encode_blocks(x + at, 4, codes + at, scales + at / CK_BLOCK);
#endif
  for (; at < columns; at += CK_BLOCK) {
    v16f a = v_load(x + at), b = v_load(x + at + STEP);
    float most = v_fold_max(v_max(magnitude(a), v_max(magnitude(b), v_zero())));
    uint16_t half = half_from_float(most / 127.0f);
    if (half >= 0x7c00) half = 0x7bff;  // 65504: codes are clamped
    float scale = float_from_half(half);
    v16f inverse = v_set1(half == 0 ? 0.0f : 1.0f / scale);
    v16i codes_a = nearest(clamp(v_mul(a, inverse), 127.0f));
    v16i codes_b = nearest(clamp(v_mul(b, inverse), 127.0f));
    i_store_s8(codes + at, codes_a);
    i_store_s8(codes + at + STEP, codes_b);
    scales[at / CK_BLOCK] = refit_scale(a, b, codes_a, codes_b, half);
  }
}

static bool derive_blocks(const int8_t *codes, const uint16_t *scales, size_t columns,
                          ck_block *blocks) {
  bool valid = true;
  for (size_t b = 0; b < columns / CK_BLOCK; b++) {
    const int8_t *x = codes + CK_BLOCK * b;
    int32_t first = sum_of_16(x), all = first + sum_of_16(x + 16);
    float scale = float_from_half(scales[b]);
    valid &= !has_least_code(x) && (scales[b] & 0x7c00) != 0x7c00;
    blocks[b] = (ck_block){scale, scale * (float)all, -all, -first};
  }
  return valid;
}

// Up to 32 floats of a reply block, padded with zeros.
INLINE v16f load_reply(const float *x, size_t at, size_t columns) {
  return at >= columns ? v_zero() : load_step(x + at, least(STEP, columns - at));
}

static void encode_int16(const float *x, size_t columns, int16_t *codes, float *scales) {
  for (size_t at = 0; at < columns; at += CK_BLOCK) {
    v16f a = load_reply(x, at, columns), b = load_reply(x, at + STEP, columns);
    float scale = v_fold_max(v_max(magnitude(a), v_max(magnitude(b), v_zero()))) / 32767.0f;
    v16f divisor = v_set1(scale);
    if (scale == 0) a = b = v_zero(), divisor = v_set1(1.0f);
    i_store_s16(codes + at, nearest(clamp(v_div(a, divisor), 32767.0f)));
    i_store_s16(codes + at + STEP, nearest(clamp(v_div(b, divisor), 32767.0f)));
    scales[at / CK_BLOCK] = scale;
  }
}

static void add_int16(const int16_t *codes, const float *scales, size_t columns, float *sum) {
  EACH_STEP(columns) {
    v16f x = v_mul(v_from_int(i_load_s16(codes + at)), v_set1(scales[at / CK_BLOCK]));
    store_step(sum + at, v_add(load_step(sum + at, n), x), n);
  }
}

static void encode_half(const float *x, size_t columns, uint16_t *halves) {
  EACH_STEP(columns) {
    uint16_t step[STEP];
    store_halves(step, clamp(load_step(x + at, n), 65504));
    memcpy(halves + at, step, n * sizeof(uint16_t));
  }
}
