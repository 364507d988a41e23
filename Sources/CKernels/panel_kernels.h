// Matrix products on panels; included once per instruction set, after its vector header.
//
// Every quantised kernel walks the columns in blocks of 32. A block's weight codes are brought to
// registers once (`codes`, eight groups of four columns) and used for all rows of the tile; each
// row then gets
//
//   acc = fma(float(Σ code·x), scale · x.scale, acc)        exact integer dot, one rounding each
//   acc = fma(−minimum, x.scaled_sum, acc)                  formats with a minimum
//
// so a row's result does not depend on the tile it was in. A tile of one row keeps its
// accumulator in a register: that is decoding, bound by memory.

enum {
  GROUPS = 8,
  PREFETCH_NEAR = 4096,  // ahead of a single row, to the first-level cache
  PREFETCH_FAR = 12288   // ahead of tiles of several rows, to the second-level cache
};

#define NIBBLES i_set1(0x0f0f0f0f)
INLINE v16i low_nibbles(v16i word) { return i_and(word, NIBBLES); }
INLINE v16i high_nibbles(v16i word) { return i_and(i_shr(word, 4), NIBBLES); }

INLINE const uint8_t *word_at(const uint8_t *words, size_t index) { return words + 64 * index; }
INLINE v16i load_word(const uint8_t *words, size_t index) { return i_load(word_at(words, index)); }
INLINE v16f load_halves(const uint8_t *halves) { return v_load_half((const uint16_t *)halves); }

// Start of block `index` of a format with one half (two blocks share a line of halves).
typedef struct single_place {
  const uint8_t *halves, *words;
} single_place;

INLINE single_place single_at(const uint8_t *panel, size_t index, size_t words) {
  const uint8_t *pair = panel + index / 2 * (64 + 2 * 64 * words);
  return (single_place){pair + index % 2 * 32, pair + 64 + index % 2 * 64 * words};
}

// Asks for a later part of the panel. Processors see a stream of lines by themselves only while it
// is read strictly in order, one line after another; the formats of 256 read words twice, and the
// tiles of several rows work on a block for long. From memory, two threads of Zen 5 read Q4_K at 31
// GB/s without and 47 with (Q5_K 25 and 47, Q6_K 39 and 49; plain reading: 50).
INLINE void prefetch(const uint8_t *from, size_t lines, size_t count) {
  for (size_t line = 0; line < lines; line++)
    if (count == 1)
      __builtin_prefetch(from + PREFETCH_NEAR + 64 * line, 0, 3);
    else
      __builtin_prefetch(from + PREFETCH_FAR + 64 * line, 0, 2);
}

// ---------------------------------------------------------------- one block × the rows of a tile

// Codes below 2^bits that stand for code − 2^bias; bias 0 means that they stand for themselves.
INLINE void multiply_codes(const v16i *codes, int bits, int bias, v16f scale, const ck_row *rows,
                           size_t count, size_t block, v16f *acc) {
  for (size_t r = 0; r < count; r++) {
    const ck_block *x = rows[r].blocks + block;
    v16i sum = bias == 0 ? i_set1(0) : i_shl(i_set1(x->negative_sum), bias);
    sum = i_dot(sum, codes, rows[r].codes + CK_BLOCK * block, GROUPS, bits);
    acc[r] = v_fma(v_from_int(sum), v_mul(scale, v_set1(x->scale)), acc[r]);
  }
}

// Codes of 8 bits, stored plus 128.
INLINE void multiply_wide(const v16i *codes, v16f scale, const ck_row *rows, size_t count,
                          size_t block, v16f *acc) {
  for (size_t r = 0; r < count; r++) {
    const ck_block *x = rows[r].blocks + block;
    v16i sum = wide_start(x->negative_sum);
    sum = wide_dot(sum, codes, rows[r].codes + CK_BLOCK * block, GROUPS);
    acc[r] = v_fma(v_from_int(sum), v_mul(scale, v_set1(x->scale)), acc[r]);
  }
}

