// Attention of many rows: units of (row, some heads, one split), merged in ascending split order.
#include <string.h>

#include "CKernels.h"

static size_t padded(size_t width) { return (width + CK_LANES - 1) / CK_LANES * CK_LANES; }

static size_t splits_of(size_t length) { return (length + CK_KEY_SPLIT - 1) / CK_KEY_SPLIT; }

size_t ck_attention_part(size_t value_width) { return padded(value_width) + CK_LANES; }

// Blocks of heads that share a key head and a unit.
static size_t blocks_per_key_head(const ck_attention_job *job) {
  size_t group = job->heads / job->key_heads;
  return (group + job->unit_heads - 1) / job->unit_heads;
}

size_t ck_attention_units(const ck_attention_job *job, size_t length) {
  return splits_of(length) * job->key_heads * blocks_per_key_head(job);
}

// The last row whose first unit is not after `unit`.
static const ck_attention_row *row_of(const ck_attention_job *job, size_t unit) {
  size_t low = 0, high = job->row_count;
  while (high - low > 1) {
    size_t middle = low + (high - low) / 2;
    if (job->rows[middle].first_unit <= unit)
      low = middle;
    else
      high = middle;
  }
  return job->rows + low;
}

// Where (head, split) of a row keeps its sums; max and weight stand behind them.
static float *part_of(const ck_attention_job *job, const ck_attention_row *row, size_t head,
                      size_t split) {
  size_t index = row->first_part + head * splits_of(row->length) + split;
  return job->parts + index * ck_attention_part(job->value_width);
}

void ck_attend_unit(const ck_attention_job *job, size_t unit) {
  const ck_attention_row *row = row_of(job, unit);
  size_t width = padded(job->value_width), group = job->heads / job->key_heads;
  size_t blocks = blocks_per_key_head(job), index = unit - row->first_unit;
  size_t block = index % blocks, key_head = index / blocks % job->key_heads;
  size_t split = index / blocks / job->key_heads;
  size_t first = block * job->unit_heads;
  size_t heads = group - first < job->unit_heads ? group - first : job->unit_heads;
  size_t head = key_head * group + first, from = split * CK_KEY_SPLIT;

  _Alignas(64) float maxima[CK_MAX_UNIT_HEADS], weights[CK_MAX_UNIT_HEADS];
  ck_attention call = {
      .queries = row->queries + head * job->query_stride,
      .query_stride = job->query_stride,
      .heads = heads,
      .keys = row->keys + key_head * job->key_head_stride,
      .key_stride = row->key_stride,
      .values = row->values + key_head * job->value_head_stride,
      .value_stride = row->value_stride,
      .key_width = padded(job->key_width),
      .value_width = width,
      .from = from,
      .to = row->length - from < CK_KEY_SPLIT ? row->length : from + CK_KEY_SPLIT,
      .scale = job->scale,
      .sums = part_of(job, row, head, split),
      .sums_stride = splits_of(row->length) * ck_attention_part(job->value_width),
      .maxima = maxima,
      .weights = weights,
  };
  job->kernels->attend(&call);
  for (size_t h = 0; h < heads; h++) {
    float *part = part_of(job, row, head + h, split);
    part[width] = maxima[h];
    part[width + 1] = weights[h];
  }
}

void ck_merge_row(const ck_attention_job *job, size_t index) {
  const ck_attention_row *row = job->rows + index;
  size_t width = padded(job->value_width);
  for (size_t head = 0; head < job->heads; head++) {
    float *total = part_of(job, row, head, 0);
    for (size_t split = 1; split < splits_of(row->length); split++) {
      const float *part = part_of(job, row, head, split);
      job->kernels->merge_attention(total + width, total + width + 1, total, part[width],
                                    part[width + 1], part, width);
    }
    job->kernels->multiply(total, 1.0f / total[width + 1], width);
    memcpy(row->out + head * job->out_stride, total, job->value_width * sizeof(float));
  }
}
