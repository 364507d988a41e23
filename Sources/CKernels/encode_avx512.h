// Several blocks of activations encoded together: a lane is a block wherever one number is left of
// it. Every block gets the operations, and so the bits, of `encode_int8`.

INLINE void encode_blocks(const float *x, size_t count, int8_t *codes, uint16_t *scales) {
  v16f most[16], squares[16], products[16];
  for (size_t i = 0; i < 16; i++) most[i] = squares[i] = products[i] = v_zero();
  for (size_t i = 0; i < count; i++) {
    v16f a = v_load(x + CK_BLOCK * i), b = v_load(x + CK_BLOCK * i + STEP);
    most[i] = v_max(magnitude(a), v_max(magnitude(b), v_zero()));
  }
  v16f largest = _mm512_div_ps(v_fold_max_16(most), v_set1(127.0f));
  __m256i first = _mm512_cvtps_ph(largest, _MM_FROUND_TO_NEAREST_INT);
  first = _mm256_min_epu16(first, _mm256_set1_epi16(0x7bff));
  __mmask16 none = _mm256_cmpeq_epi16_mask(first, _mm256_setzero_si256());
  v16f inverse = _mm512_maskz_div_ps((__mmask16)~none, v_set1(1.0f), _mm512_cvtph_ps(first));
  _Alignas(64) float inverses[16];
  v_store(inverses, inverse);
  for (size_t i = 0; i < count; i++) {
    v16f a = v_load(x + CK_BLOCK * i), b = v_load(x + CK_BLOCK * i + STEP);
    v16f factor = v_set1(inverses[i]);
    v16i codes_a = nearest(clamp(v_mul(a, factor), 127.0f));
    v16i codes_b = nearest(clamp(v_mul(b, factor), 127.0f));
    i_store_s8(codes + CK_BLOCK * i, codes_a);
    i_store_s8(codes + CK_BLOCK * i + STEP, codes_b);
    v16f ca = v_from_int(codes_a), cb = v_from_int(codes_b);
    squares[i] = v_fma(ca, ca, v_mul(cb, cb));
    products[i] = v_fma(a, ca, v_mul(b, cb));
  }
  // As in `refit_scale`.
  v16f square = v_fold_16(squares);
  v16f refit = _mm512_div_ps(v_fold_16(products), square);
  __m256i best = _mm512_cvtps_ph(refit, _MM_FROUND_TO_NEAREST_INT);
  __mmask16 keeps = none | _mm256_cmpeq_epi16_mask(first, _mm256_set1_epi16(0x7bff)) |
                    _mm512_cmp_ps_mask(square, v_zero(), _CMP_EQ_OQ) |
                    _mm256_cmpge_epu16_mask(best, _mm256_set1_epi16(0x7c00));
  __m256i halves = _mm256_mask_blend_epi16(keeps, best, first);
  _mm256_mask_storeu_epi16(scales, (__mmask16)((1u << count) - 1), halves);
}
