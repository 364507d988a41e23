// Sixteen lanes in four Arm NEON registers; integer dots by SDOT where DOT_PRODUCT is defined.

#define TILE_PANELS 1  // panels of quantised weights that share a loaded activation
#define ROWS_ASIDE 1   // rows of activations that are multiplied in turns
#define FLOAT_LANES 4
#define FLOAT_TILE 6
#define SCORE_HEADS 2
#define SCORE_KEYS 2
#define SCORE_LINES 2
#define SCORE_PANELS 1
#define VALUE_LINES 1

typedef struct {
  float32x4_t q[4];
} v16f;
typedef struct {
  uint32x4_t q[4];
} v16i;

#define EACH for (int i = 0; i < 4; i++)

INLINE v16f v_set1(float x) {
  v16f r;
  EACH r.q[i] = vdupq_n_f32(x);
  return r;
}
INLINE v16f v_zero(void) { return v_set1(0); }
INLINE v16f v_load(const float *p) {
  v16f r;
  EACH r.q[i] = vld1q_f32(p + 4 * i);
  return r;
}
INLINE void v_store(float *p, v16f x) { EACH vst1q_f32(p + 4 * i, x.q[i]); }
INLINE v16f v_load_part(const float *p, size_t n) {
  float padded[16] = {0};
  memcpy(padded, p, n * sizeof(float));
  return v_load(padded);
}
INLINE void v_store_part(float *p, v16f x, size_t n) {
  float whole[16];
  v_store(whole, x);
  memcpy(p, whole, n * sizeof(float));
}
INLINE v16f v_add(v16f x, v16f y) {
  EACH x.q[i] = vaddq_f32(x.q[i], y.q[i]);
  return x;
}
INLINE v16f v_sub(v16f x, v16f y) {
  EACH x.q[i] = vsubq_f32(x.q[i], y.q[i]);
  return x;
}
INLINE v16f v_mul(v16f x, v16f y) {
  EACH x.q[i] = vmulq_f32(x.q[i], y.q[i]);
  return x;
}
INLINE v16f v_div(v16f x, v16f y) {
  EACH x.q[i] = vdivq_f32(x.q[i], y.q[i]);
  return x;
}
INLINE v16f v_fma(v16f x, v16f y, v16f z) {
  EACH z.q[i] = vfmaq_f32(z.q[i], x.q[i], y.q[i]);
  return z;
}
INLINE v16f v_fnma(v16f x, v16f y, v16f z) {
  EACH z.q[i] = vfmsq_f32(z.q[i], x.q[i], y.q[i]);
  return z;
}
// Comparisons and selection: vmaxq would treat NaN and zeros in its own way.
INLINE v16f v_max(v16f x, v16f y) {
  EACH x.q[i] = vbslq_f32(vcgtq_f32(x.q[i], y.q[i]), x.q[i], y.q[i]);
  return x;
}
INLINE v16f v_min(v16f x, v16f y) {
  EACH x.q[i] = vbslq_f32(vcltq_f32(x.q[i], y.q[i]), x.q[i], y.q[i]);
  return x;
}
INLINE v16f v_select_less(v16f x, v16f limit, v16f y, v16f z) {
  EACH z.q[i] = vbslq_f32(vcltq_f32(x.q[i], limit.q[i]), y.q[i], z.q[i]);
  return z;
}
INLINE bool v_any_at_least(v16f x, v16f limit) {
  uint32x4_t any = vcgeq_f32(x.q[0], limit.q[0]);
  for (int i = 1; i < 4; i++) any = vorrq_u32(any, vcgeq_f32(x.q[i], limit.q[i]));
  return vmaxvq_u32(any) != 0;
}
INLINE v16f v_from_int(v16i x) {
  v16f r;
  EACH r.q[i] = vcvtq_f32_s32(vreinterpretq_s32_u32(x.q[i]));
  return r;
}
INLINE v16f v_from_bits(v16i x) {
  v16f r;
  EACH r.q[i] = vreinterpretq_f32_u32(x.q[i]);
  return r;
}
INLINE v16i v_bits(v16f x) {
  v16i r;
  EACH r.q[i] = vreinterpretq_u32_f32(x.q[i]);
  return r;
}
INLINE float32x4_t load_four_halves(const uint16_t *p) {
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}
INLINE v16f v_load_half(const uint16_t *p) {
  v16f r;
  EACH r.q[i] = load_four_halves(p + 4 * i);
  return r;
}
INLINE float v_fold(v16f x) {
  float32x4_t low = vaddq_f32(x.q[0], x.q[2]), high = vaddq_f32(x.q[1], x.q[3]);
  float32x4_t by4 = vaddq_f32(low, high);
  float32x2_t by2 = vadd_f32(vget_low_f32(by4), vget_high_f32(by4));
  return vget_lane_f32(by2, 0) + vget_lane_f32(by2, 1);
}
INLINE float v_fold_max(v16f x) {
  float lane[16], r;
  v_store(lane, x);
  r = lane[0];
  for (int i = 1; i < 16; i++) r = lane[i] > r ? lane[i] : r;
  return r;
}

