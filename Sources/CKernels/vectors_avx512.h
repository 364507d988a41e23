// Sixteen lanes in one AVX-512 register; integer dots by VNNI.

#define NAME "avx512"
#define TILE_PANELS 2  // panels of quantised weights that share a loaded activation
#define ROWS_ASIDE 2   // rows of activations that are multiplied in turns
#define FLOAT_LANES 16
#define FLOAT_TILE 6
#define SCORE_HEADS 4
#define SCORE_KEYS 4
#define SCORE_LINES 4
#define SCORE_PANELS 2
#define VALUE_LINES 4

typedef __m512 v16f;
typedef __m512i v16i;

INLINE __mmask16 part(size_t count) { return (__mmask16)((1u << count) - 1); }

INLINE v16f v_zero(void) { return _mm512_setzero_ps(); }
INLINE v16f v_set1(float a) { return _mm512_set1_ps(a); }
INLINE v16f v_load(const float *p) { return _mm512_loadu_ps(p); }
INLINE void v_store(float *p, v16f a) { _mm512_storeu_ps(p, a); }
INLINE v16f v_load_part(const float *p, size_t n) { return _mm512_maskz_loadu_ps(part(n), p); }
INLINE void v_store_part(float *p, v16f a, size_t n) { _mm512_mask_storeu_ps(p, part(n), a); }
INLINE v16f v_add(v16f a, v16f b) { return _mm512_add_ps(a, b); }
INLINE v16f v_sub(v16f a, v16f b) { return _mm512_sub_ps(a, b); }
INLINE v16f v_mul(v16f a, v16f b) { return _mm512_mul_ps(a, b); }
INLINE v16f v_div(v16f a, v16f b) { return _mm512_div_ps(a, b); }
INLINE v16f v_fma(v16f a, v16f b, v16f c) { return _mm512_fmadd_ps(a, b, c); }
INLINE v16f v_fnma(v16f a, v16f b, v16f c) { return _mm512_fnmadd_ps(a, b, c); }
INLINE v16f v_max(v16f a, v16f b) { return _mm512_max_ps(a, b); }
INLINE v16f v_min(v16f a, v16f b) { return _mm512_min_ps(a, b); }
INLINE v16f v_select_less(v16f x, v16f limit, v16f a, v16f b) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, limit, _CMP_LT_OQ), b, a);
}
INLINE bool v_any_at_least(v16f x, v16f limit) {
  return _mm512_cmp_ps_mask(x, limit, _CMP_GE_OQ) != 0;
}
INLINE v16f v_from_int(v16i a) { return _mm512_cvtepi32_ps(a); }
INLINE v16f v_from_bits(v16i a) { return _mm512_castsi512_ps(a); }
INLINE v16i v_bits(v16f a) { return _mm512_castps_si512(a); }
INLINE v16f v_load_half(const uint16_t *p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}
INLINE float v_fold(v16f a) {
  __m256 by8 = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
  __m128 by4 = _mm_add_ps(_mm256_castps256_ps128(by8), _mm256_extractf128_ps(by8, 1));
  __m128 by2 = _mm_add_ps(by4, _mm_movehl_ps(by4, by4));
  return _mm_cvtss_f32(_mm_add_ss(by2, _mm_movehdup_ps(by2)));
}

