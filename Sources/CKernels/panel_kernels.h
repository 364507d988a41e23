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
// accumulator in a register: that is decoding, bound by memory. With many registers (AVX-512) two
// panels are taken side by side, so that an activation is loaded once for 32 weight rows: loads
// bind otherwise (265 and 345 GMAC/s for 64 rows of Q4_K on a core of Zen 5).

enum { GROUPS = 8, PREFETCH_NEAR = 4096, MEMORY_BOUND_ROWS = 2 };

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

// ---------------------------------------------------------------- one block × the rows of a tile

// Adjacent panels, at most TILE_PANELS, and the activation rows that they meet.
typedef struct ck_tile {
  const uint8_t *panel;
  size_t panel_bytes;
  size_t columns;
  const int8_t *codes;     // blocks × rows × 32
  const ck_block *blocks;  // blocks × rows
  v16f *sums;              // rows × stride
  size_t stride;           // between rows of sums
  size_t ahead;            // bytes from what is read to what to ask for
} ck_tile;

// Asks for what comes later. Processors see a stream of lines by themselves only while it is read
// strictly in order, one line after another; the formats of 256 read words twice, and tiles of
// several rows work on a block for long.
//
// One or two rows are bound by memory and ask for what is near, a single one to the first level
// (two threads of Zen 5 read Q4_K from memory at 31 GB/s without and 47 with, Q5_K 25 and 47, Q6_K
// 39 and 49; plain reading does 50). More rows ask for the same place of the panels that are next
// (16 rows of Q4_K from memory: 205 to 336 GMAC/s a core).
INLINE void prefetch(const ck_tile *t, const uint8_t *from, size_t lines, size_t rows) {
  for (size_t line = 0; line < lines; line++)
    if (rows == 1)
      __builtin_prefetch(from + PREFETCH_NEAR + 64 * line, 0, 3);
    else
      __builtin_prefetch(from + t->ahead + 64 * line, 0, 2);
}

// What multiplies a block of 32 columns, for each panel.
typedef struct weight_block {
  v16i codes[TILE_PANELS][GROUPS];
  v16f scale[TILE_PANELS], minimum[TILE_PANELS];
  v16f scale0[TILE_PANELS], scale1[TILE_PANELS];  // integers
} weight_block;

// A block's activation rows that are multiplied together: ROWS_ASIDE of them, or one.
typedef struct row_group {
  const int8_t *codes;
  const ck_block *blocks;
  v16f *sums;
  size_t count;
} row_group;

typedef v16i dot_sums[ROWS_ASIDE][TILE_PANELS];

// sums[r][p] += Σ code·x over `groups` groups of columns from `first`. Where several rows stand
// side by side, sums take turns, so that none waits for its last instruction: a processor whose
// other thread is busy looks ahead too little to find independent ones by itself (64 rows of Q4_K
// on a shared core of Emerald Rapids: 120 and 133 GMAC/s).
INLINE void add_dots(dot_sums sums, const weight_block *w, size_t panels, const row_group *x,
                     size_t first, size_t groups, int bits, bool wide) {
  const size_t turn = ROWS_ASIDE > 1 ? 1 : groups;
  for (size_t g = first; g < first + groups; g += turn)
    for (size_t r = 0; r < x->count; r++)
      for (size_t p = 0; p < panels; p++) {
        const int8_t *codes = x->codes + CK_BLOCK * r + 4 * g;
        const v16i *weights = w->codes[p] + g;
        sums[r][p] = wide ? wide_dot(sums[r][p], weights, codes, (int)turn)
                          : i_dot(sums[r][p], weights, codes, (int)turn, bits);
      }
}

#define EACH_SUM                        \
  for (size_t r = 0; r < x->count; r++) \
    for (size_t p = 0; p < panels; p++)

// `multiply_name` of all rows of a tile, from `name_rows` of a group of constant size.
#define ROWS_BY(name, aside)                                                     \
  for (x.count = aside; rows >= aside; rows -= aside) {                          \
    name##_rows(w, bits, bias, panels, &x, t->stride);                           \
    x.codes += CK_BLOCK * aside, x.blocks += aside, x.sums += aside * t->stride; \
  }
