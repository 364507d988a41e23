// Sixteen lanes in two AVX2 registers.

#define NAME "avx2"
#define TILE_PANELS 1  // panels of quantised weights that share a loaded activation
#define ROWS_ASIDE 1   // rows of activations that are multiplied in turns
#define FLOAT_LANES 8
#define FLOAT_TILE 2
#define SCORE_HEADS 2
#define SCORE_KEYS 2
#define SCORE_LINES 2
#define SCORE_PANELS 1
#define VALUE_LINES 1

typedef struct {
  __m256 a, b;
} v16f;
typedef struct {
  __m256i a, b;
} v16i;

#define V(x, y) ((v16f){x, y})
#define I(x, y) ((v16i){x, y})

INLINE __m256i part(size_t count) {
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)count), lanes);
}
INLINE size_t beyond8(size_t count) { return count > 8 ? count - 8 : 0; }

INLINE v16f v_zero(void) { return V(_mm256_setzero_ps(), _mm256_setzero_ps()); }
INLINE v16f v_set1(float x) { return V(_mm256_set1_ps(x), _mm256_set1_ps(x)); }
INLINE v16f v_load(const float *p) { return V(_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)); }
INLINE void v_store(float *p, v16f x) {
  _mm256_storeu_ps(p, x.a);
  _mm256_storeu_ps(p + 8, x.b);
}
INLINE v16f v_load_part(const float *p, size_t n) {
  return V(_mm256_maskload_ps(p, part(n)), _mm256_maskload_ps(p + 8, part(beyond8(n))));
}
INLINE void v_store_part(float *p, v16f x, size_t n) {
  _mm256_maskstore_ps(p, part(n), x.a);
  _mm256_maskstore_ps(p + 8, part(beyond8(n)), x.b);
}
INLINE v16f v_add(v16f x, v16f y) { return V(_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)); }
INLINE v16f v_sub(v16f x, v16f y) { return V(_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)); }
INLINE v16f v_mul(v16f x, v16f y) { return V(_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)); }
INLINE v16f v_div(v16f x, v16f y) { return V(_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)); }
INLINE v16f v_fma(v16f x, v16f y, v16f z) {
  return V(_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b));
}
INLINE v16f v_fnma(v16f x, v16f y, v16f z) {
  return V(_mm256_fnmadd_ps(x.a, y.a, z.a), _mm256_fnmadd_ps(x.b, y.b, z.b));
}
INLINE v16f v_max(v16f x, v16f y) { return V(_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)); }
INLINE v16f v_min(v16f x, v16f y) { return V(_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)); }
INLINE v16f v_select_less(v16f x, v16f limit, v16f y, v16f z) {
  return V(_mm256_blendv_ps(z.a, y.a, _mm256_cmp_ps(x.a, limit.a, _CMP_LT_OQ)),
           _mm256_blendv_ps(z.b, y.b, _mm256_cmp_ps(x.b, limit.b, _CMP_LT_OQ)));
}
INLINE bool v_any_at_least(v16f x, v16f limit) {
  return _mm256_movemask_ps(_mm256_or_ps(_mm256_cmp_ps(x.a, limit.a, _CMP_GE_OQ),
                                         _mm256_cmp_ps(x.b, limit.b, _CMP_GE_OQ))) != 0;
}
INLINE v16f v_from_int(v16i x) { return V(_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)); }
INLINE v16f v_from_bits(v16i x) { return V(_mm256_castsi256_ps(x.a), _mm256_castsi256_ps(x.b)); }
INLINE v16i v_bits(v16f x) { return I(_mm256_castps_si256(x.a), _mm256_castps_si256(x.b)); }
INLINE v16f v_load_half(const uint16_t *p) {
  return V(_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)),
           _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p + 8))));
}
INLINE float v_fold(v16f x) {
  __m256 by8 = _mm256_add_ps(x.a, x.b);
  __m128 by4 = _mm_add_ps(_mm256_castps256_ps128(by8), _mm256_extractf128_ps(by8, 1));
  __m128 by2 = _mm_add_ps(by4, _mm_movehl_ps(by4, by4));
  return _mm_cvtss_f32(_mm_add_ss(by2, _mm_movehdup_ps(by2)));
}
INLINE float v_fold_max(v16f x) {
  __m256 by8 = _mm256_max_ps(x.a, x.b);
  __m128 by4 = _mm_max_ps(_mm256_castps256_ps128(by8), _mm256_extractf128_ps(by8, 1));
  __m128 by2 = _mm_max_ps(by4, _mm_movehl_ps(by4, by4));
  return _mm_cvtss_f32(_mm_max_ss(by2, _mm_movehdup_ps(by2)));
}

