// Attention of one row, over lengths within a tile, a split and several splits.
#include "kernel_inputs.h"

void attention_results(const ck_kernels *kernels);

static void attend(const ck_kernels *kernels, size_t heads, size_t key_heads, size_t key_width,
                   size_t value_width, size_t length) {
  size_t stride = (key_width + 15) / 16 * 16, value_stride = (value_width + 15) / 16 * 16;
  size_t cache = key_heads * stride;
  random_words random = {length};
  float *queries = zeros(4 * heads * stride), *keys = zeros(4 * length * cache);
  float *out = zeros(4 * heads * value_width);
  for (size_t head = 0; head < heads; head++)
    fill_floats(&random, queries + head * stride, key_width);
  for (size_t row = 0; row < length * key_heads; row++)
    fill_floats(&random, keys + row * stride, key_width);
  ck_attention_row row = {.queries = queries, .keys = keys, .values = keys, .key_stride = cache,
                          .value_stride = cache, .out = out, .length = length};
  size_t parts = heads * ((length + CK_KEY_SPLIT - 1) / CK_KEY_SPLIT);
  ck_attention_job job = {.kernels = kernels, .rows = &row, .row_count = 1, .heads = heads,
                          .key_heads = key_heads, .unit_heads = CK_MAX_UNIT_HEADS,
                          .query_stride = stride, .key_head_stride = stride,
                          .value_head_stride = stride, .out_stride = value_width,
                          .key_width = key_width, .value_width = value_width, .scale = 0.3f,
                          .parts = zeros(4 * parts * ck_attention_part(value_stride))};
  for (size_t unit = 0; unit < ck_attention_units(&job, length); unit++) ck_attend_unit(&job, unit);
  ck_merge_row(&job, 0);
  printf("attention %zu/%zu %zu %zu %016llx\n", heads, key_heads, key_width, length,
         (unsigned long long)hash_bytes(0xcbf29ce484222325ull, out, 4 * heads * value_width));
}

void attention_results(const ck_kernels *kernels) {
  static const size_t lengths[] = {1, 2, 15, 16, 17, 63, 64, 65, 200, 1024, 1025, 2100};
  for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
    attend(kernels, 16, 1, 576, 512, lengths[i]);  // latent attention
    attend(kernels, 5, 1, 40, 24, lengths[i]);
    attend(kernels, 8, 2, 128, 128, lengths[i]);  // grouped queries
  }
}
