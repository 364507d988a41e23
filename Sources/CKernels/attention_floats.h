// Attention on float32 and float16 tiles; a half counts as the float it stands for.
//
// A score is a 16-lane dot, folded, times the scale; a tile's weights are summed in 16 lanes by
// position mod 16.

// Rows of a tile from one column on, `stride` bytes apart.
typedef struct {
  const uint8_t *base;
  size_t stride;
  bool halves;  // a constant wherever it is inlined
} tile_rows;

INLINE size_t element_bytes(bool halves) { return halves ? sizeof(uint16_t) : sizeof(float); }

INLINE tile_rows rows_from(const ck_attention *u, const uint8_t *tile, size_t column, bool halves) {
  return (tile_rows){tile + column * element_bytes(halves),
                     u->job->layout.columns * element_bytes(halves), halves};
}

INLINE v16f tile_load(tile_rows rows, size_t position, size_t column) {
  const void *p = rows.base + position * rows.stride + column * element_bytes(rows.halves);
  return rows.halves ? v_load_half(p) : v_load(p);
}

// A row and head of a unit that see `count` positions of a tile.
typedef struct {
  const float *query;
  float *sums;  // then the largest score and the sum of weights
  size_t count;
} float_line;

// Lines of a unit that reach into the tile at `from`; returns how many.
INLINE size_t float_lines_of(const ck_attention *u, size_t from, float_line *lines) {
  size_t used = 0;
  for (size_t row = 0; row < u->row_count; row++) {
    if (u->rows[row].length <= from) continue;
    const float *queries = u->rows[row].queries + u->head * u->job->query_stride;
    for (size_t head = 0; head < u->heads; head++)
      lines[used++] = (float_line){queries + head * u->job->query_stride, part_at(u, row, head),
                                   least(CK_KEY_TILE, u->rows[row].length - from)};
  }
  return used;
}

// Scores of a register block: some lines × keys [first, first + count).
INLINE void score_block(const ck_attention_job *job, const float_line *lines, size_t line_count,
                        tile_rows keys, size_t first, size_t count, float *scores) {
  v16f sums[SCORE_HEADS][SCORE_KEYS];
  for (size_t l = 0; l < line_count; l++)
    for (size_t j = 0; j < count; j++) sums[l][j] = v_zero();
  for (size_t at = 0; at < job->key_width; at += STEP) {
    v16f key[SCORE_KEYS];
    for (size_t j = 0; j < count; j++) key[j] = tile_load(keys, first + j, at);
    for (size_t l = 0; l < line_count; l++) {
      v16f query = v_load(lines[l].query + at);
      for (size_t j = 0; j < count; j++) sums[l][j] = v_fma(query, key[j], sums[l][j]);
    }
  }
#ifdef FOLDS_SIXTEEN
  if (line_count == SCORE_HEADS && count == SCORE_KEYS) {
    v16f all = v_mul(v_fold_16(sums[0]), v_set1(job->scale));
    store_quarters(scores + first, CK_KEY_TILE, all);
    return;
  }
#endif
  for (size_t l = 0; l < line_count; l++)
    for (size_t j = 0; j < count; j++)
      scores[l * CK_KEY_TILE + first + j] = v_fold(sums[l][j]) * job->scale;
}

// Turns a head's scores into weights; returns what earlier sums must be multiplied by.
INLINE float weigh_tile(float *scores, size_t count, float *max, float *weight) {
  float tile_max = row_maximum(scores, count);
  float most = tile_max > *max ? tile_max : *max;
  float pair[STEP] = {0};
  pair[0] = *max - most;
  exponential(pair, 1);
  v16f sum = v_zero();
  EACH_STEP(count) {
    store_step(scores + at, v_exp(v_sub(load_step(scores + at, n), v_set1(most))), n);
    sum = v_add(sum, load_step(scores + at, n));
  }
  *weight = __builtin_fmaf(*weight, pair[0], v_fold(sum));
  *max = most;
  return pair[0];
}

