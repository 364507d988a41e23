// Deterministic inputs for kernels, the same on every machine, and a hash of what comes out.
#pragma once
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "CKernels.h"

typedef struct random_words {
  uint64_t state;
} random_words;

// xorshift64*: the upper half of each output is used.
static inline uint32_t next_word(random_words *random) {
  random->state ^= random->state >> 12;
  random->state ^= random->state << 25;
  random->state ^= random->state >> 27;
  return (uint32_t)((random->state * 0x2545f4914f6cdd1dull) >> 32);
}

// Between −1 and 1, exact.
static inline float next_float(random_words *random) {
  return (float)((int32_t)(next_word(random) >> 8) - (1 << 23)) * 0x1p-23f;
}

static inline void fill_floats(random_words *random, float *out, size_t count) {
  for (size_t i = 0; i < count; i++) out[i] = next_float(random);
}

// 64-byte aligned zeros that are never freed; a run is short.
static inline void *zeros(size_t byte_count) {
  size_t rounded = (byte_count + 64 + 63) / 64 * 64;
  void *memory = aligned_alloc(64, rounded);
  if (memory == NULL) {
    fprintf(stderr, "no memory for %zu bytes\n", rounded);
    exit(1);
  }
  return memset(memory, 0, rounded);
}

// FNV-1a, 64 bits.
static inline uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t count) {
  const uint8_t *at = bytes;
  for (size_t i = 0; i < count; i++) hash = (hash ^ at[i]) * 0x100000001b3ull;
  return hash;
}

// A format of stored weights: where a block keeps its halves.
typedef struct weight_format {
  const char *name;
  uint32_t number;
  size_t elements, bytes;  // of a block
  int halves[2];           // offsets, or −1
} weight_format;

static const weight_format weight_formats[] = {
    {"f32", 0, 1, 4, {-1, -1}},          {"f16", 1, 1, 2, {-1, -1}},
    {"q4_0", 2, 32, 18, {0, -1}},        {"q4_1", 3, 32, 20, {0, 2}},
    {"q5_0", 6, 32, 22, {0, -1}},        {"q5_1", 7, 32, 24, {0, 2}},
    {"q8_0", 8, 32, 34, {0, -1}},        {"q2_k", 10, 256, 84, {80, 82}},
    {"q3_k", 11, 256, 110, {108, -1}},   {"q4_k", 12, 256, 144, {0, 2}},
    {"q5_k", 13, 256, 176, {0, 2}},      {"q6_k", 14, 256, 210, {208, -1}},
    {"iq4_nl", 20, 32, 18, {0, -1}},     {"iq4_xs", 23, 256, 136, {0, -1}},
    {"bf16", 30, 1, 2, {-1, -1}},        {"f8_e4m3", 1000, 1, 1, {-1, -1}},
};

enum { WEIGHT_FORMATS = sizeof weight_formats / sizeof weight_formats[0] };

// A half between 2^-7 and 2^-5 with a random sign.
static inline uint16_t random_half(random_words *random) {
  uint32_t word = next_word(random);
  return (uint16_t)((word & 0x8000) | (8 + (word >> 16) % 2) << 10 | (word & 0x3ff));
}

static inline void fill_blocks(random_words *random, const weight_format *format, uint8_t *raw,
                               size_t block_count) {
  for (size_t b = 0; b < block_count; b++) {
    uint8_t *block = raw + b * format->bytes;
    for (size_t i = 0; i < format->bytes; i++) block[i] = (uint8_t)next_word(random);
    for (int h = 0; h < 2; h++) {
      uint16_t half = random_half(random);
      if (format->halves[h] >= 0) memcpy(block + format->halves[h], &half, 2);
    }
    if (strcmp(format->name, "f8_e4m3") == 0 && (block[0] & 0x7f) == 0x7f) block[0] = 0x41;
    if (strcmp(format->name, "f16") == 0) {
      uint16_t half = random_half(random);
      memcpy(block, &half, 2);
    }
    float value = next_float(random);
    if (strcmp(format->name, "f32") == 0) memcpy(block, &value, 4);
    if (strcmp(format->name, "bf16") == 0) memcpy(block, (const uint8_t *)&value + 2, 2);
  }
}

