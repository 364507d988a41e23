// Attention on int8 tiles by integer dots.
//
// Scores: query codes times key codes are summed exactly in blocks of 32 columns; a lane is a
// position, and blocks are added in ascending order. Values: a weight (relative to the largest of
// its tile) times its position's scale of the block becomes an integer of 14 bits, relative to the
// largest scale of the block; its two halves are multiplied with the codes and summed exactly over
// the tile. So no sum depends on registers or units, and positions after a row's own, whose weight
// is zero, add nothing.

enum {
  PANELS = CK_KEY_TILE / CK_LANES,
  WOVEN_COLUMNS = 512,  // of values that are rearranged at a time
  WOVEN_BLOCKS = WOVEN_COLUMNS / CK_BLOCK,
  WOVEN_BYTES = CK_LANES * CK_KEY_TILE  // 16 columns of a tile
};

// One query head of one row on its way through a tile.
typedef struct {
  const int8_t *codes;    // key width
  const float *scales;    // per block
  const int32_t *starts;  // per block: −128 · Σ codes
  float *part;
  size_t count;      // positions of the tile that the row sees
  float correction;  // what earlier sums must be multiplied by
  float gain;        // what this tile's sums must be multiplied by
} line;

// What a block of value columns needs of its scales, for rows that see `count` positions.
typedef struct {
  _Alignas(64) float factors[WOVEN_BLOCKS][CK_KEY_TILE];  // from weights to integers
  float gains[WOVEN_BLOCKS];                              // and back
} value_scales;

INLINE size_t lines_of(const ck_attention *u, size_t from, line *lines) {
  const ck_attention_job *job = u->job;
  size_t blocks = job->key_width / CK_BLOCK, count = 0;
  for (size_t row = 0; row < u->row_count; row++) {
    if (u->rows[row].length <= from) continue;
    size_t place = (size_t)(u->rows + row - job->rows) * job->heads + u->head;
    for (size_t head = 0; head < u->heads; head++, place++)
      lines[count++] = (line){
          .codes = job->codes + place * job->key_width,
          .scales = job->code_scales + place * blocks,
          .starts = job->code_starts + place * blocks,
          .part = part_at(u, row, head),
          .count = least(CK_KEY_TILE, u->rows[row].length - from),
      };
  }
  return count;
}

// ---------------------------------------------------------------- scores

// A unit's keys in one tile.
typedef struct {
  const uint8_t *codes;  // of panel 0
  size_t panel_bytes;
  const uint16_t *scales;  // of block 0: panels × 16
  size_t blocks;
} key_tile;

// Scores of `count` lines and `panels` panels from `panel` on.
INLINE void score_panels(const line *lines, size_t count, key_tile keys, size_t panel,
                         size_t panels, float *scores) {
  v16f sums[SCORE_LINES][SCORE_PANELS];
  for (size_t l = 0; l < count; l++)
    for (size_t p = 0; p < panels; p++) sums[l][p] = v_zero();
  const uint8_t *codes = keys.codes + panel * keys.panel_bytes;
  for (size_t b = 0; b < keys.blocks; b++, codes += CK_BLOCK * CK_LANES) {
    v16i dots[SCORE_LINES][SCORE_PANELS];
    for (size_t l = 0; l < count; l++)
      for (size_t p = 0; p < panels; p++) dots[l][p] = wide_begin(lines[l].starts[b]);
    for (size_t g = 0; g < CK_BLOCK / 4; g++) {
      v16i key[SCORE_PANELS];
      for (size_t p = 0; p < panels; p++)
        key[p] = wide_codes(i_load(codes + p * keys.panel_bytes + g * sizeof(v16i)));
      for (size_t l = 0; l < count; l++)
        for (size_t p = 0; p < panels; p++)
          dots[l][p] = wide_dot(dots[l][p], key + p, lines[l].codes + CK_BLOCK * b + 4 * g, 1);
    }
    for (size_t p = 0; p < panels; p++) {
      v16f scale = v_load_half(keys.scales + b * CK_KEY_TILE + (panel + p) * CK_LANES);
      for (size_t l = 0; l < count; l++)
        sums[l][p] =
            v_fma(v_from_int(dots[l][p]), v_mul(scale, v_set1(lines[l].scales[b])), sums[l][p]);
    }
  }
  for (size_t l = 0; l < count; l++)
    for (size_t p = 0; p < panels; p++)
      v_store(scores + l * CK_KEY_TILE + (panel + p) * CK_LANES, sums[l][p]);
}

