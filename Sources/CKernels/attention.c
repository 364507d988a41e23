// Attention of many rows: units of (rows of a sequence, heads that share keys, splits).
#include <string.h>

#include "CKernels.h"

static size_t splits_of(size_t length) { return (length + CK_KEY_SPLIT - 1) / CK_KEY_SPLIT; }

// ---------------------------------------------------------------- tiles

size_t ck_kv_tile_bytes(ck_kv_layout layout) {
  size_t elements = CK_KEY_TILE * layout.columns;
  if (layout.format == CK_KV_F32) return elements * sizeof(float);
  if (layout.format == CK_KV_F16) return elements * sizeof(uint16_t);
  return elements + elements / CK_BLOCK * sizeof(uint16_t);
}

// Codes and scales of up to 32 columns of one position.
static void store_block(const ck_kernels *kernels, ck_kv_layout layout, uint8_t *tile,
                        size_t position, size_t column, const float *x) {
  int8_t codes[CK_BLOCK];
  uint16_t scale;
  kernels->encode_int8(x, CK_BLOCK, codes, &scale);
  size_t panel = position / CK_LANES, lane = position % CK_LANES;
  uint8_t *out = tile + (panel * layout.columns + column) * CK_LANES + 4 * lane;
  for (size_t group = 0; group < CK_BLOCK / 4; group++) {
    uint32_t four;
    memcpy(&four, codes + 4 * group, 4);
    four ^= 0x80808080;
    memcpy(out + 64 * group, &four, 4);
  }
  uint8_t *scales = tile + CK_KEY_TILE * layout.columns;
  memcpy(scales + 2 * (column / CK_BLOCK * CK_KEY_TILE + position), &scale, 2);
}

void ck_kv_store(const ck_kernels *kernels, ck_kv_layout layout, uint8_t *tile, size_t position,
                 size_t column, const float *x, size_t width) {
  size_t element = position * layout.columns + column;
  if (layout.format == CK_KV_F32) {
    memcpy(tile + element * sizeof(float), x, width * sizeof(float));
  } else if (layout.format == CK_KV_F16) {
    kernels->encode_half(x, width, (uint16_t *)(void *)(tile + element * sizeof(uint16_t)));
  } else {
    size_t at = 0;
    for (; at + CK_BLOCK <= width; at += CK_BLOCK)
      store_block(kernels, layout, tile, position, column + at, x + at);
    if (at == width) return;
    float rest[CK_BLOCK] = {0};
    memcpy(rest, x + at, (width - at) * sizeof(float));
    store_block(kernels, layout, tile, position, column + at, rest);
  }
}

// ---------------------------------------------------------------- parts

size_t ck_attention_part(size_t value_width) {
  return (value_width + CK_LANES - 1) / CK_LANES * CK_LANES + CK_LANES;
}

size_t ck_attention_parts(const ck_attention_job *job, size_t length) {
  size_t splits = splits_of(length);
  return job->heads * (job->by_split || splits < 2 ? splits : 2);
}

// Where (row, head, split) keeps its sums: without cutting by split, the first split is the total
// and all others share a place.
static float *part_of(const ck_attention_job *job, const ck_attention_row *row, size_t head,
                      size_t split) {
  size_t per_head = ck_attention_parts(job, row->length) / job->heads;
  size_t place = job->by_split || split == 0 ? split : 1;
  size_t index = row->first_part + head * per_head + place;
  return job->parts + index * ck_attention_part(job->value_width);
}

static void merge(const ck_attention_job *job, float *total, const float *part) {
  size_t width = job->value_width;
  job->kernels->merge_attention(total + width, total + width + 1, total, part[width],
                                part[width + 1], part, width);
}

static void finish(const ck_attention_job *job, const ck_attention_row *row, size_t head,
                   float *total) {
  job->kernels->multiply(total, 1.0f / total[job->value_width + 1], job->value_width);
  memcpy(row->out + head * job->out_stride, total, job->out_width * sizeof(float));
}

// ---------------------------------------------------------------- units

// Blocks of heads that share a key head and a unit.
static size_t blocks_per_key_head(const ck_attention_job *job) {
  size_t group = job->heads / job->key_heads;
  return (group + job->unit_heads - 1) / job->unit_heads;
}