#define EACH_ROW_GROUP(name)                                                                  \
  INLINE void multiply_##name(const ck_tile *t, const weight_block *w, int bits, int bias,    \
                              size_t panels, size_t rows, size_t block) {                     \
    row_group x = {t->codes + CK_BLOCK * rows * block, t->blocks + rows * block, t->sums, 0}; \
    if (ROWS_ASIDE > 1 && panels == TILE_PANELS) ROWS_BY(name, ROWS_ASIDE)                    \
    ROWS_BY(name, 1)                                                                          \
  }

// Codes below 2^bits that stand for code − 2^bias; bias 0 means that they stand for themselves.
INLINE void codes_rows(const weight_block *w, int bits, int bias, size_t panels, const row_group *x,
                       size_t stride) {
  dot_sums sums;
  EACH_SUM sums[r][p] = bias == 0 ? i_set1(0) : i_shl(i_set1(x->blocks[r].negative_sum), bias);
  add_dots(sums, w, panels, x, 0, GROUPS, bits, false);
  EACH_SUM {
    v16f *acc = x->sums + stride * r + p;
    *acc = v_fma(v_from_int(sums[r][p]), v_mul(w->scale[p], v_set1(x->blocks[r].scale)), *acc);
  }
}
EACH_ROW_GROUP(codes)

// Codes of 8 bits, stored plus 128.
INLINE void wide_rows(const weight_block *w, int bits, int bias, size_t panels, const row_group *x,
                      size_t stride) {
  (void)bits, (void)bias;
  dot_sums sums;
  EACH_SUM sums[r][p] = wide_start(x->blocks[r].negative_sum);
  add_dots(sums, w, panels, x, 0, GROUPS, 8, true);
  EACH_SUM {
    v16f *acc = x->sums + stride * r + p;
    *acc = v_fma(v_from_int(sums[r][p]), v_mul(w->scale[p], v_set1(x->blocks[r].scale)), *acc);
  }
}
EACH_ROW_GROUP(wide)

// Subtracts minimum · Σx: the second half of an affine format. For Q4_1 and Q5_1, whose m is
// added, `minimum` is −m.
INLINE void affine_rows(const weight_block *w, int bits, int bias, size_t panels,
                        const row_group *x, size_t stride) {
  (void)bias;
  dot_sums sums;
  EACH_SUM sums[r][p] = i_set1(0);
  add_dots(sums, w, panels, x, 0, GROUPS, bits, false);
  EACH_SUM {
    const ck_block *block = x->blocks + r;
    v16f *acc = x->sums + stride * r + p;
    v16f scale = v_mul(w->scale[p], v_set1(block->scale));
    v16f total = v_fma(v_from_int(sums[r][p]), scale, *acc);
    *acc = v_fnma(w->minimum[p], v_set1(block->scaled_sum), total);
  }
}
EACH_ROW_GROUP(affine)

// 6-bit codes minus 32 with an integer scale per 16 columns. Floats hold the scaled sum exactly:
// it is at most 2 · 16 · 32 · 127 · 128 < 2^24.
INLINE void halves_rows(const weight_block *w, int bits, int bias, size_t panels,
                        const row_group *x, size_t stride) {
  dot_sums sum0, sum1;
  EACH_SUM {
    v16i half = i_set1(x->blocks[r].negative_half);
    sum0[r][p] = i_shl(half, bias);
    sum1[r][p] = i_shl(i_sub(i_set1(x->blocks[r].negative_sum), half), bias);
  }
  add_dots(sum0, w, panels, x, 0, GROUPS / 2, bits, false);
  add_dots(sum1, w, panels, x, GROUPS / 2, GROUPS / 2, bits, false);
  EACH_SUM {
    v16f *acc = x->sums + stride * r + p;
    v16f sum = v_mul(v_from_int(sum0[r][p]), w->scale0[p]);
    sum = v_fma(v_from_int(sum1[r][p]), w->scale1[p], sum);
    *acc = v_fma(sum, v_mul(w->scale[p], v_set1(x->blocks[r].scale)), *acc);
  }
}
EACH_ROW_GROUP(halves)

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

// The tile functions walk the blocks; `panels` and `rows` are constants where that matters.
#define TILE(format) INLINE void format##_tile(const ck_tile *t, size_t panels, size_t rows)
#define EACH_BLOCK for (size_t b = 0; b < t->columns / CK_BLOCK; b++)
#define EACH_PANEL for (size_t p = 0; p < panels; p++)