// sums := sums · correction + Σ weight · value, for some lines × some value vectors; of a split's
// first tile there are no sums yet.
INLINE void value_block(const float_line *lines, size_t line_count, const float *scores,
                        const float *corrections, tile_rows values, size_t at, size_t vectors,
                        bool starts) {
  v16f acc[SCORE_HEADS][SCORE_KEYS];
  for (size_t l = 0; l < line_count; l++)
    for (size_t v = 0; v < vectors; v++)
      acc[l][v] =
          starts ? v_zero() : v_mul(v_load(lines[l].sums + at + STEP * v), v_set1(corrections[l]));
  for (size_t j = 0; j < lines->count; j++) {
    v16f value[SCORE_KEYS];
    for (size_t v = 0; v < vectors; v++) value[v] = tile_load(values, j, at + STEP * v);
    for (size_t l = 0; l < line_count; l++) {
      v16f weight = v_set1(scores[l * CK_KEY_TILE + j]);
      for (size_t v = 0; v < vectors; v++) acc[l][v] = v_fma(weight, value[v], acc[l][v]);
    }
  }
  for (size_t l = 0; l < line_count; l++)
    for (size_t v = 0; v < vectors; v++) v_store(lines[l].sums + at + STEP * v, acc[l][v]);
}

// Register blocks of lines that meet the same keys one after another. A widened tile has to come from
// the second-level cache; some of its keys and the queries of so many lines stay in the first (one
// core of Emerald Rapids, prompts: 63 to 67 GMAC/s with AVX-512, 24 to 31 with AVX2).
enum { BLOCKS_ASIDE = 2 };

// One tile, for `blocks` × `line_count` lines that see the same positions.
INLINE void attend_lines(const ck_attention_job *job, const float_line *lines, size_t blocks,
                         size_t line_count, tile_rows keys, tile_rows values, bool starts,
                         upcoming *next, size_t ahead) {
  float scores[BLOCKS_ASIDE * SCORE_HEADS * CK_KEY_TILE], corrections[BLOCKS_ASIDE * SCORE_HEADS];
  size_t j = 0, at = 0, count = lines->count, end = blocks * line_count;
  for (; j + SCORE_KEYS <= count; j += SCORE_KEYS)
    for (size_t l = 0; l < end; l += line_count) {
      fetch_ahead(next, ahead);
      score_block(job, lines + l, line_count, keys, j, SCORE_KEYS, scores + l * CK_KEY_TILE);
    }
  for (; j < count; j++)
    for (size_t l = 0; l < end; l += line_count)
      score_block(job, lines + l, line_count, keys, j, 1, scores + l * CK_KEY_TILE);
  for (size_t l = 0; l < end; l++) {
    float *state = lines[l].sums + job->value_width;
    corrections[l] = weigh_tile(scores + l * CK_KEY_TILE, count, state, state + 1);
  }
  for (; at + STEP * SCORE_KEYS <= job->value_width; at += STEP * SCORE_KEYS)
    for (size_t l = 0; l < end; l += line_count)
      value_block(lines + l, line_count, scores + l * CK_KEY_TILE, corrections + l, values, at,
                  SCORE_KEYS, starts);
  for (; at < job->value_width; at += STEP)
    for (size_t l = 0; l < end; l += line_count)
      value_block(lines + l, line_count, scores + l * CK_KEY_TILE, corrections + l, values, at, 1,
                  starts);
}

// How many register blocks of lines from `l` on see the same positions, up to BLOCKS_ASIDE.
INLINE size_t blocks_alike(const float_line *lines, size_t l, size_t count) {
  size_t blocks = 0;
  for (size_t end = l + SCORE_HEADS; blocks < BLOCKS_ASIDE && end <= count; end += SCORE_HEADS) {
    if (lines[end - 1].count != lines[l].count) break;
    blocks++;
  }
  return blocks;
}