INLINE v16i i_set1(int32_t x) { return I(_mm256_set1_epi32(x), _mm256_set1_epi32(x)); }
INLINE v16i i_load(const void *p) {
  const __m256i *v = p;
  return I(_mm256_loadu_si256(v), _mm256_loadu_si256(v + 1));
}
INLINE void i_store(void *p, v16i x) {
  __m256i *v = p;
  _mm256_storeu_si256(v, x.a);
  _mm256_storeu_si256(v + 1, x.b);
}
INLINE size_t i_store_kept(int32_t *p, v16i a, v16f x, v16f limit) {
  (void)x, (void)limit;
  i_store(p, a);
  return 16;
}
INLINE v16i i_add(v16i x, v16i y) {
  return I(_mm256_add_epi32(x.a, y.a), _mm256_add_epi32(x.b, y.b));
}
INLINE v16i i_sub(v16i x, v16i y) {
  return I(_mm256_sub_epi32(x.a, y.a), _mm256_sub_epi32(x.b, y.b));
}
INLINE v16i i_mul(v16i x, v16i y) {
  return I(_mm256_mullo_epi32(x.a, y.a), _mm256_mullo_epi32(x.b, y.b));
}
INLINE v16i i_and(v16i x, v16i y) {
  return I(_mm256_and_si256(x.a, y.a), _mm256_and_si256(x.b, y.b));
}
INLINE v16i i_or(v16i x, v16i y) { return I(_mm256_or_si256(x.a, y.a), _mm256_or_si256(x.b, y.b)); }
INLINE v16i i_shl(v16i x, int n) { return I(_mm256_slli_epi32(x.a, n), _mm256_slli_epi32(x.b, n)); }
INLINE v16i i_shr(v16i x, int n) { return I(_mm256_srli_epi32(x.a, n), _mm256_srli_epi32(x.b, n)); }
INLINE v16i i_sar(v16i x, int n) { return I(_mm256_srai_epi32(x.a, n), _mm256_srai_epi32(x.b, n)); }
INLINE v16i i_load_u16(const uint16_t *p) {
  return I(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p)),
           _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(p + 8))));
}
INLINE v16i i_load_s16(const int16_t *p) {
  return I(_mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i *)p)),
           _mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i *)(p + 8))));
}
// Lanes to halfwords; every value fits.
INLINE __m256i narrowed(v16i x) {
  return _mm256_permute4x64_epi64(_mm256_packs_epi32(x.a, x.b), 0xd8);
}
INLINE void i_store_s16(int16_t *p, v16i x) { _mm256_storeu_si256((__m256i *)p, narrowed(x)); }
INLINE void i_store_s8(int8_t *p, v16i x) {
  __m256i halves = narrowed(x);
  __m128i bytes =
      _mm_packs_epi16(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1));
  _mm_storeu_si128((__m128i *)p, bytes);
}

INLINE __m256i broadcast4(const int8_t *x) {
  int32_t four;
  memcpy(&four, x, 4);
  return _mm256_set1_epi32(four);
}

// maddubs adds pairs of products in 16 bits; `room` of them fit before they must be widened:
// 8 · 2 · 15 · 127 < 2^15, 4 · 2 · 31 · 127 < 2^15, 2 · 2 · 63 · 127 < 2^15.
INLINE v16i i_dot(v16i sum, const v16i *codes, const int8_t *x, int groups, int bits) {
  const int room = bits <= 4 ? 8 : bits == 5 ? 4 : 2;
  const __m256i ones = _mm256_set1_epi16(1);
  for (int g = 0; g < groups; g += room) {
    __m256i xs = broadcast4(x + 4 * g);
    __m256i a = _mm256_maddubs_epi16(codes[g].a, xs), b = _mm256_maddubs_epi16(codes[g].b, xs);
    for (int i = 1; i < room && g + i < groups; i++) {
      xs = broadcast4(x + 4 * (g + i));
      a = _mm256_add_epi16(a, _mm256_maddubs_epi16(codes[g + i].a, xs));
      b = _mm256_add_epi16(b, _mm256_maddubs_epi16(codes[g + i].b, xs));
    }
    sum.a = _mm256_add_epi32(sum.a, _mm256_madd_epi16(a, ones));
    sum.b = _mm256_add_epi32(sum.b, _mm256_madd_epi16(b, ones));
  }
  return sum;
}