INLINE void score_lines(const line *lines, size_t count, key_tile keys, float *scores) {
  for (size_t panel = 0; panel < PANELS; panel += SCORE_PANELS) {
    size_t l = 0;
    for (; l + SCORE_LINES <= count; l += SCORE_LINES)
      score_panels(lines + l, SCORE_LINES, keys, panel, SCORE_PANELS, scores + l * CK_KEY_TILE);
    for (; l < count; l++)
      score_panels(lines + l, 1, keys, panel, SCORE_PANELS, scores + l * CK_KEY_TILE);
  }
}

// ---------------------------------------------------------------- weights

// Lanes of a panel that stand for positions before `count`; others become `other`.
INLINE v16f seen_or(v16f x, size_t panel, size_t count, float other) {
  static const float index[CK_LANES] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  v16f limit = v_set1((float)count - (float)(panel * CK_LANES));
  return v_select_less(v_load(index), limit, x, v_set1(other));
}

// Turns a line's scores into weights relative to the largest of the tile.
INLINE void weigh_line(line *l, size_t width, float *scores) {
  v16f score[PANELS], most = v_set1(-__builtin_inff());
  for (size_t p = 0; p < PANELS; p++) {
    score[p] = v_load(scores + p * CK_LANES);
    if (l->count < CK_KEY_TILE) score[p] = seen_or(score[p], p, l->count, -__builtin_inff());
    most = v_max(score[p], most);
  }
  float tile_max = v_fold_max(most);
  for (size_t p = 0; p < PANELS; p++) {
    score[p] = v_exp(v_sub(score[p], v_set1(tile_max)));
    v_store(scores + p * CK_LANES, score[p]);
  }
  float sum = v_fold(v_add(v_add(score[0], score[1]), v_add(score[2], score[3])));
  float *state = l->part + width, max = tile_max > state[0] ? tile_max : state[0];
  float pair[STEP] = {0};
  pair[0] = state[0] - max;
  pair[1] = tile_max - max;
  exponential(pair, 2);
  l->correction = pair[0];
  l->gain = pair[1];
  float scaled = sum * l->gain;
  state[0] = max;
  state[1] = __builtin_fmaf(state[1], l->correction, scaled);
}

// ---------------------------------------------------------------- values

INLINE void prepare_scales(const uint16_t *scales, size_t blocks, size_t count, value_scales *out) {
  const float levels = 16383;
  for (size_t b = 0; b < blocks; b++, scales += CK_KEY_TILE) {
    v16f scale[PANELS], most = v_zero();
    for (size_t p = 0; p < PANELS; p++) {
      scale[p] = seen_or(v_load_half(scales + p * CK_LANES), p, count, 0);
      most = v_max(scale[p], most);
    }
    float largest = v_fold_max(most);
    v16f factor = v_set1(largest > 0 ? levels / largest : 0);
    for (size_t p = 0; p < PANELS; p++)
      v_store(out->factors[b] + p * CK_LANES, v_mul(scale[p], factor));
    out->gains[b] = largest * (1 / levels);
  }
}

// The upper and the lower seven bits of a line's integers for a block; of four positions that
// stand in one lane of the panels, the order is 0, 2, 1, 3, as `weave` has it.
INLINE void split_weights(const float *weights, const float *factors, int8_t *high, int8_t *low) {
  v16i bits[PANELS];
  for (size_t p = 0; p < PANELS; p++)
    bits[p] = v_bits(
        v_fma(v_load(weights + p * CK_LANES), v_load(factors + p * CK_LANES), v_set1(ROUNDER)));
  const v16i half = i_set1(0xffff), even = i_set1(0x007f007f), odd = i_set1(0x7f007f00);
  v16i a = i_or(i_and(bits[0], half), i_shl(bits[1], 16));
  v16i b = i_or(i_and(bits[2], half), i_shl(bits[3], 16));
  i_store(low, i_or(i_and(a, even), i_and(i_shl(b, 8), odd)));
  i_store(high, i_or(i_and(i_shr(a, 7), even), i_and(i_shl(b, 1), odd)));
}