TILE(q4_0) {
  EACH_BLOCK {
    weight_block w;
    EACH_PANEL {
      single_place at = single_at(t->panel + p * t->panel_bytes, b, 4);
      prefetch(t, at.words - 64, 5, rows);
      nibble_block(at.words, w.codes[p]);
      w.scale[p] = load_halves(at.halves);
    }
    multiply_codes(t, &w, 4, 3, panels, rows, b);
  }
}

TILE(q4_1) {
  EACH_BLOCK {
    weight_block w;
    EACH_PANEL {
      const uint8_t *block = t->panel + p * t->panel_bytes + b * 5 * 64;
      prefetch(t, block, 5, rows);
      nibble_block(block + 64, w.codes[p]);
      w.scale[p] = load_halves(block);
      w.minimum[p] = negated(load_halves(block + 32));
    }
    multiply_affine(t, &w, 4, 0, panels, rows, b);
  }
}

TILE(q5_0) {
  EACH_BLOCK {
    weight_block w;
    EACH_PANEL {
      single_place at = single_at(t->panel + p * t->panel_bytes, b, 5);
      prefetch(t, at.words - 64, 6, rows);
      nibble_block(word_at(at.words, 1), w.codes[p]);
      add_fifth_bits(load_word(at.words, 0), w.codes[p]);
      w.scale[p] = load_halves(at.halves);
    }
    multiply_codes(t, &w, 5, 4, panels, rows, b);
  }
}

TILE(q5_1) {
  EACH_BLOCK {
    weight_block w;
    EACH_PANEL {
      const uint8_t *block = t->panel + p * t->panel_bytes + b * 6 * 64;
      prefetch(t, block, 6, rows);
      nibble_block(block + 128, w.codes[p]);
      add_fifth_bits(load_word(block + 64, 0), w.codes[p]);
      w.scale[p] = load_halves(block);
      w.minimum[p] = negated(load_halves(block + 32));
    }
    multiply_affine(t, &w, 5, 0, panels, rows, b);
  }
}

TILE(q8_0) {
  EACH_BLOCK {
    weight_block w;
    EACH_PANEL {
      single_place at = single_at(t->panel + p * t->panel_bytes, b, 8);
      prefetch(t, at.words - 64, 9, rows);
      for (size_t g = 0; g < GROUPS; g++) w.codes[p][g] = wide_codes(load_word(at.words, g));
      w.scale[p] = load_halves(at.halves);
    }
    multiply_wide(t, &w, 8, 0, panels, rows, b);
  }
}

