// Attention over one split of positions; included once per instruction set.
//
// Online softmax over tiles of 64 positions, ascending. Which rows, heads and keys share registers
// or a unit does not touch the order of any sum, nor do positions after a row's own.

INLINE const uint8_t *tile_of(const ck_attention *u, size_t position) {
  return u->rows->pages + (size_t)u->rows->table[position / CK_KEY_TILE] * u->job->page_bytes;
}

INLINE float *part_at(const ck_attention *u, size_t row, size_t head) {
  return u->parts + row * u->row_stride + head * u->head_stride;
}

// The first column of a unit's keys or values.
INLINE size_t key_column(const ck_attention *u) {
  const ck_attention_job *job = u->job;
  return job->key_column + u->head / (job->heads / job->key_heads) * job->key_head_stride;
}
INLINE size_t value_column(const ck_attention *u) {
  const ck_attention_job *job = u->job;
  return job->value_column + u->head / (job->heads / job->key_heads) * job->value_head_stride;
}

// Memory that is needed soon.
typedef struct {
  const uint8_t *at, *end;
} upcoming;

INLINE void fetch_ahead(upcoming *next, size_t bytes) {
  for (size_t done = 0; done < bytes && next->at < next->end; done += 64, next->at += 64)
    __builtin_prefetch(next->at, 0, 2);
}

// The tile after the one at `from`, where all of it is this unit's.
INLINE upcoming tile_after(const ck_attention *u, size_t from, size_t end) {
  if (u->job->key_heads > 1 || from + CK_KEY_TILE >= end) return (upcoming){NULL, NULL};
  const uint8_t *tile = tile_of(u, from + CK_KEY_TILE);
  return (upcoming){tile, tile + ck_kv_tile_bytes(u->job->layout)};
}

#include "attention_floats.h"
#include "attention_int8.h"

static void attend(const ck_attention *u) {
  size_t width = u->job->value_width;
  bool int8 = u->job->layout.format == CK_KV_INT8;
  for (size_t row = 0; row < u->row_count; row++)
    for (size_t head = 0; head < u->heads; head++) {
      float *part = part_at(u, row, head);
      size_t from = int8 ? 0 : width;  // floats start their sums themselves
      memset(part + from, 0, (width + CK_LANES - from) * sizeof(float));
      part[width] = -__builtin_inff();
    }
  if (int8)
    attend_int8(u);
  else if (u->job->layout.format == CK_KV_F16)
    attend_halves(u);
  else
    attend_floats(u);
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