INLINE v16i i_set1(int32_t x) {
  v16i r;
  EACH r.q[i] = vdupq_n_u32((uint32_t)x);
  return r;
}
INLINE v16i i_load(const void *p) {
  v16i r;
  EACH r.q[i] = vreinterpretq_u32_u8(vld1q_u8((const uint8_t *)p + 16 * i));
  return r;
}
INLINE void i_store(void *p, v16i x) {
  EACH vst1q_u8((uint8_t *)p + 16 * i, vreinterpretq_u8_u32(x.q[i]));
}
INLINE size_t i_store_kept(int32_t *p, v16i a, v16f x, v16f limit) {
  (void)x, (void)limit;
  i_store(p, a);
  return 16;
}
INLINE v16i i_add(v16i x, v16i y) {
  EACH x.q[i] = vaddq_u32(x.q[i], y.q[i]);
  return x;
}
INLINE v16i i_sub(v16i x, v16i y) {
  EACH x.q[i] = vsubq_u32(x.q[i], y.q[i]);
  return x;
}
INLINE v16i i_mul(v16i x, v16i y) {
  EACH x.q[i] = vmulq_u32(x.q[i], y.q[i]);
  return x;
}
INLINE v16i i_and(v16i x, v16i y) {
  EACH x.q[i] = vandq_u32(x.q[i], y.q[i]);
  return x;
}
INLINE v16i i_or(v16i x, v16i y) {
  EACH x.q[i] = vorrq_u32(x.q[i], y.q[i]);
  return x;
}
INLINE v16i i_shl(v16i x, int n) {
  EACH x.q[i] = vshlq_u32(x.q[i], vdupq_n_s32(n));
  return x;
}
INLINE v16i i_shr(v16i x, int n) {
  EACH x.q[i] = vshlq_u32(x.q[i], vdupq_n_s32(-n));
  return x;
}
INLINE v16i i_sar(v16i x, int n) {
  EACH {
    int32x4_t moved = vshlq_s32(vreinterpretq_s32_u32(x.q[i]), vdupq_n_s32(-n));
    x.q[i] = vreinterpretq_u32_s32(moved);
  }
  return x;
}
INLINE v16i i_load_u16(const uint16_t *p) {
  v16i r;
  EACH r.q[i] = vmovl_u16(vld1_u16(p + 4 * i));
  return r;
}
INLINE v16i i_load_s16(const int16_t *p) {
  v16i r;
  EACH r.q[i] = vreinterpretq_u32_s32(vmovl_s16(vld1_s16(p + 4 * i)));
  return r;
}
INLINE void i_store_s16(int16_t *p, v16i x) {
  EACH vst1_s16(p + 4 * i, vreinterpret_s16_u16(vmovn_u32(x.q[i])));
}
INLINE void i_store_s8(int8_t *p, v16i x) {
  for (int i = 0; i < 4; i += 2) {
    uint16x8_t halves = vcombine_u16(vmovn_u32(x.q[i]), vmovn_u32(x.q[i + 1]));
    vst1_s8(p + 4 * i, vreinterpret_s8_u8(vmovn_u16(halves)));
  }
}

// Adds the four products of each 32-bit lane.
INLINE int32x4_t dot4(int32x4_t sum, int8x16_t a, int8x16_t b) {
#ifdef DOT_PRODUCT
  return vdotq_s32(sum, a, b);
#else
  int16x8_t low = vmull_s8(vget_low_s8(a), vget_low_s8(b));
  int16x8_t high = vmull_s8(vget_high_s8(a), vget_high_s8(b));
  return vaddq_s32(sum, vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)));