// One block of value columns for some lines: sums := sums · correction + gain · Σ weight · code.
INLINE void value_lines(const line *lines, size_t count, const float *weights, const int8_t *woven,
                        const float *factors, float gain, size_t column) {
  enum { HIGH, LOW, SIDES = CK_BLOCK / CK_LANES };
  _Alignas(64) int8_t halves[VALUE_LINES][2][CK_KEY_TILE];
  v16i dots[VALUE_LINES][2][SIDES];
  for (size_t l = 0; l < count; l++) {
    split_weights(weights + l * CK_KEY_TILE, factors, halves[l][HIGH], halves[l][LOW]);
    for (size_t s = 0; s < SIDES; s++) dots[l][HIGH][s] = dots[l][LOW][s] = i_set1(0);
  }
  for (size_t lane = 0; lane < CK_LANES; lane++) {
    v16i value[SIDES];
    for (size_t s = 0; s < SIDES; s++)
      value[s] = i_load(woven + s * WOVEN_BYTES + lane * sizeof(v16i));
    for (size_t l = 0; l < count; l++)
      for (size_t h = HIGH; h <= LOW; h++)
        for (size_t s = 0; s < SIDES; s++)
          dots[l][h][s] = weight_dot(dots[l][h][s], value[s], halves[l][h] + 4 * lane);
  }
  for (size_t l = 0; l < count; l++) {
    v16f correction = v_set1(lines[l].correction), factor = v_set1(lines[l].gain * gain);
    for (size_t s = 0; s < SIDES; s++) {
      float *sums = lines[l].part + column + s * CK_LANES;
      v16f dot = v_from_int(i_add(i_shl(dots[l][HIGH][s], 7), dots[l][LOW][s]));
      v_store(sums, v_fma(dot, factor, v_mul(v_load(sums), correction)));
    }
  }
}

// Some columns of values, for lines that see the same positions.
INLINE void value_columns(const line *lines, size_t count, const float *weights,
                          const int8_t *woven, const value_scales *scales, size_t column,
                          size_t blocks, upcoming *next) {
  for (size_t b = 0; b < blocks; b++) {
    fetch_ahead(next, 2560);  // a tile of the latent cache in its sixteen blocks of values
    const int8_t *values = woven + b * CK_BLOCK * CK_KEY_TILE;
    size_t at = column + b * CK_BLOCK, l = 0;
    for (; l + VALUE_LINES <= count; l += VALUE_LINES)
      value_lines(lines + l, VALUE_LINES, weights + l * CK_KEY_TILE, values, scales->factors[b],
                  scales->gains[b], at);
    for (; l < count; l++)
      value_lines(lines + l, 1, weights + l * CK_KEY_TILE, values, scales->factors[b],
                  scales->gains[b], at);
  }
}

// ---------------------------------------------------------------- tiles

static void attend_tile(const ck_attention *u, const uint8_t *tile, line *lines, size_t count,
                        upcoming next_tile) {
  const ck_attention_job *job = u->job;
  _Alignas(64) float scores[CK_MAX_UNIT_LINES * CK_KEY_TILE];
  _Alignas(64) int8_t woven[WOVEN_COLUMNS * CK_KEY_TILE];
  value_scales value_scales;
  size_t panel_bytes = CK_LANES * job->layout.columns;
  const uint8_t *scale_bytes = tile + PANELS * panel_bytes;
  const uint16_t *tile_scales = (const uint16_t *)(const void *)scale_bytes;
  size_t keys_from = key_column(u), values_from = value_column(u);
  key_tile keys = {
      .codes = tile + CK_LANES * keys_from,
      .panel_bytes = panel_bytes,
      .scales = tile_scales + keys_from / CK_BLOCK * CK_KEY_TILE,
      .blocks = job->key_width / CK_BLOCK,
  };
  score_lines(lines, count, keys, scores);
  for (size_t l = 0; l < count; l++)
    weigh_line(lines + l, job->value_width, scores + l * CK_KEY_TILE);

  for (size_t at = 0; at < job->value_width; at += WOVEN_COLUMNS) {
    size_t columns = least(WOVEN_COLUMNS, job->value_width - at);
    const uint8_t *codes = tile + CK_LANES * (values_from + at);
    for (size_t c = 0; c < columns; c += CK_LANES)
      weave(codes + CK_LANES * c, panel_bytes, woven + CK_KEY_TILE * c);
    const uint16_t *scales = tile_scales + (values_from + at) / CK_BLOCK * CK_KEY_TILE;
    for (size_t l = 0, next; l < count; l = next) {
      for (next = l + 1; next < count && lines[next].count == lines[l].count;) next++;
      prepare_scales(scales, columns / CK_BLOCK, lines[l].count, &value_scales);
      value_columns(lines + l, next - l, scores + l * CK_KEY_TILE, woven, &value_scales, at,
                    columns / CK_BLOCK, &next_tile);
    }
  }
}

static void attend_int8(const ck_attention *u) {
  line lines[CK_MAX_UNIT_LINES];
  size_t start = u->split * CK_KEY_SPLIT;
  size_t end = least(start + CK_KEY_SPLIT, u->rows[u->row_count - 1].length);
  for (size_t from = start; from < end; from += CK_KEY_TILE) {
    attend_tile(u, tile_of(u, from), lines, lines_of(u, from, lines), tile_after(u, from, end));
  }
}