// Lines share registers whose rows are the same, or all of whose rows see the whole tile.
INLINE void attend_floats_tile(const ck_attention *u, size_t from, size_t end, tile_rows keys,
                               tile_rows values) {
  float_line lines[CK_MAX_UNIT_LINES];
  size_t count = float_lines_of(u, from, lines), l = 0;
  bool starts = from == u->split * CK_KEY_SPLIT;
  upcoming next = tile_after(u, from, end);
  // Spread over the steps of a decode row.
  size_t steps = CK_KEY_TILE / SCORE_KEYS * ((u->heads + SCORE_HEADS - 1) / SCORE_HEADS);
  size_t ahead = ck_kv_tile_bytes(u->job->layout) / steps + 64;
  while (l < count) {
    size_t blocks = blocks_alike(lines, l, count);
    if (blocks > 0)
      attend_lines(u->job, lines + l, blocks, SCORE_HEADS, keys, values, starts, &next, ahead);
    else
      attend_lines(u->job, lines + l, 1, 1, keys, values, starts, &next, ahead);
    l += blocks > 0 ? blocks * SCORE_HEADS : 1;
  }
}

// Halves of `count` positions as floats; returns where they are.
INLINE tile_rows widen(tile_rows halves, size_t count, size_t width, float *out) {
  for (size_t j = 0; j < count; j++)
    for (size_t at = 0; at < width; at += STEP)
      v_store(out + j * width + at, tile_load(halves, j, at));
  return (tile_rows){(const uint8_t *)out, width * sizeof(float), false};
}

// A unit of many lines widens a tile once instead of once for every SCORE_HEADS lines. Where a
// conversion needs the ports of multiplication that is most of the cost of halves (prompts on
// Emerald Rapids: 110 and 160 GFLOP/s; on Zen 5 it has ports of its own).
enum { WIDENED_LINES = 2 * SCORE_HEADS, WIDENED_COLUMNS = 576 + 512 };

INLINE size_t whole_steps(size_t width) { return (width + STEP - 1) / STEP * STEP; }

INLINE bool widens(const ck_attention *u) {
  return u->row_count * u->heads >= WIDENED_LINES &&
         whole_steps(u->job->key_width) + whole_steps(u->job->value_width) <= WIDENED_COLUMNS;
}

INLINE void attend_widened_tile(const ck_attention *u, size_t from, size_t end, tile_rows keys,
                                tile_rows values) {
  _Alignas(64) float floats[CK_KEY_TILE * WIDENED_COLUMNS];
  size_t key_width = whole_steps(u->job->key_width), width = whole_steps(u->job->value_width);
  size_t count = least(CK_KEY_TILE, end - from);
  tile_rows wide_keys = widen(keys, count, key_width, floats), wide_values;
  if (values.base >= keys.base && values.base + 2 * width <= keys.base + 2 * key_width) {
    wide_values = wide_keys;  // a latent vector is both
    wide_values.base += 2 * (values.base - keys.base);
  } else {
    wide_values = widen(values, count, width, floats + CK_KEY_TILE * key_width);
  }
  attend_floats_tile(u, from, end, wide_keys, wide_values);
}

INLINE void attend_tiles(const ck_attention *u, bool halves, bool widened) {
  size_t start = u->split * CK_KEY_SPLIT;
  size_t end = least(start + CK_KEY_SPLIT, u->rows[u->row_count - 1].length);
  for (size_t from = start; from < end; from += CK_KEY_TILE) {
    const uint8_t *tile = tile_of(u, from);
    tile_rows keys = rows_from(u, tile, key_column(u), halves);
    tile_rows values = rows_from(u, tile, value_column(u), halves);
    if (widened)
      attend_widened_tile(u, from, end, keys, values);
    else
      attend_floats_tile(u, from, end, keys, values);
  }
}

static void attend_floats(const ck_attention *u) { attend_tiles(u, false, false); }
static void attend_few_halves(const ck_attention *u) { attend_tiles(u, true, false); }
static void attend_many_halves(const ck_attention *u) { attend_tiles(u, true, true); }
static void attend_halves(const ck_attention *u) {
  widens(u) ? attend_many_halves(u) : attend_few_halves(u);
}