// Subtracts minimum · Σx: the second half of an affine format. For Q4_1 and Q5_1, whose m is
// added, `minimum` is −m.
INLINE void multiply_affine(const v16i *codes, int bits, v16f scale, v16f minimum,
                            const ck_row *rows, size_t count, size_t block, v16f *acc) {
  for (size_t r = 0; r < count; r++) {
    const ck_block *x = rows[r].blocks + block;
    v16i sum = i_dot(i_set1(0), codes, rows[r].codes + CK_BLOCK * block, GROUPS, bits);
    v16f total = v_fma(v_from_int(sum), v_mul(scale, v_set1(x->scale)), acc[r]);
    acc[r] = v_fnma(minimum, v_set1(x->scaled_sum), total);
  }
}

// 6-bit codes minus 32 with an integer scale per 16 columns.
INLINE void multiply_halves(const v16i *codes, v16i scale0, v16i scale1, v16f scale,
                            const ck_row *rows, size_t count, size_t block, v16f *acc) {
  for (size_t r = 0; r < count; r++) {
    const ck_block *x = rows[r].blocks + block;
    const int8_t *xs = rows[r].codes + CK_BLOCK * block;
    v16i half = i_set1(x->negative_half);
    v16i rest = i_sub(i_set1(x->negative_sum), half);
    v16i sum0 = i_dot(i_shl(half, 5), codes, xs, GROUPS / 2, 6);
    v16i sum1 = i_dot(i_shl(rest, 5), codes + GROUPS / 2, xs + 16, GROUPS / 2, 6);
    v16i sum = i_add(i_mul(sum0, scale0), i_mul(sum1, scale1));
    acc[r] = v_fma(v_from_int(sum), v_mul(scale, v_set1(x->scale)), acc[r]);
  }
}

// ---------------------------------------------------------------- blocks of 32

// Four words of low and high nibbles: columns 0-15 and 16-31.
INLINE void nibble_block(const uint8_t *words, v16i *codes) {
  for (size_t p = 0; p < 4; p++) {
    v16i word = load_word(words, p);
    codes[p] = low_nibbles(word);
    codes[p + 4] = high_nibbles(word);
  }
}

// Adds the fifth bits; bit g of each byte of `high` belongs to group g.
INLINE void add_fifth_bits(v16i high, v16i *codes) {
  const v16i bit = i_set1(0x10101010);
  for (int g = 0; g < 4; g++) {
    codes[g] = i_or(codes[g], i_and(i_shl(high, 4 - g), bit));
    codes[g + 4] = i_or(codes[g + 4], i_and(i_shr(high, g), bit));
  }
}

INLINE v16f negated(v16f a) { return v_sub(v_zero(), a); }

INLINE void q4_0_tile(const uint8_t *panel, size_t columns, const ck_row *rows, size_t count,
                      v16f *acc) {
  for (size_t b = 0; b < columns / CK_BLOCK; b++) {
    single_place at = single_at(panel, b, 4);
    prefetch(at.words - 64, 5, count);
    v16i codes[GROUPS];
    nibble_block(at.words, codes);
    multiply_codes(codes, 4, 3, load_halves(at.halves), rows, count, b, acc);
  }
}

INLINE void q4_1_tile(const uint8_t *panel, size_t columns, const ck_row *rows, size_t count,
                      v16f *acc) {
  for (size_t b = 0; b < columns / CK_BLOCK; b++) {
    const uint8_t *block = panel + b * 5 * 64;
    prefetch(block, 5, count);
    v16i codes[GROUPS];
    nibble_block(block + 64, codes);
    multiply_affine(codes, 4, load_halves(block), negated(load_halves(block + 32)), rows, count, b,
                    acc);
  }
}

INLINE void q5_0_tile(const uint8_t *panel, size_t columns, const ck_row *rows, size_t count,
                      v16f *acc) {
  for (size_t b = 0; b < columns / CK_BLOCK; b++) {
    single_place at = single_at(panel, b, 5);
    prefetch(at.words - 64, 6, count);
    v16i codes[GROUPS];
    nibble_block(word_at(at.words, 1), codes);
    add_fifth_bits(load_word(at.words, 0), codes);
    multiply_codes(codes, 5, 4, load_halves(at.halves), rows, count, b, acc);
  }
}

INLINE void q5_1_tile(const uint8_t *panel, size_t columns, const ck_row *rows, size_t count,
                      v16f *acc) {
  for (size_t b = 0; b < columns / CK_BLOCK; b++) {
    const uint8_t *block = panel + b * 6 * 64;
    prefetch(block, 6, count);
    v16i codes[GROUPS];
    nibble_block(block + 128, codes);
    add_fifth_bits(load_word(block + 64, 0), codes);
    multiply_affine(codes, 5, load_halves(block), negated(load_halves(block + 32)), rows, count, b,
                    acc);
  }
}

