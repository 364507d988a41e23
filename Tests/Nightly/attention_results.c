// Attention of some rows in every format of keys and values, whole and cut by split.
#include "kernel_inputs.h"

void attention_results(const ck_kernels *kernels);

typedef struct shape {
  size_t heads, key_heads, key_width, value_width;
  bool shares;  // the value is the start of the key
} shape;

static size_t rounded(size_t width, uint32_t format) {
  size_t unit = format == CK_KV_INT8 ? CK_BLOCK : CK_LANES;
  return (width + unit - 1) / unit * unit;
}

// Pages of one sequence, in reverse order, so that the table matters.
static uint8_t *pages(random_words *random, const ck_attention_job *job, const shape *shape,
                      size_t length, int32_t *table) {
  size_t count = (length + CK_KEY_TILE - 1) / CK_KEY_TILE;
  uint8_t *memory = zeros(count * job->page_bytes);
  float *x = zeros(4 * (shape->key_width + shape->value_width));
  for (size_t tile = 0; tile < count; tile++) table[tile] = (int32_t)(count - 1 - tile);
  for (size_t position = 0; position < length; position++) {
    uint8_t *tile = memory + (size_t)table[position / CK_KEY_TILE] * job->page_bytes;
    for (size_t head = 0; head < shape->key_heads; head++) {
      fill_floats(random, x, shape->key_width + shape->value_width);
      ck_kv_store(job->kernels, job->layout, tile, position % CK_KEY_TILE,
                  job->key_column + head * job->key_head_stride, x, shape->key_width);
      if (!shape->shares)
        ck_kv_store(job->kernels, job->layout, tile, position % CK_KEY_TILE,
                    job->value_column + head * job->value_head_stride, x + shape->key_width,
                    shape->value_width);
    }
  }
  return memory;
}

static ck_attention_job make_job(const ck_kernels *kernels, const shape *shape, uint32_t format) {
  size_t key = rounded(shape->key_width, format), value = rounded(shape->value_width, format);
  size_t columns = shape->key_heads * (shape->shares ? key : key + value);
  ck_attention_job job = {.kernels = kernels, .heads = shape->heads, .key_heads = shape->key_heads,
                          .query_stride = key, .out_stride = shape->value_width,
                          .layout = {format, columns}, .key_head_stride = key,
                          .value_column = shape->shares ? 0 : shape->key_heads * key,
                          .value_head_stride = shape->shares ? key : value, .key_width = key,
                          .value_width = value, .out_width = shape->value_width, .scale = 0.3f};
  job.page_bytes = ck_kv_tile_bytes(job.layout);
  return job;
}

// The last two positions of a sequence together, one when there is only one.
static void attend(const ck_kernels *kernels, const shape *shape, uint32_t format, size_t length,
                   bool by_split) {
  random_words random = {length + format};
  ck_attention_job job = make_job(kernels, shape, format);
  int32_t *table = zeros(4 * (length / CK_KEY_TILE + 1));
  uint8_t *memory = pages(&random, &job, shape, length, table);
  size_t count = length > 1 ? 2 : 1, out_floats = shape->heads * shape->value_width;
  float *queries = zeros(4 * count * shape->heads * job.query_stride);
  float *out = zeros(4 * count * out_floats);
  for (size_t head = 0; head < count * shape->heads; head++)
    fill_floats(&random, queries + head * job.query_stride, shape->key_width);
  job.by_split = by_split;
  job.unit_heads = shape->heads / shape->key_heads;
  ck_attention_row rows[2];
  size_t parts = 0;
  for (size_t r = 0; r < count; r++) {
    rows[r] = (ck_attention_row){.queries = queries + r * shape->heads * job.query_stride,
                                 .pages = memory, .table = table, .out = out + r * out_floats,
                                 .length = length + 1 + r - count, .first_part = parts};
    parts += ck_attention_parts(&job, rows[r].length);
  }
  ck_attention_group group = {0, count, 0};
  job.rows = rows, job.row_count = count, job.groups = &group, job.group_count = 1;
  job.parts = zeros(4 * parts * ck_attention_part(job.value_width));
  size_t elements = count * shape->heads * job.key_width;
  job.codes = zeros(elements);
  job.code_scales = zeros(4 * (elements / CK_BLOCK + 1));
  job.code_starts = zeros(4 * (elements / CK_BLOCK + 1));
  for (size_t r = 0; format == CK_KV_INT8 && r < count; r++) ck_encode_queries(&job, r);
  for (size_t u = 0; u < ck_attention_units(&job, length); u++) ck_attend_unit(&job, u);
  for (size_t i = 0; by_split && i < count * shape->heads; i++) ck_merge_splits(&job, i);
  printf("attention format %u, %zu/%zu heads of %zu, %zu positions, %s %016llx\n", format,
         shape->heads, shape->key_heads, shape->key_width, length, by_split ? "cut" : "whole",
         (unsigned long long)hash_bytes(0xcbf29ce484222325ull, out, 4 * count * out_floats));
}

void attention_results(const ck_kernels *kernels) {
  static const size_t lengths[] = {1, 2, 15, 16, 17, 63, 64, 65, 200, 1024, 1025, 2100};
  static const shape shapes[] = {
      {16, 1, 576, 512, true},   // latent attention
      {5, 1, 64, 32, true},      // an odd number of heads
      {8, 2, 128, 128, false}};  // grouped queries
  static const uint32_t formats[] = {CK_KV_F32, CK_KV_F16, CK_KV_INT8};
  for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
    for (size_t f = 0; f < 3; f++)
      for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        attend(kernels, &shapes[s], formats[f], lengths[i], false);
        attend(kernels, &shapes[s], formats[f], lengths[i], true);
      }
}
