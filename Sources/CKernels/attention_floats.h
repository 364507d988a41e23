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

// Scores of a register block: heads [0, heads) × keys [first, first + count).
INLINE void score_block(const ck_attention_job *job, const float *queries, size_t heads,
                        tile_rows keys, size_t first, size_t count, float *scores) {
  v16f sums[SCORE_HEADS][SCORE_KEYS];
  for (size_t h = 0; h < heads; h++)
    for (size_t j = 0; j < count; j++) sums[h][j] = v_zero();
  for (size_t at = 0; at < job->key_width; at += STEP) {
    v16f key[SCORE_KEYS];
    for (size_t j = 0; j < count; j++) key[j] = tile_load(keys, first + j, at);
    for (size_t h = 0; h < heads; h++) {
      v16f query = v_load(queries + h * job->query_stride + at);
      for (size_t j = 0; j < count; j++) sums[h][j] = v_fma(query, key[j], sums[h][j]);
    }
  }
#ifdef FOLDS_SIXTEEN
  if (heads == SCORE_HEADS && count == SCORE_KEYS) {
    v16f all = v_mul(v_fold_16(sums[0]), v_set1(job->scale));
    store_quarters(scores + first, CK_KEY_TILE, all);
    return;
  }
#endif
  for (size_t h = 0; h < heads; h++)
    for (size_t j = 0; j < count; j++)
      scores[h * CK_KEY_TILE + first + j] = v_fold(sums[h][j]) * job->scale;
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

// sums := sums · correction + Σ weight · value, for some heads × some value vectors; of a split's
// first tile there are no sums yet.
INLINE void value_block(const ck_attention *u, const float *scores, const float *corrections,
                        size_t heads, tile_rows values, size_t at, size_t vectors, size_t count,
                        bool starts, float *sums) {
  v16f acc[SCORE_HEADS][SCORE_KEYS];
  for (size_t h = 0; h < heads; h++)
    for (size_t v = 0; v < vectors; v++)
      acc[h][v] =
          starts ? v_zero()
                 : v_mul(v_load(sums + h * u->head_stride + at + STEP * v), v_set1(corrections[h]));
  for (size_t j = 0; j < count; j++) {
    v16f value[SCORE_KEYS];
    for (size_t v = 0; v < vectors; v++) value[v] = tile_load(values, j, at + STEP * v);
    for (size_t h = 0; h < heads; h++) {
      v16f weight = v_set1(scores[h * CK_KEY_TILE + j]);
      for (size_t v = 0; v < vectors; v++) acc[h][v] = v_fma(weight, value[v], acc[h][v]);
    }
  }
  for (size_t h = 0; h < heads; h++)
    for (size_t v = 0; v < vectors; v++)
      v_store(sums + h * u->head_stride + at + STEP * v, acc[h][v]);
}

// The first `count` positions of a tile, for `heads` heads of row `row` from `head` on.
INLINE void attend_heads(const ck_attention *u, size_t row, size_t head, size_t heads,
                         tile_rows keys, tile_rows values, size_t count, bool starts,
                         upcoming *next, size_t ahead) {
  const ck_attention_job *job = u->job;
  float scores[SCORE_HEADS * CK_KEY_TILE], corrections[SCORE_HEADS];
  const float *queries = u->rows[row].queries + (u->head + head) * job->query_stride;
  size_t j = 0, at = 0;
  for (; j + SCORE_KEYS <= count; j += SCORE_KEYS) {
    fetch_ahead(next, ahead);
    score_block(job, queries, heads, keys, j, SCORE_KEYS, scores);
  }
  for (; j < count; j++) score_block(job, queries, heads, keys, j, 1, scores);
  for (size_t h = 0; h < heads; h++) {
    float *state = part_at(u, row, head + h) + job->value_width;
    corrections[h] = weigh_tile(scores + h * CK_KEY_TILE, count, state, state + 1);
  }
  float *sums = part_at(u, row, head);
  for (; at + STEP * SCORE_KEYS <= job->value_width; at += STEP * SCORE_KEYS)
    value_block(u, scores, corrections, heads, values, at, SCORE_KEYS, count, starts, sums);
  for (; at < job->value_width; at += STEP)
    value_block(u, scores, corrections, heads, values, at, 1, count, starts, sums);
}

INLINE void attend_tiles(const ck_attention *u, bool halves) {
  size_t start = u->split * CK_KEY_SPLIT;
  size_t end = least(start + CK_KEY_SPLIT, u->rows[u->row_count - 1].length);
  for (size_t from = start; from < end; from += CK_KEY_TILE) {
    const uint8_t *tile = tile_of(u, from);
    tile_rows keys = rows_from(u, tile, key_column(u), halves);
    tile_rows values = rows_from(u, tile, value_column(u), halves);
    upcoming next = tile_after(u, from, end);
    // Spread over the steps of a decode row.
    size_t steps = CK_KEY_TILE / SCORE_KEYS * ((u->heads + SCORE_HEADS - 1) / SCORE_HEADS);
    size_t ahead = ck_kv_tile_bytes(u->job->layout) / steps + 64;
    for (size_t row = 0; row < u->row_count; row++) {
      if (u->rows[row].length <= from) continue;
      size_t count = least(CK_KEY_TILE, u->rows[row].length - from), head = 0;
      for (; head + SCORE_HEADS <= u->heads; head += SCORE_HEADS)
        attend_heads(u, row, head, SCORE_HEADS, keys, values, count, from == start, &next, ahead);
      for (; head < u->heads; head++)
        attend_heads(u, row, head, 1, keys, values, count, from == start, &next, ahead);
    }
  }
}

static void attend_floats(const ck_attention *u) { attend_tiles(u, false); }
static void attend_halves(const ck_attention *u) { attend_tiles(u, true); }