INLINE void q8_0_tile(const uint8_t *panel, size_t columns, const ck_row *rows, size_t count,
                      v16f *acc) {
  for (size_t b = 0; b < columns / CK_BLOCK; b++) {
    single_place at = single_at(panel, b, 8);
    prefetch(at.words - 64, 9, count);
    v16i codes[GROUPS];
    for (size_t g = 0; g < GROUPS; g++) codes[g] = wide_codes(load_word(at.words, g));
    multiply_wide(codes, load_halves(at.halves), rows, count, b, acc);
  }
}

INLINE void iq4_nl_tile(const uint8_t *panel, size_t columns, const ck_row *rows, size_t count,
                        v16f *acc) {
  for (size_t b = 0; b < columns / CK_BLOCK; b++) {
    single_place at = single_at(panel, b, 4);
    prefetch(at.words - 64, 5, count);
    v16i codes[GROUPS];
    nibble_block(at.words, codes);
    for (size_t g = 0; g < GROUPS; g++) codes[g] = wide_lookup(codes[g]);
    multiply_wide(codes, load_halves(at.halves), rows, count, b, acc);
  }
}

// ---------------------------------------------------------------- blocks of 256

// The 6-bit scales and minima of Q4_K and Q5_K, four to a lane's word, from its 12 bytes.
typedef struct six_bits {
  v16i scales[2], minima[2];
} six_bits;

INLINE six_bits unpack_six_bits(const uint8_t *words) {
  v16i s0 = load_word(words, 0), s1 = load_word(words, 1), s2 = load_word(words, 2);
  const v16i six = i_set1(0x3f3f3f3f), two = i_set1(0x30303030);
  six_bits r;
  r.scales[0] = i_and(s0, six);
  r.minima[0] = i_and(s1, six);
  r.scales[1] = i_or(low_nibbles(s2), i_and(i_shr(s0, 2), two));
  r.minima[1] = i_or(high_nibbles(s2), i_and(i_shr(s1, 2), two));
  return r;
}

// Byte `index` of each lane as a float.
INLINE v16f byte_as_float(v16i word, int index) {
  return v_from_int(i_and(i_shr(word, 8 * index), i_set1(255)));
}

// Q4_K, or Q5_K when `fifth` is not NULL; the 64 columns of words 8j … 8j + 7.
INLINE void affine_k_tile(const uint8_t *panel, size_t columns, bool five, const ck_row *rows,
                          size_t count, v16f *acc) {
  const size_t lines = five ? 44 : 36;
  for (size_t super = 0; super < columns / 256; super++) {
    const uint8_t *block = panel + super * lines * 64, *fifth = block + 4 * 64;
    const uint8_t *nibbles = fifth + (five ? 8 * 64 : 0);
    v16f d = load_halves(block), dmin = load_halves(block + 32);
    six_bits s = unpack_six_bits(block + 64);
    for (int j = 0; j < 8; j++) {
      prefetch(block + 8 * lines * (size_t)j, (lines + 7) / 8, count);
      v16f scale = v_mul(d, byte_as_float(s.scales[j / 4], j % 4));
      v16f minimum = v_mul(dmin, byte_as_float(s.minima[j / 4], j % 4));
      v16i codes[GROUPS];
      for (size_t g = 0; g < GROUPS; g++) {
        v16i word = load_word(nibbles, 8 * (size_t)(j / 2) + g);
        codes[g] = j % 2 == 0 ? low_nibbles(word) : high_nibbles(word);
        if (five) {
          v16i high = load_word(fifth, g);
          high = j < 4 ? i_shl(high, 4 - j) : i_shr(high, j - 4);
          codes[g] = i_or(codes[g], i_and(high, i_set1(0x10101010)));
        }
      }
      multiply_affine(codes, five ? 5 : 4, scale, minimum, rows, count, 8 * super + (size_t)j, acc);
    }
  }
}

INLINE void q4_k_tile(const uint8_t *panel, size_t columns, const ck_row *rows, size_t count,
                      v16f *acc) {
  affine_k_tile(panel, columns, false, rows, count, acc);
}

