// Attention over one split of positions; included once per instruction set.
//
// Online softmax over tiles of 64 absolute positions, ascending. A score is a 16-lane dot, folded,
// times the scale; a tile's weights are summed in 16 lanes by position mod 16. Which heads and
// keys share registers does not touch the order of any sum.

// Scores of a register block: heads [0, heads) × keys [0, count).
INLINE void score_block(const ck_attention *u, const float *queries, size_t heads,
                        const float *keys, size_t count, float *scores) {
  v16f sums[SCORE_HEADS][SCORE_KEYS];
  for (size_t h = 0; h < heads; h++)
    for (size_t j = 0; j < count; j++) sums[h][j] = v_zero();
  for (size_t at = 0; at < u->key_width; at += STEP) {
    v16f key[SCORE_KEYS];
    for (size_t j = 0; j < count; j++) key[j] = v_load(keys + j * u->key_stride + at);
    for (size_t h = 0; h < heads; h++) {
      v16f query = v_load(queries + h * u->query_stride + at);
      for (size_t j = 0; j < count; j++) sums[h][j] = v_fma(query, key[j], sums[h][j]);
    }
  }
  for (size_t h = 0; h < heads; h++)
    for (size_t j = 0; j < count; j++) scores[h * CK_KEY_TILE + j] = v_fold(sums[h][j]) * u->scale;
}

INLINE void score_heads(const ck_attention *u, const float *queries, size_t heads,
                        const float *keys, size_t count, float *scores) {
  size_t j = 0;
  for (; j + SCORE_KEYS <= count; j += SCORE_KEYS)
    score_block(u, queries, heads, keys + j * u->key_stride, SCORE_KEYS, scores + j);
  for (; j < count; j++) score_block(u, queries, heads, keys + j * u->key_stride, 1, scores + j);
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

// sums := sums · correction + Σ weight · value, for some heads × some value vectors.
INLINE void value_block(const ck_attention *u, const float *scores, const float *corrections,
                        size_t heads, const float *values, size_t vectors, size_t count,
                        float *sums) {
  v16f acc[SCORE_HEADS][SCORE_KEYS];
  for (size_t h = 0; h < heads; h++)
    for (size_t v = 0; v < vectors; v++)
      acc[h][v] = v_mul(v_load(sums + h * u->sums_stride + STEP * v), v_set1(corrections[h]));
  for (size_t j = 0; j < count; j++) {
    v16f value[SCORE_KEYS];
    for (size_t v = 0; v < vectors; v++) value[v] = v_load(values + j * u->value_stride + STEP * v);
    for (size_t h = 0; h < heads; h++) {
      v16f weight = v_set1(scores[h * CK_KEY_TILE + j]);
      for (size_t v = 0; v < vectors; v++) acc[h][v] = v_fma(weight, value[v], acc[h][v]);
    }
  }
  for (size_t h = 0; h < heads; h++)
    for (size_t v = 0; v < vectors; v++) v_store(sums + h * u->sums_stride + STEP * v, acc[h][v]);
}

INLINE void value_heads(const ck_attention *u, const float *scores, const float *corrections,
                        size_t heads, const float *values, size_t count, float *sums) {
  size_t at = 0;
  for (; at + STEP * SCORE_KEYS <= u->value_width; at += STEP * SCORE_KEYS)
    value_block(u, scores, corrections, heads, values + at, SCORE_KEYS, count, sums + at);
  for (; at < u->value_width; at += STEP)
    value_block(u, scores, corrections, heads, values + at, 1, count, sums + at);
}

// One tile for `heads` heads from `head` on.
INLINE void attend_heads(const ck_attention *u, size_t head, size_t heads, size_t from,
                         size_t count) {
  float scores[SCORE_HEADS * CK_KEY_TILE], corrections[SCORE_HEADS];
  score_heads(u, u->queries + head * u->query_stride, heads, u->keys + from * u->key_stride, count,
              scores);
  for (size_t h = 0; h < heads; h++)
    corrections[h] =
        weigh_tile(scores + h * CK_KEY_TILE, count, u->maxima + head + h, u->weights + head + h);
  value_heads(u, scores, corrections, heads, u->values + from * u->value_stride, count,
              u->sums + head * u->sums_stride);
}

static void attend(const ck_attention *u) {
  for (size_t h = 0; h < u->heads; h++) {
    u->maxima[h] = -__builtin_inff();
    u->weights[h] = 0;
    memset(u->sums + h * u->sums_stride, 0, u->value_width * sizeof(float));
  }
  for (size_t from = u->from; from < u->to; from += CK_KEY_TILE) {
    size_t count = least(CK_KEY_TILE, u->to - from), head = 0;
    for (; head + SCORE_HEADS <= u->heads; head += SCORE_HEADS)
      attend_heads(u, head, SCORE_HEADS, from, count);
    for (; head < u->heads; head++) attend_heads(u, head, 1, from, count);
  }
}

static void merge_attention(float *max, float *weight, float *sums, float part_max,
                            float part_weight, const float *part_sums, size_t width) {
  float most = part_max > *max ? part_max : *max;
  float factors[STEP] = {0};
  factors[0] = *max - most;
  factors[1] = part_max - most;
  exponential(factors, 2);
  float scaled = part_weight * factors[1];
  *weight = __builtin_fmaf(*weight, factors[0], scaled);
  *max = most;
  v16f old = v_set1(factors[0]), new = v_set1(factors[1]);
  EACH_STEP(width) {
    v16f kept = v_mul(load_step(sums + at, n), old);
    store_step(sums + at, v_fma(load_step(part_sums + at, n), new, kept), n);
  }
}