// Sixteen folds at once, each with the additions of `v_fold`: vectors are halved in pairs, and lane
// i is the sum of vector i.
#define FOLDS_SIXTEEN
INLINE v16f fold_16(const v16f *a, v16f (*join)(v16f, v16f)) {
  v16f by_4[4];
  for (size_t i = 0; i < 4; i++) {
    v16f x = join(_mm512_shuffle_f32x4(a[i], a[i + 4], 0x44),
                  _mm512_shuffle_f32x4(a[i], a[i + 4], 0xee));
    v16f y = join(_mm512_shuffle_f32x4(a[i + 8], a[i + 12], 0x44),
                  _mm512_shuffle_f32x4(a[i + 8], a[i + 12], 0xee));
    by_4[i] = join(_mm512_shuffle_f32x4(x, y, 0x88), _mm512_shuffle_f32x4(x, y, 0xdd));
  }
  v16f by_2[2];
  for (size_t i = 0; i < 2; i++) {
    __m512d x = _mm512_castps_pd(by_4[2 * i]), y = _mm512_castps_pd(by_4[2 * i + 1]);
    by_2[i] = join(_mm512_castpd_ps(_mm512_unpacklo_pd(x, y)),
                   _mm512_castpd_ps(_mm512_unpackhi_pd(x, y)));
  }
  return join(_mm512_shuffle_ps(by_2[0], by_2[1], 0x88), _mm512_shuffle_ps(by_2[0], by_2[1], 0xdd));
}
INLINE v16f v_fold_16(const v16f *a) { return fold_16(a, v_add); }
INLINE v16f v_fold_max_16(const v16f *a) { return fold_16(a, v_max); }
// Four lanes to each of four places.
INLINE void store_quarters(float *p, size_t stride, v16f a) {
  _mm_storeu_ps(p, _mm512_castps512_ps128(a));
  _mm_storeu_ps(p + stride, _mm512_extractf32x4_ps(a, 1));
  _mm_storeu_ps(p + 2 * stride, _mm512_extractf32x4_ps(a, 2));
  _mm_storeu_ps(p + 3 * stride, _mm512_extractf32x4_ps(a, 3));
}
INLINE float v_fold_max(v16f a) {
  __m256 by8 = _mm256_max_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
  __m128 by4 = _mm_max_ps(_mm256_castps256_ps128(by8), _mm256_extractf128_ps(by8, 1));
  __m128 by2 = _mm_max_ps(by4, _mm_movehl_ps(by4, by4));
  return _mm_cvtss_f32(_mm_max_ss(by2, _mm_movehdup_ps(by2)));
}

INLINE v16i i_set1(int32_t a) { return _mm512_set1_epi32(a); }
INLINE v16i i_load(const void *p) { return _mm512_loadu_si512(p); }
INLINE void i_store(void *p, v16i a) { _mm512_storeu_si512(p, a); }
INLINE size_t i_store_kept(int32_t *p, v16i a, v16f x, v16f limit) {
  __mmask16 kept = _mm512_cmp_ps_mask(x, limit, _CMP_GE_OQ);
  _mm512_storeu_si512(p, _mm512_maskz_compress_epi32(kept, a));
  return (size_t)__builtin_popcount(kept);
}
INLINE v16i i_add(v16i a, v16i b) { return _mm512_add_epi32(a, b); }
INLINE v16i i_sub(v16i a, v16i b) { return _mm512_sub_epi32(a, b); }
INLINE v16i i_mul(v16i a, v16i b) { return _mm512_mullo_epi32(a, b); }
INLINE v16i i_and(v16i a, v16i b) { return _mm512_and_si512(a, b); }
INLINE v16i i_or(v16i a, v16i b) { return _mm512_or_si512(a, b); }
INLINE v16i i_shl(v16i a, int n) { return _mm512_slli_epi32(a, (unsigned)n); }
INLINE v16i i_shr(v16i a, int n) { return _mm512_srli_epi32(a, (unsigned)n); }
INLINE v16i i_sar(v16i a, int n) { return _mm512_srai_epi32(a, (unsigned)n); }
INLINE v16i i_load_u16(const uint16_t *p) {
  return _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
}
INLINE v16i i_load_s16(const int16_t *p) {
  return _mm512_cvtepi16_epi32(_mm256_loadu_si256((const __m256i *)p));
}
INLINE void i_store_s8(int8_t *p, v16i a) {
  _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(a));
}
INLINE void i_store_s16(int16_t *p, v16i a) {
  _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16(a));
}

INLINE v16i i_dot(v16i sum, const v16i *codes, const int8_t *x, int groups, int bits) {
  (void)bits;
  for (int g = 0; g < groups; g++) {
    int32_t four;
    memcpy(&four, x + 4 * g, 4);
    sum = _mm512_dpbusd_epi32(sum, codes[g], _mm512_set1_epi32(four));
  }
  return sum;
}

INLINE v16i wide_codes(v16i stored) { return stored; }
INLINE v16i wide_start(int32_t negative_sum) { return i_shl(i_set1(negative_sum), 7); }
INLINE v16i wide_begin(int32_t start) { return i_set1(start); }
INLINE v16i wide_dot(v16i sum, const v16i *codes, const int8_t *x, int groups) {
  return i_dot(sum, codes, x, groups, 8);
}
INLINE v16i wide_lookup(v16i nibbles) {
  __m128i values = _mm_loadu_si128((const __m128i *)ck_iq4_values);
  __m512i table = _mm512_broadcast_i32x4(_mm_xor_si128(values, _mm_set1_epi8((char)0x80)));
  return _mm512_shuffle_epi8(table, nibbles);
}