INLINE void q5_k_tile(const uint8_t *panel, size_t columns, const ck_row *rows, size_t count,
                      v16f *acc) {
  affine_k_tile(panel, columns, true, rows, count, acc);
}

// The upper two bits of a 6-bit code, for quarter k of 128 columns, in place.
INLINE v16i upper_two_bits(v16i word, int k) {
  v16i moved = k < 2 ? i_shl(word, 4 - 2 * k) : i_shr(word, 2 * k - 4);
  return i_and(moved, i_set1(0x30303030));
}

// Words of each half of a super-block: 2 of scales, 8 of upper bits alternating with 8 of nibbles,
// 8 of nibbles; see `q6_k_order` in panels.c.
INLINE void q6_k_tile(const uint8_t *panel, size_t columns, const ck_row *rows, size_t count,
                      v16f *acc) {
  for (size_t super = 0; super < columns / 256; super++) {
    single_place at = single_at(panel, super, 52);
    v16f d = load_halves(at.halves);
    for (int j = 0; j < 8; j++) {
      prefetch(word_at(at.words, 52 * (size_t)j / 8) - 64, 8, count);
      const uint8_t *half = word_at(at.words, 26 * ((size_t)j / 4));
      int k = j % 4;
      v16i codes[GROUPS];
      for (size_t g = 0; g < GROUPS; g++) {
        v16i word = load_word(half, k % 2 == 0 ? 3 + 2 * g : 18 + g);
        v16i low = k < 2 ? low_nibbles(word) : high_nibbles(word);
        codes[g] = i_or(low, upper_two_bits(load_word(half, 2 + 2 * g), k));
      }
      v16i scales = load_word(half, (size_t)k / 2);
      v16i scale0 = i_sar(i_shl(scales, k % 2 == 0 ? 24 : 8), 24);
      v16i scale1 = i_sar(i_shl(scales, k % 2 == 0 ? 16 : 0), 24);
      multiply_halves(codes, scale0, scale1, d, rows, count, 8 * super + (size_t)j, acc);
    }
  }
}

// Words of a super-block: one of low scale nibbles, 32 of nibbles; the second halfword of the
// header holds the upper scale bits.
INLINE void iq4_xs_tile(const uint8_t *panel, size_t columns, const ck_row *rows, size_t count,
                        v16f *acc) {
  for (size_t super = 0; super < columns / 256; super++) {
    const uint8_t *block = panel + super * 34 * 64;
    v16f d = load_halves(block);
    v16i upper = i_load_u16((const uint16_t *)(block + 32)), lower = load_word(block, 1);
    for (int j = 0; j < 8; j++) {
      prefetch(word_at(block, 34 * (size_t)j / 8), 5, count);
      v16i low = i_and(i_shr(lower, 4 * j), i_set1(15));
      v16i high = i_and(i_shl(i_shr(upper, 2 * j), 4), i_set1(0x30));
      v16i scale = i_sub(i_or(low, high), i_set1(32));
      v16i codes[GROUPS];
      nibble_block(block + 128 + 256 * (size_t)j, codes);
      for (size_t g = 0; g < GROUPS; g++) codes[g] = wide_lookup(codes[g]);
      multiply_wide(codes, v_mul(d, v_from_int(scale)), rows, count, 8 * super + (size_t)j, acc);
    }
  }
}

// A kernel from a tile function: one row in registers, more in memory.
#define QUANTISED_KERNEL(format)                                                        \
  static void format##_kernel(const uint8_t *panel, size_t columns, const ck_row *rows, \
                              size_t count, float *out) {                               \
    if (count == 1) {                                                                   \
      v16f acc = v_zero();                                                              \
      format##_tile(panel, columns, rows, 1, &acc);                                     \
      v_store(out, acc);                                                                \
    } else {                                                                            \
      v16f *acc = (v16f *)out;                                                          \
      for (size_t r = 0; r < count; r++) acc[r] = v_zero();                             \
      format##_tile(panel, columns, rows, count, acc);                                  \
    }                                                                                   \
  }

QUANTISED_KERNEL(q4_0)
QUANTISED_KERNEL(q4_1)
QUANTISED_KERNEL(q5_0)
QUANTISED_KERNEL(q5_1)
QUANTISED_KERNEL(q8_0)
QUANTISED_KERNEL(iq4_nl)
QUANTISED_KERNEL(q4_k)
QUANTISED_KERNEL(q5_k)
QUANTISED_KERNEL(q6_k)
QUANTISED_KERNEL(iq4_xs)