TILE(iq4_nl) {
  EACH_BLOCK {
    weight_block w;
    EACH_PANEL {
      single_place at = single_at(t->panel + p * t->panel_bytes, b, 4);
      prefetch(t, at.words - 64, 5, rows);
      nibble_block(at.words, w.codes[p]);
      for (size_t g = 0; g < GROUPS; g++) w.codes[p][g] = wide_lookup(w.codes[p][g]);
      w.scale[p] = load_halves(at.halves);
    }
    multiply_wide(t, &w, 8, 0, panels, rows, b);
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

// What the sub-blocks of a super-block of Q4_K or Q5_K share.
typedef struct affine_k_header {
  v16f d, dmin;
  six_bits bits;
} affine_k_header;

INLINE affine_k_header affine_k_at(const uint8_t *block) {
  return (affine_k_header){load_halves(block), load_halves(block + 32),
                           unpack_six_bits(block + 64)};
}

// Codes of sub-block j of Q4_K, or of Q5_K: words 8(j / 2) … + 7 hold 64 columns.
INLINE void affine_k_codes(const uint8_t *block, bool five, size_t j, v16i *codes) {
  const uint8_t *fifth = block + 4 * 64, *nibbles = fifth + (five ? 8 * 64 : 0);
  for (size_t g = 0; g < GROUPS; g++) {
    v16i word = load_word(nibbles, 8 * (j / 2) + g);
    codes[g] = j % 2 == 0 ? low_nibbles(word) : high_nibbles(word);
    if (five) {
      v16i high = load_word(fifth, g);
      high = j < 4 ? i_shl(high, 4 - (int)j) : i_shr(high, (int)j - 4);
      codes[g] = i_or(codes[g], i_and(high, i_set1(0x10101010)));
    }
  }
}

INLINE void affine_k_tile(const ck_tile *t, bool five, size_t panels, size_t rows) {
  const size_t lines = five ? 44 : 36;
  for (size_t super = 0; super < t->columns / 256; super++) {
    const uint8_t *block = t->panel + super * lines * 64;
    affine_k_header header[TILE_PANELS];
    EACH_PANEL header[p] = affine_k_at(block + p * t->panel_bytes);
    for (size_t j = 0; j < 8; j++) {
      weight_block w;
      EACH_PANEL {
        const affine_k_header *h = header + p;
        prefetch(t, block + p * t->panel_bytes + 8 * lines * j, (lines + 7) / 8, rows);
        affine_k_codes(block + p * t->panel_bytes, five, j, w.codes[p]);
        w.scale[p] = v_mul(h->d, byte_as_float(h->bits.scales[j / 4], (int)j % 4));
        w.minimum[p] = v_mul(h->dmin, byte_as_float(h->bits.minima[j / 4], (int)j % 4));
      }
      multiply_affine(t, &w, five ? 5 : 4, 0, panels, rows, 8 * super + j);
    }
  }
}

TILE(q4_k) { affine_k_tile(t, false, panels, rows); }
TILE(q5_k) { affine_k_tile(t, true, panels, rows); }

// The upper two bits of a 6-bit code, for quarter k of 128 columns, in place.
INLINE v16i upper_two_bits(v16i word, int k) {
  v16i moved = k < 2 ? i_shl(word, 4 - 2 * k) : i_shr(word, 2 * k - 4);
  return i_and(moved, i_set1(0x30303030));
}

// Words of each half of a super-block: 2 of scales, 8 of upper bits alternating with 8 of nibbles,
// 8 of nibbles; see `q6_k_order` in panels.c. Quarter k of the half.
INLINE void q6_k_codes(const uint8_t *half, int k, v16i *codes) {
  for (size_t g = 0; g < GROUPS; g++) {
    v16i word = load_word(half, k % 2 == 0 ? 3 + 2 * g : 18 + g);
    v16i low = k < 2 ? low_nibbles(word) : high_nibbles(word);
    codes[g] = i_or(low, upper_two_bits(load_word(half, 2 + 2 * g), k));
  }
}

TILE(q6_k) {
  for (size_t super = 0; super < t->columns / 256; super++) {
    for (size_t j = 0; j < 8; j++) {
      weight_block w;
      const int k = (int)j % 4;
      EACH_PANEL {
        single_place at = single_at(t->panel + p * t->panel_bytes, super, 52);
        prefetch(t, word_at(at.words, 52 * j / 8) - 64, 8, rows);
        const uint8_t *half = word_at(at.words, 26 * (j / 4));
        q6_k_codes(half, k, w.codes[p]);
        v16i scales = load_word(half, (size_t)k / 2);
        w.scale0[p] = v_from_int(i_sar(i_shl(scales, k % 2 == 0 ? 24 : 8), 24));
        w.scale1[p] = v_from_int(i_sar(i_shl(scales, k % 2 == 0 ? 16 : 0), 24));
        w.scale[p] = load_halves(at.halves);
      }
      multiply_halves(t, &w, 6, 5, panels, rows, 8 * super + j);
    }
  }
}

// The scale of sub-block j of IQ4_XS: low four bits in a word, the upper two in the second halfword
// of the header.
INLINE v16f iq4_xs_scale(const uint8_t *block, int j) {
  v16i upper = i_load_u16((const uint16_t *)(block + 32)), lower = load_word(block, 1);
  v16i low = i_and(i_shr(lower, 4 * j), i_set1(15));
  v16i high = i_and(i_shl(i_shr(upper, 2 * j), 4), i_set1(0x30));
  return v_mul(load_halves(block), v_from_int(i_sub(i_or(low, high), i_set1(32))));
}

TILE(iq4_xs) {
  for (size_t super = 0; super < t->columns / 256; super++) {
    for (size_t j = 0; j < 8; j++) {
      weight_block w;
      EACH_PANEL {
        const uint8_t *block = t->panel + p * t->panel_bytes + super * 34 * 64;
        prefetch(t, word_at(block, 34 * j / 8), 5, rows);
        nibble_block(block + 128 + 256 * j, w.codes[p]);
        for (size_t g = 0; g < GROUPS; g++) w.codes[p][g] = wide_lookup(w.codes[p][g]);
        w.scale[p] = iq4_xs_scale(block, (int)j);
      }
      multiply_wide(t, &w, 8, 0, panels, rows, 8 * super + j);
    }
  }
}

// One panel × one row.
#define ROW(format)                            \
  INLINE void format##_row(const ck_tile *t) { \
    v16f sum = v_zero();                       \
    ck_tile one = *t;                          \
    one.sums = &sum;                           \
    format##_tile(&one, 1, 1);                 \
    *t->sums = sum;                            \
  }

// A kernel from a tile function: one row in registers, more in memory, and as many panels side by
// side as registers hold.
#define QUANTISED_KERNEL(format)                                                           \
  static void format##_kernel(const uint8_t *panel, size_t panel_bytes, size_t panels,     \
                              size_t columns, const int8_t *codes, const ck_block *blocks, \
                              size_t rows, bool continues, float *out) {                   \
    size_t ahead = rows <= MEMORY_BOUND_ROWS ? PREFETCH_NEAR : TILE_PANELS * panel_bytes;  \
    ck_tile t = {panel, panel_bytes, columns, codes, blocks, (v16f *)out, panels, ahead};  \
    if (rows > 1 && !continues)                                                            \
      for (size_t i = 0; i < rows * panels; i++) t.sums[i] = v_zero();                     \
    for (size_t left = panels; left > 0;) {                                                \
      size_t some = rows > MEMORY_BOUND_ROWS && left >= TILE_PANELS ? TILE_PANELS : 1;     \
      if (rows == 1)                                                                       \
        format##_row(&t);                                                                  \
      else if (some == TILE_PANELS)                                                        \
        format##_tile(&t, TILE_PANELS, rows);                                              \
      else                                                                                 \
        format##_tile(&t, 1, rows);                                                        \
      t.panel += some * panel_bytes;                                                       \
      t.sums += some;                                                                      \
      left -= some;                                                                        \
    }                                                                                      \
  }