// A packed matrix with its inputs and a task that multiplies them.
typedef struct product {
  ck_task task;
  ck_plan plan;
  float *out;
  size_t chunk_count;
} product;

static inline size_t row_bytes(const weight_format *format, size_t columns) {
  return columns / format->elements * format->bytes;
}

static inline const uint8_t *packed_panels(random_words *random, const weight_format *format,
                                           size_t rows, size_t columns, size_t panel_bytes) {
  size_t panels = (rows + CK_LANES - 1) / CK_LANES, bytes = row_bytes(format, columns);
  uint8_t *raw = zeros(rows * bytes), *packed = zeros(panels * panel_bytes);
  fill_blocks(random, format, raw, rows * columns / format->elements);
  for (size_t p = 0; p < panels; p++) {
    size_t left = rows - p * CK_LANES;
    ck_pack_panel(format->number, columns, raw + p * CK_LANES * bytes,
                  left < CK_LANES ? left : CK_LANES, packed + p * panel_bytes);
  }
  return packed;
}

// `count` activation rows in the format that the weights take.
static inline void set_activations(random_words *random, const ck_kernels *kernels, ck_task *task,
                                   size_t columns, size_t count, bool int8) {
  float *x = zeros(count * columns * sizeof(float));
  fill_floats(random, x, count * columns);
  task->row_count = count;
  task->x = (const uint8_t *)x;
  task->x_stride = columns * sizeof(float);
  if (!int8) return;
  size_t stride = columns + columns / CK_BLOCK * 2;
  uint8_t *codes = zeros(count * stride);
  ck_block *blocks = zeros(count * columns / CK_BLOCK * sizeof(ck_block));
  ck_rows job = {.kernels = kernels, .rows = count, .chunk_rows = count, .columns = columns,
                 .a = x, .a_stride = columns, .encoded = codes, .encoded_stride = stride,
                 .blocks = blocks, .blocks_stride = columns / CK_BLOCK};
  ck_encode_int8_rows(&job, 0);
  task->x = codes;
  task->x_stride = stride;
  task->x_blocks = blocks;
  task->x_blocks_stride = columns / CK_BLOCK;
}

// `rows` × `columns` weights times `count` rows, all in one chunk; `product` must stay in place.
static inline void make_product(product *product, const ck_kernels *kernels,
                                const weight_format *format, size_t rows, size_t columns,
                                size_t count) {
  random_words random = {0x9e3779b97f4a7c15ull + format->number};
  ck_task *task = &product->task;
  *task = (ck_task){.format = format->number, .rows = rows, .columns = columns};
  task->panel_bytes = ck_panel_bytes(format->number, columns);
  task->panels = packed_panels(&random, format, rows, columns, task->panel_bytes);
  if (format->number == 1000) {
    size_t scales = (rows + 127) / 128 * ((columns + 127) / 128);
    float *values = zeros(scales * sizeof(float));
    fill_floats(&random, values, scales);
    task->block_scales = values;
  }
  set_activations(&random, kernels, task, columns, count, ck_takes_int8(format->number));
  product->out = zeros(count * rows * sizeof(float));
  task->out = product->out;
  task->out_stride = rows;
  task->x_indices = task->out_indices = -1;
  task->chunk_panels = (rows + CK_LANES - 1) / CK_LANES;
  task->chunk_rows = count;
  product->plan = (ck_plan){.kernels = kernels, .tasks = task, .task_count = 1};
}

static inline const ck_kernels *kernels_named(const char *name) {
  if (strcmp(name, "scalar") == 0) return ck_kernels_scalar();
  if (strcmp(name, "avx2") == 0) return ck_kernels_avx2();
  if (strcmp(name, "avx512") == 0) return ck_kernels_avx512();
  if (strcmp(name, "neon") == 0) return ck_kernels_neon();
  return NULL;
}