INLINE v16i weight_dot(v16i sum, v16i codes, const int8_t *x) {
  int32_t four;
  memcpy(&four, x, 4);
  return _mm512_dpbusd_epi32(sum, _mm512_set1_epi32(four), codes);
}

INLINE void weave(const uint8_t *codes, size_t panel_bytes, int8_t *out) {
  __m512i parts[4][4];  // by lane mod 4, by group of columns: lanes of a quarter × 4 columns
  for (int g = 0; g < 4; g++) {
    const uint8_t *p = codes + 64 * g;
    __m512i a = i_load(p), b = i_load(p + panel_bytes);
    __m512i c = i_load(p + 2 * panel_bytes), d = i_load(p + 3 * panel_bytes);
    __m512i ac = _mm512_unpacklo_epi8(a, c), bd = _mm512_unpacklo_epi8(b, d);
    __m512i ac2 = _mm512_unpackhi_epi8(a, c), bd2 = _mm512_unpackhi_epi8(b, d);
    parts[0][g] = _mm512_unpacklo_epi16(ac, bd);
    parts[1][g] = _mm512_unpackhi_epi16(ac, bd);
    parts[2][g] = _mm512_unpacklo_epi16(ac2, bd2);
    parts[3][g] = _mm512_unpackhi_epi16(ac2, bd2);
  }
  const __m512i sign = _mm512_set1_epi8((char)0x80);
  for (int r = 0; r < 4; r++) {
    __m512i *p = parts[r];
    __m512i low01 = _mm512_shuffle_i32x4(p[0], p[1], 0x44);
    __m512i high01 = _mm512_shuffle_i32x4(p[0], p[1], 0xee);
    __m512i low23 = _mm512_shuffle_i32x4(p[2], p[3], 0x44);
    __m512i high23 = _mm512_shuffle_i32x4(p[2], p[3], 0xee);
    __m512i lanes[4] = {
        _mm512_shuffle_i32x4(low01, low23, 0x88), _mm512_shuffle_i32x4(low01, low23, 0xdd),
        _mm512_shuffle_i32x4(high01, high23, 0x88), _mm512_shuffle_i32x4(high01, high23, 0xdd)};
    for (int k = 0; k < 4; k++) i_store(out + 64 * (4 * k + r), _mm512_xor_si512(lanes[k], sign));
  }
}

INLINE void store_halves(uint16_t *p, v16f a) {
  _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT));
}

INLINE float float_from_half(uint16_t half) { return _cvtsh_ss(half); }
INLINE uint16_t half_from_float(float x) {
  return (uint16_t)_cvtss_sh(x, _MM_FROUND_TO_NEAREST_INT);
}

// Σ of 16 codes, as bytes plus 128; whether one of 32 is −128.
INLINE int32_t sum_of_16(const int8_t *x) {
  __m128i bytes = _mm_xor_si128(_mm_loadu_si128((const __m128i *)x), _mm_set1_epi8((char)0x80));
  __m128i sums = _mm_sad_epu8(bytes, _mm_setzero_si128());
  return _mm_cvtsi128_si32(sums) + _mm_extract_epi16(sums, 4) - 16 * 128;
}
INLINE bool has_least_code(const int8_t *x) {
  __m256i codes = _mm256_loadu_si256((const __m256i *)x);
  return _mm256_movemask_epi8(_mm256_cmpeq_epi8(codes, _mm256_set1_epi8((char)0x80))) != 0;
}

typedef v16f vf;
#define vf_load v_load
#define vf_store v_store
#define vf_set1 v_set1
#define vf_fma v_fma
#define vf_load_half v_load_half
INLINE vf vf_load_even(const uint32_t *p) { return v_from_bits(i_shl(i_load(p), 16)); }
INLINE vf vf_load_odd(const uint32_t *p) {
  return v_from_bits(i_and(i_load(p), i_set1((int32_t)0xffff0000)));
}