size_t ck_attention_units(const ck_attention_job *job, size_t length) {
  return (job->by_split ? splits_of(length) : 1) * job->key_heads * blocks_per_key_head(job);
}

// The last group whose first unit is not after `unit`.
static const ck_attention_group *group_of(const ck_attention_job *job, size_t unit) {
  size_t low = 0, high = job->group_count;
  while (high - low > 1) {
    size_t middle = low + (high - low) / 2;
    if (job->groups[middle].first_unit <= unit)
      low = middle;
    else
      high = middle;
  }
  return job->groups + low;
}

// One split of some heads of those rows of a group that reach into it.
static void attend_split(const ck_attention_job *job, const ck_attention_group *group, size_t head,
                         size_t heads, size_t split) {
  const ck_attention_row *row = job->rows + group->first_row, *end = row + group->row_count;
  while (row < end && row->length <= split * CK_KEY_SPLIT) row++;
  // Rows of a group may differ in how many splits, and so parts, they have.
  while (row < end) {
    const ck_attention_row *last = row;
    size_t per_head = ck_attention_parts(job, row->length);
    while (last + 1 < end && ck_attention_parts(job, last[1].length) == per_head) last++;
    ck_attention call = {
        .job = job,
        .rows = row,
        .row_count = (size_t)(last + 1 - row),
        .head = head,
        .heads = heads,
        .split = split,
        .parts = part_of(job, row, head, split),
        .row_stride = per_head * ck_attention_part(job->value_width),
        .head_stride = per_head / job->heads * ck_attention_part(job->value_width),
    };
    job->kernels->attend(&call);
    row = last + 1;
  }
}

void ck_attend_unit(const ck_attention_job *job, size_t unit) {
  const ck_attention_group *group = group_of(job, unit);
  const ck_attention_row *first = job->rows + group->first_row, *end = first + group->row_count;
  size_t sharing = job->heads / job->key_heads;
  size_t blocks = blocks_per_key_head(job), index = unit - group->first_unit;
  size_t block = index % blocks, key_head = index / blocks % job->key_heads;
  size_t start = block * job->unit_heads;
  size_t heads = sharing - start < job->unit_heads ? sharing - start : job->unit_heads;
  size_t head = key_head * sharing + start;
  if (job->by_split) {
    attend_split(job, group, head, heads, index / blocks / job->key_heads);
    return;
  }
  for (size_t split = 0; split < splits_of(end[-1].length); split++) {
    attend_split(job, group, head, heads, split);
    for (const ck_attention_row *row = first; row < end; row++)
      for (size_t h = head; split > 0 && row->length > split * CK_KEY_SPLIT && h < head + heads;
           h++)
        merge(job, part_of(job, row, h, 0), part_of(job, row, h, split));
  }
  for (const ck_attention_row *row = first; row < end; row++)
    for (size_t h = head; h < head + heads; h++) finish(job, row, h, part_of(job, row, h, 0));
}

void ck_merge_splits(const ck_attention_job *job, size_t index) {
  const ck_attention_row *row = job->rows + index / job->heads;
  size_t head = index % job->heads;
  float *total = part_of(job, row, head, 0);
  for (size_t split = 1; split < splits_of(row->length); split++)
    merge(job, total, part_of(job, row, head, split));
  finish(job, row, head, total);
}

void ck_encode_queries(const ck_attention_job *job, size_t index) {
  const ck_attention_row *row = job->rows + index;
  size_t blocks = job->key_width / CK_BLOCK;
  for (size_t head = 0; head < job->heads; head++) {
    size_t place = index * job->heads + head;
    const float *x = row->queries + head * job->query_stride;
    int8_t *codes = job->codes + place * job->key_width;
    for (size_t b = 0; b < blocks; b++) {
      uint16_t half;
      ck_block block;
      job->kernels->encode_int8(x + CK_BLOCK * b, CK_BLOCK, codes + CK_BLOCK * b, &half);
      job->kernels->derive_blocks(codes + CK_BLOCK * b, &half, CK_BLOCK, &block);
      job->code_scales[place * blocks + b] = block.scale * job->scale;
      job->code_starts[place * blocks + b] = 128 * block.negative_sum;
    }
  }
}