// ---------------------------------------------------------------- float weights

// Four chains per row by column mod 4, so that additions need not wait for one another.
enum { CHAINS = 4 };

enum float_kind { FLOAT32, FLOAT16, BFLOAT16 };

// The weights of one column for the lanes from `lane`.
INLINE vf load_column(const uint8_t *panel, enum float_kind kind, size_t column, size_t lane) {
  if (kind == FLOAT32) return vf_load((const float *)panel + CK_LANES * column + lane);
  if (kind == FLOAT16) return vf_load_half((const uint16_t *)panel + CK_LANES * column + lane);
  const uint32_t *pairs = (const uint32_t *)panel + CK_LANES * (column / 2) + lane;
  return column % 2 == 0 ? vf_load_even(pairs) : vf_load_odd(pairs);
}

// FLOAT_LANES lanes of a panel × `count` rows.
INLINE void float_lanes(const uint8_t *panel, enum float_kind kind, size_t columns, size_t lane,
                        const float *const *rows, size_t count, float *state) {
  vf acc[FLOAT_TILE][CHAINS];
  for (size_t r = 0; r < count; r++)
    for (size_t c = 0; c < CHAINS; c++)
      acc[r][c] = vf_load(state + CK_LANES * (CHAINS * r + c) + lane);
  size_t whole = columns / CHAINS * CHAINS;
  for (size_t k = 0; k < whole; k += CHAINS)
    for (size_t c = 0; c < CHAINS; c++) {
      vf weight = load_column(panel, kind, k + c, lane);
      for (size_t r = 0; r < count; r++)
        acc[r][c] = vf_fma(weight, vf_set1(rows[r][k + c]), acc[r][c]);
    }
  for (size_t c = 0; c < columns - whole; c++) {
    vf weight = load_column(panel, kind, whole + c, lane);
    for (size_t r = 0; r < count; r++)
      acc[r][c] = vf_fma(weight, vf_set1(rows[r][whole + c]), acc[r][c]);
  }
  for (size_t r = 0; r < count; r++)
    for (size_t c = 0; c < CHAINS; c++)
      vf_store(state + CK_LANES * (CHAINS * r + c) + lane, acc[r][c]);
}

INLINE void float_tile(const uint8_t *panel, enum float_kind kind, size_t columns,
                       const float *const *rows, size_t count, float *state) {
  for (size_t lane = 0; lane < CK_LANES; lane += FLOAT_LANES)
    float_lanes(panel, kind, columns, lane, rows, count, state);
}

// Whole tiles with a constant row count, so that accumulators stay in registers; then the rest.
INLINE void float_rows(const uint8_t *panel, enum float_kind kind, size_t columns,
                       const float *const *rows, size_t count, float *state) {
  size_t done = 0;
  for (; count - done >= FLOAT_TILE; done += FLOAT_TILE)
    float_tile(panel, kind, columns, rows + done, FLOAT_TILE, state + CK_LANES * CHAINS * done);
  for (; FLOAT_TILE > 2 && count - done >= 2; done += 2)
    float_tile(panel, kind, columns, rows + done, 2, state + CK_LANES * CHAINS * done);
  for (; done < count; done++)
    float_tile(panel, kind, columns, rows + done, 1, state + CK_LANES * CHAINS * done);
}

static void f32_kernel(const uint8_t *panel, size_t columns, const float *const *rows, size_t count,
                       float *state) {
  float_rows(panel, FLOAT32, columns, rows, count, state);
}

static void f16_kernel(const uint8_t *panel, size_t columns, const float *const *rows, size_t count,
                       float *state) {
  float_rows(panel, FLOAT16, columns, rows, count, state);
}

static void bf16_kernel(const uint8_t *panel, size_t columns, const float *const *rows,
                        size_t count, float *state) {
  float_rows(panel, BFLOAT16, columns, rows, count, state);
}

static void fold_chains(const float *state, size_t count, float *out) {
  for (size_t r = 0; r < count; r++) {
    const float *chains = state + CK_LANES * CHAINS * r;
    v16f even = v_add(v_load(chains), v_load(chains + 16));
    v_store(out + CK_LANES * r, v_add(even, v_add(v_load(chains + 32), v_load(chains + 48))));
  }
}