ROW(q4_0)
QUANTISED_KERNEL(q4_0)
ROW(q4_1)
QUANTISED_KERNEL(q4_1)
ROW(q5_0)
QUANTISED_KERNEL(q5_0)
ROW(q5_1)
QUANTISED_KERNEL(q5_1)
ROW(q8_0)
QUANTISED_KERNEL(q8_0)
ROW(iq4_nl)
QUANTISED_KERNEL(iq4_nl)
ROW(q4_k)
QUANTISED_KERNEL(q4_k)
ROW(q5_k)
QUANTISED_KERNEL(q5_k)
ROW(q6_k)
QUANTISED_KERNEL(q6_k)
ROW(iq4_xs)
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
//
// A single row of halves is bound by memory and asks for what is near, once for all lanes, to the
// first level (one thread of Zen 4 reads BF16 from memory at 23 GB/s when it asks to the second, and
// 29 so). Floats are mostly what was decoded a moment ago.
INLINE void float_lanes(const uint8_t *panel, enum float_kind kind, size_t columns, size_t lane,
                        const float *const *rows, size_t count, float *state) {
  vf acc[FLOAT_TILE][CHAINS];
  for (size_t r = 0; r < count; r++)
    for (size_t c = 0; c < CHAINS; c++)
      acc[r][c] = vf_load(state + CK_LANES * (CHAINS * r + c) + lane);
  size_t whole = columns / CHAINS * CHAINS;
  for (size_t k = 0; k < whole; k += CHAINS) {
    if (kind != FLOAT32 && count == 1 && lane == 0)
      for (size_t line = 0; line < CHAINS * CK_LANES * 2; line += 64)
        __builtin_prefetch(panel + CK_LANES * 2 * k + PREFETCH_NEAR + line, 0, 3);
    for (size_t c = 0; c < CHAINS; c++) {
      vf weight = load_column(panel, kind, k + c, lane);
      for (size_t r = 0; r < count; r++)
        acc[r][c] = vf_fma(weight, vf_set1(rows[r][k + c]), acc[r][c]);
    }
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
