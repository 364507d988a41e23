// Sixteen lanes in plain C: the definition that the other vector headers must match bit for bit.
#include <math.h>
#include <string.h>

#define NAME "scalar"
#define TILE_PANELS 1   // panels of quantised weights that share a loaded activation
#define ROWS_ASIDE 1    // rows of activations that are multiplied in turns
#define FLOAT_LANES 16  // lanes of vf
#define FLOAT_TILE 2    // activation rows that share a loaded weight vector
#define SCORE_HEADS 2   // attention: heads × keys (or heads × value vectors) per register block
#define SCORE_KEYS 2
#define SCORE_LINES 1  // the same on int8 tiles: queries × panels, and queries of a value block
#define SCORE_PANELS 1
#define VALUE_LINES 1

typedef struct {
  _Alignas(64) float lane[16];
} v16f;
typedef struct {
  _Alignas(64) uint32_t lane[16];
} v16i;

#define EACH for (int i = 0; i < 16; i++)

INLINE v16f v_zero(void) { return (v16f){{0}}; }
INLINE v16f v_set1(float a) {
  v16f r;
  EACH r.lane[i] = a;
  return r;
}
INLINE v16f v_load(const float *p) {
  v16f r;
  memcpy(&r, p, sizeof r);
  return r;
}
INLINE void v_store(float *p, v16f a) { memcpy(p, &a, sizeof a); }
INLINE v16f v_load_part(const float *p, size_t count) {
  v16f r = v_zero();
  memcpy(&r, p, count * sizeof(float));
  return r;
}
INLINE void v_store_part(float *p, v16f a, size_t count) { memcpy(p, &a, count * sizeof(float)); }
INLINE v16f v_add(v16f a, v16f b) {
  EACH a.lane[i] += b.lane[i];
  return a;
}
INLINE v16f v_sub(v16f a, v16f b) {
  EACH a.lane[i] -= b.lane[i];
  return a;
}
INLINE v16f v_mul(v16f a, v16f b) {
  EACH a.lane[i] *= b.lane[i];
  return a;
}
INLINE v16f v_div(v16f a, v16f b) {
  EACH a.lane[i] /= b.lane[i];
  return a;
}
// a·b + c, rounded once.
INLINE v16f v_fma(v16f a, v16f b, v16f c) {
  EACH c.lane[i] = fmaf(a.lane[i], b.lane[i], c.lane[i]);
  return c;
}
// −a·b + c, rounded once.
INLINE v16f v_fnma(v16f a, v16f b, v16f c) {
  EACH c.lane[i] = fmaf(-a.lane[i], b.lane[i], c.lane[i]);
  return c;
}
// The larger, b where they are not ordered.
INLINE v16f v_max(v16f a, v16f b) {
  EACH a.lane[i] = a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i];
  return a;
}
INLINE v16f v_min(v16f a, v16f b) {
  EACH a.lane[i] = a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i];
  return a;
}
// Lanes where x < limit (never for NaN) become a, others b.
INLINE v16f v_select_less(v16f x, v16f limit, v16f a, v16f b) {
  EACH b.lane[i] = x.lane[i] < limit.lane[i] ? a.lane[i] : b.lane[i];
  return b;
}
// Whether a lane of x is not below that of the limit; NaN is never.
INLINE bool v_any_at_least(v16f x, v16f limit) {
  bool any = false;
  EACH any |= x.lane[i] >= limit.lane[i];
  return any;
}
INLINE v16f v_from_int(v16i a) {
  v16f r;
  EACH r.lane[i] = (float)(int32_t)a.lane[i];
  return r;
}
INLINE v16f v_from_bits(v16i a) {
  v16f r;
  memcpy(&r, &a, sizeof r);
  return r;
}
INLINE v16i v_bits(v16f a) {
  v16i r;
  memcpy(&r, &a, sizeof r);
  return r;
}
INLINE v16f v_load_half(const uint16_t *p) {
  v16f r;
  EACH r.lane[i] = ck_float_from_half(p[i]);
  return r;
}
// The fold of a sum: lane i += lane i + 8, then 4, 2, 1.
INLINE float v_fold(v16f a) {
  for (int width = 8; width > 0; width /= 2)
    for (int i = 0; i < width; i++) a.lane[i] += a.lane[i + width];
  return a.lane[0];
}
INLINE float v_fold_max(v16f a) {
  float r = a.lane[0];
  EACH r = a.lane[i] > r ? a.lane[i] : r;
  return r;
}

INLINE v16i i_set1(int32_t a) {
  v16i r;
  EACH r.lane[i] = (uint32_t)a;
  return r;
}
INLINE v16i i_load(const void *p) {
  v16i r;
  memcpy(&r, p, sizeof r);
  return r;
}