// 8-bit codes are used signed: |w| · sign(w)·x, whose pairs reach 2 · 128 · 127 < 2^15. That is
// right for w = −128 too, since |w| is read as unsigned and x is never −128.
INLINE v16i wide_codes(v16i stored) {
  const __m256i sign = _mm256_set1_epi8((char)0x80);
  return I(_mm256_xor_si256(stored.a, sign), _mm256_xor_si256(stored.b, sign));
}
INLINE v16i wide_start(int32_t negative_sum) {
  (void)negative_sum;
  return i_set1(0);
}
INLINE v16i wide_begin(int32_t start) { return wide_start(start); }
INLINE v16i wide_dot(v16i sum, const v16i *codes, const int8_t *x, int groups) {
  const __m256i ones = _mm256_set1_epi16(1);
  for (int g = 0; g < groups; g++) {
    __m256i xs = broadcast4(x + 4 * g), a = codes[g].a, b = codes[g].b;
    __m256i as = _mm256_maddubs_epi16(_mm256_abs_epi8(a), _mm256_sign_epi8(xs, a));
    __m256i bs = _mm256_maddubs_epi16(_mm256_abs_epi8(b), _mm256_sign_epi8(xs, b));
    sum.a = _mm256_add_epi32(sum.a, _mm256_madd_epi16(as, ones));
    sum.b = _mm256_add_epi32(sum.b, _mm256_madd_epi16(bs, ones));
  }
  return sum;
}
INLINE v16i wide_lookup(v16i nibbles) {
  __m256i values = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)ck_iq4_values));
  return I(_mm256_shuffle_epi8(values, nibbles.a), _mm256_shuffle_epi8(values, nibbles.b));
}

// Pairs reach 2 · 127 · 128 < 2^15.
INLINE v16i weight_dot(v16i sum, v16i codes, const int8_t *x) {
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i xs = broadcast4(x);
  __m256i a = _mm256_maddubs_epi16(xs, codes.a), b = _mm256_maddubs_epi16(xs, codes.b);
  sum.a = _mm256_add_epi32(sum.a, _mm256_madd_epi16(a, ones));
  sum.b = _mm256_add_epi32(sum.b, _mm256_madd_epi16(b, ones));
  return sum;
}

INLINE void weave(const uint8_t *codes, size_t panel_bytes, int8_t *out) {
  const __m128i sign = _mm_set1_epi8((char)0x80);
  for (int g = 0; g < 4; g++)
    for (int k = 0; k < 4; k++) {  // four lanes × four columns
      __m128i p[4], r[4];
      for (size_t i = 0; i < 4; i++)
        p[i] = _mm_loadu_si128((const __m128i *)(codes + i * panel_bytes + 64 * g + 16 * k));
      __m128i ac = _mm_unpacklo_epi8(p[0], p[2]), bd = _mm_unpacklo_epi8(p[1], p[3]);
      __m128i ac2 = _mm_unpackhi_epi8(p[0], p[2]), bd2 = _mm_unpackhi_epi8(p[1], p[3]);
      r[0] = _mm_unpacklo_epi16(ac, bd);
      r[1] = _mm_unpackhi_epi16(ac, bd);
      r[2] = _mm_unpacklo_epi16(ac2, bd2);
      r[3] = _mm_unpackhi_epi16(ac2, bd2);
      for (int i = 0; i < 4; i++)
        _mm_storeu_si128((__m128i *)(out + 64 * (4 * k + i) + 16 * g), _mm_xor_si128(r[i], sign));
    }
}

INLINE void store_halves(uint16_t *p, v16f x) {
  _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(x.a, _MM_FROUND_TO_NEAREST_INT));
  _mm_storeu_si128((__m128i *)(p + 8), _mm256_cvtps_ph(x.b, _MM_FROUND_TO_NEAREST_INT));
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

typedef __m256 vf;
INLINE vf vf_load(const float *p) { return _mm256_loadu_ps(p); }
INLINE void vf_store(float *p, vf x) { _mm256_storeu_ps(p, x); }
INLINE vf vf_set1(float x) { return _mm256_set1_ps(x); }
INLINE vf vf_fma(vf x, vf y, vf z) { return _mm256_fmadd_ps(x, y, z); }
INLINE vf vf_load_half(const uint16_t *p) {
  return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}
INLINE vf vf_load_even(const uint32_t *p) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_loadu_si256((const __m256i *)p), 16));
}
INLINE vf vf_load_odd(const uint32_t *p) {
  __m256i pair = _mm256_loadu_si256((const __m256i *)p);
  return _mm256_castsi256_ps(_mm256_and_si256(pair, _mm256_set1_epi32((int)0xffff0000)));
}