// ---------------------------------------------------------------- formats decoded while
// multiplying

// Columns [column, column + count) of a panel as floats, a column's sixteen lanes adjacent: what
// `f32_kernel` takes. Each weight has the bits of reference decoding.

INLINE v16f shifted_bits(v16i word, int shift, int mask) {
  return v_from_int(i_and(i_shr(word, shift), i_set1(mask)));
}

// Words of a super-block: 4 of scales and minima (4 bits each), 16 of codes.
static void decode_q2_k(const uint8_t *panel, size_t column, size_t count, float factor,
                        float *tile) {
  (void)count, (void)factor;
  const uint8_t *block = panel + column / 256 * 21 * 64, *words = block + 64;
  v16f d = load_halves(block), dmin = load_halves(block + 32);
  for (int j = 0; j < 16; j++) {  // sixteen columns with one scale
    v16i scales = load_word(words, (size_t)j / 4);
    v16f scale = v_mul(d, shifted_bits(scales, 8 * (j % 4), 15));
    v16f minimum = v_mul(dmin, shifted_bits(scales, 8 * (j % 4) + 4, 15));
    for (int i = 0; i < 16; i++) {
      v16i codes = load_word(words, 4 + 8 * (size_t)(j / 8) + 4 * (size_t)(j % 2) + (size_t)i / 4);
      v16f code = shifted_bits(codes, 8 * (i % 4) + 2 * (j % 8 / 2), 3);
      v_store(tile + CK_LANES * (16 * j + i), v_sub(v_mul(scale, code), minimum));
    }
  }
}

// The 6-bit scale of sixteen columns of Q3_K, from the three words of all scales.
INLINE v16f q3_k_scale(const uint8_t *words, int j) {
  v16i low = i_shr(load_word(words, (size_t)(j % 8) / 4), 8 * (j % 4) + (j < 8 ? 0 : 4));
  v16i high = i_shr(load_word(words, 2), 8 * (j % 4) + 2 * (j / 4));
  v16i scale = i_or(i_and(low, i_set1(15)), i_shl(i_and(high, i_set1(3)), 4));
  return v_from_int(i_sub(scale, i_set1(32)));
}

// Words of a super-block: 8 of upper bits, 16 of lower bits, 3 of scales.
static void decode_q3_k(const uint8_t *panel, size_t column, size_t count, float factor,
                        float *tile) {
  (void)count, (void)factor;
  single_place at = single_at(panel, column / 256, 27);
  v16f d = load_halves(at.halves);
  for (int j = 0; j < 16; j++) {
    v16f scale = v_mul(d, q3_k_scale(word_at(at.words, 24), j));
    for (int i = 0; i < 16; i++) {
      size_t word = 4 * (size_t)(j % 2) + (size_t)i / 4;
      v16i low = load_word(at.words, 8 + 8 * (size_t)(j / 8) + word);
      v16i high = load_word(at.words, word);
      low = i_and(i_shr(low, 8 * (i % 4) + 2 * (j % 8 / 2)), i_set1(3));
      high = i_and(i_shr(high, 8 * (i % 4) + j / 2), i_set1(1));
      v16i code = i_sub(i_or(low, i_shl(high, 2)), i_set1(4));
      v_store(tile + CK_LANES * (16 * j + i), v_mul(scale, v_from_int(code)));
    }
  }
}

// F8_E4M3: exponent and mantissa moved to a float's place make the value divided by 2^120,
// subnormals included; the largest code is no number.
INLINE v16f float_from_e4m3(v16i code) {
  v16f small = v_from_bits(i_shl(i_and(code, i_set1(0x7f)), 20));
  v16f magnitude = v_mul(small, v_set1(0x1p120f));
  magnitude = v_select_less(v_set1(448), magnitude, v_set1(__builtin_nanf("")), magnitude);
  return v_from_bits(i_or(v_bits(magnitude), i_shl(i_and(code, i_set1(0x80)), 24)));
}

static void decode_f8_e4m3(const uint8_t *panel, size_t column, size_t count, float factor,
                           float *tile) {
  for (size_t c = 0; c < count; c++) {
    v16i codes = load_word(panel, (column + c) / 4);
    v16f weight = float_from_e4m3(i_shr(codes, 8 * (int)((column + c) % 4)));
    v_store(tile + CK_LANES * c, v_mul(weight, v_set1(factor)));
  }
}