INLINE void i_store(void *p, v16i a) { memcpy(p, &a, sizeof a); }
// Stores the lanes where x >= limit in front of others, or all of them; returns how many may count.
// Sixteen are written.
INLINE size_t i_store_kept(int32_t *p, v16i a, v16f x, v16f limit) {
  (void)x, (void)limit;
  i_store(p, a);
  return 16;
}
INLINE v16i i_add(v16i a, v16i b) {
  EACH a.lane[i] += b.lane[i];
  return a;
}
INLINE v16i i_sub(v16i a, v16i b) {
  EACH a.lane[i] -= b.lane[i];
  return a;
}
INLINE v16i i_mul(v16i a, v16i b) {
  EACH a.lane[i] *= b.lane[i];
  return a;
}
INLINE v16i i_and(v16i a, v16i b) {
  EACH a.lane[i] &= b.lane[i];
  return a;
}
INLINE v16i i_or(v16i a, v16i b) {
  EACH a.lane[i] |= b.lane[i];
  return a;
}
INLINE v16i i_shl(v16i a, int n) {
  EACH a.lane[i] <<= n;
  return a;
}
INLINE v16i i_shr(v16i a, int n) {
  EACH a.lane[i] >>= n;
  return a;
}
INLINE v16i i_sar(v16i a, int n) {
  EACH a.lane[i] = (uint32_t)((int32_t)a.lane[i] >> n);
  return a;
}
// Sixteen halfwords widened to lanes.
INLINE v16i i_load_u16(const uint16_t *p) {
  v16i r;
  EACH r.lane[i] = p[i];
  return r;
}
// The low byte or halfword of each lane.
INLINE void i_store_s8(int8_t *p, v16i a) { EACH p[i] = (int8_t)a.lane[i]; }
INLINE void i_store_s16(int16_t *p, v16i a) { EACH p[i] = (int16_t)a.lane[i]; }
INLINE v16i i_load_s16(const int16_t *p) {
  v16i r;
  EACH r.lane[i] = (uint32_t)(int32_t)p[i];
  return r;
}

// Adds Σ code·x of four consecutive columns per group; codes are unsigned bytes below 2^bits.
INLINE v16i i_dot(v16i sum, const v16i *codes, const int8_t *x, int groups, int bits) {
  (void)bits;
  for (int g = 0; g < groups; g++)
    EACH for (int c = 0; c < 4; c++) sum.lane[i] +=
        (uint32_t)((int32_t)(codes[g].lane[i] >> 8 * c & 255) * x[4 * g + c]);
  return sum;
}

// Weight codes of 8 bits are stored plus 128; a variant may prefer them signed.
INLINE v16i wide_codes(v16i stored) { return stored; }
INLINE v16i wide_start(int32_t negative_sum) {
  return i_set1((int32_t)((uint32_t)negative_sum << 7));
}
INLINE v16i wide_begin(int32_t start) { return i_set1(start); }  // the same, from −128 · Σ codes
INLINE v16i wide_dot(v16i sum, const v16i *codes, const int8_t *x, int groups) {
  return i_dot(sum, codes, x, groups, 8);
}
// The sixteen values of IQ4 formats for nibbles in bytes, as `wide_codes` gives them.
INLINE v16i wide_lookup(v16i nibbles) {
  EACH {
    uint32_t value = 0;
    for (int c = 0; c < 4; c++)
      value |= (uint32_t)(uint8_t)(ck_iq4_values[nibbles.lane[i] >> 8 * c & 15] + 128) << 8 * c;
    nibbles.lane[i] = value;
  }
  return nibbles;
}

// Adds Σ code·x of four consecutive bytes per lane; codes are signed, x is 0 ... 127.
INLINE v16i weight_dot(v16i sum, v16i codes, const int8_t *x) {
  EACH for (int c = 0; c < 4; c++) sum.lane[i] +=
      (uint32_t)((int8_t)(codes.lane[i] >> 8 * c & 255) * x[c]);
  return sum;
}

// Sixteen columns of a tile, from groups of four columns (panels × 16 positions × 4) to columns
// side by side: 16 lanes × 16 columns × 4 panels in the order 0, 2, 1, 3; codes become signed.
INLINE void weave(const uint8_t *codes, size_t panel_bytes, int8_t *out) {
  static const size_t panels[4] = {0, 2, 1, 3};
  for (size_t lane = 0; lane < 16; lane++)
    for (size_t column = 0; column < 16; column++)
      for (size_t p = 0; p < 4; p++)
        out[64 * lane + 4 * column + p] =
            (int8_t)(codes[panels[p] * panel_bytes + 64 * (column / 4) + 4 * lane + column % 4] ^
                     0x80);
}

INLINE void store_halves(uint16_t *p, v16f a) { EACH p[i] = ck_half_from_float(a.lane[i]); }

#define float_from_half ck_float_from_half
#define half_from_float ck_half_from_float

// Σ of 16 codes; whether one of 32 is −128.
INLINE int32_t sum_of_16(const int8_t *x) {
  int32_t sum = 0;
  EACH sum += x[i];
  return sum;
}
INLINE bool has_least_code(const int8_t *x) {
  bool found = false;
  EACH found |= (x[i] == -128) | (x[i + 16] == -128);
  return found;
}

// Fewer lanes than a panel for float products, where registers are few.
typedef v16f vf;
#define vf_load v_load
#define vf_store v_store
#define vf_set1 v_set1
#define vf_fma v_fma
#define vf_load_half v_load_half
// Columns 2j and 2j + 1 of bfloat16 pairs.
INLINE vf vf_load_even(const uint32_t *p) { return v_from_bits(i_shl(i_load(p), 16)); }
INLINE vf vf_load_odd(const uint32_t *p) {
  return v_from_bits(i_and(i_load(p), i_set1((int32_t)0xffff0000)));
}

#undef EACH