#endif
}

// Codes below 64 are the same signed and unsigned.
INLINE v16i i_dot(v16i sum, const v16i *codes, const int8_t *x, int groups, int bits) {
  (void)bits;
  for (int g = 0; g < groups; g++) {
    int32_t four;
    memcpy(&four, x + 4 * g, 4);
    int8x16_t xs = vreinterpretq_s8_s32(vdupq_n_s32(four));
    EACH sum.q[i] = vreinterpretq_u32_s32(
        dot4(vreinterpretq_s32_u32(sum.q[i]), vreinterpretq_s8_u32(codes[g].q[i]), xs));
  }
  return sum;
}

INLINE v16i wide_codes(v16i stored) {
  EACH stored.q[i] = veorq_u32(stored.q[i], vdupq_n_u32(0x80808080));
  return stored;
}
INLINE v16i wide_start(int32_t negative_sum) {
  (void)negative_sum;
  return i_set1(0);
}
INLINE v16i wide_begin(int32_t start) { return wide_start(start); }
INLINE v16i wide_dot(v16i sum, const v16i *codes, const int8_t *x, int groups) {
  return i_dot(sum, codes, x, groups, 8);
}
INLINE v16i wide_lookup(v16i nibbles) {
  int8x16_t values = vld1q_s8(ck_iq4_values);
  EACH nibbles.q[i] = vreinterpretq_u32_s8(vqtbl1q_s8(values, vreinterpretq_u8_u32(nibbles.q[i])));
  return nibbles;
}

INLINE v16i weight_dot(v16i sum, v16i codes, const int8_t *x) {
  return i_dot(sum, &codes, x, 1, 8);
}

INLINE void weave(const uint8_t *codes, size_t panel_bytes, int8_t *out) {
  const uint8x16_t sign = vdupq_n_u8(0x80);
  for (int g = 0; g < 4; g++)
    for (int k = 0; k < 4; k++) {  // four lanes × four columns
      uint8x16_t p[4];
      for (size_t i = 0; i < 4; i++)
        p[i] = veorq_u8(vld1q_u8(codes + i * panel_bytes + 64 * g + 16 * k), sign);
      uint8x16x2_t ac = vzipq_u8(p[0], p[2]), bd = vzipq_u8(p[1], p[3]);
      for (int half = 0; half < 2; half++) {
        uint16x8x2_t r =
            vzipq_u16(vreinterpretq_u16_u8(ac.val[half]), vreinterpretq_u16_u8(bd.val[half]));
        for (int i = 0; i < 2; i++)
          vst1q_s8(out + 64 * (4 * k + 2 * half + i) + 16 * g, vreinterpretq_s8_u16(r.val[i]));
      }
    }
}

INLINE void store_halves(uint16_t *p, v16f x) {
  EACH vst1_u16(p + 4 * i, vreinterpret_u16_f16(vcvt_f16_f32(x.q[i])));
}

#define float_from_half ck_float_from_half
#define half_from_float ck_half_from_float

INLINE int32_t sum_of_16(const int8_t *x) { return vaddlvq_s8(vld1q_s8(x)); }
INLINE bool has_least_code(const int8_t *x) {
  return vminvq_s8(vminq_s8(vld1q_s8(x), vld1q_s8(x + 16))) == -128;
}

typedef float32x4_t vf;
INLINE vf vf_load(const float *p) { return vld1q_f32(p); }
INLINE void vf_store(float *p, vf x) { vst1q_f32(p, x); }
INLINE vf vf_set1(float x) { return vdupq_n_f32(x); }
INLINE vf vf_fma(vf x, vf y, vf z) { return vfmaq_f32(z, x, y); }
#define vf_load_half load_four_halves
INLINE vf vf_load_even(const uint32_t *p) {
  return vreinterpretq_f32_u32(vshlq_n_u32(vld1q_u32(p), 16));
}
INLINE vf vf_load_odd(const uint32_t *p) {
  return vreinterpretq_f32_u32(vandq_u32(vld1q_u32(p), vdupq_n_u32(0xffff0000)));
}

#undef EACH
