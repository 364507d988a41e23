// Row operations over matrices: a chunk of rows at a time, in any order.
#include <string.h>

#include "CKernels.h"

// `for` over the rows of a chunk.
#define EACH_ROW(job, chunk)                                                                       \
  for (size_t row = (chunk) * (job)->chunk_rows,                                                   \
              end = row + (job)->chunk_rows < (job)->rows ? row + (job)->chunk_rows : (job)->rows; \
       row < end; row++)

static const float *a_row(const ck_rows *job, size_t row) { return job->a + row * job->a_stride; }
static const float *b_row(const ck_rows *job, size_t row) { return job->b + row * job->b_stride; }
static float *out_row(const ck_rows *job, size_t row) { return job->out + row * job->out_stride; }

void ck_rms_norm_rows(const ck_rows *job, size_t chunk) {
  EACH_ROW(job, chunk)
  job->kernels->rms_norm(a_row(job, row), job->b, job->columns, job->scalar, out_row(job, row));
}

void ck_silu_multiply_rows(const ck_rows *job, size_t chunk) {
  EACH_ROW(job, chunk)
  job->kernels->silu_multiply(a_row(job, row), b_row(job, row), job->columns, out_row(job, row));
}

void ck_softmax_rows(const ck_rows *job, size_t chunk) {
  EACH_ROW(job, chunk) job->kernels->softmax(out_row(job, row), job->columns);
}

void ck_sigmoid_rows(const ck_rows *job, size_t chunk) {
  EACH_ROW(job, chunk) job->kernels->sigmoid(out_row(job, row), job->columns);
}

void ck_rotate_rows(const ck_rows *job, size_t chunk) {
  const ck_kernels *k = job->kernels;
  EACH_ROW(job, chunk) {
    size_t position = (size_t)job->indices[row];
    for (size_t head = 0; head < job->heads; head++)
      (job->halves ? k->rotate_halves : k->rotate_interleaved)(
          out_row(job, row) + head * job->head_stride, a_row(job, position), b_row(job, position),
          job->columns / 2);
  }
}

void ck_add_rows(const ck_rows *job, size_t chunk) {
  EACH_ROW(job, chunk) job->kernels->add(out_row(job, row), a_row(job, row), job->columns);
}

void ck_add_scaled_rows(const ck_rows *job, size_t chunk) {
  EACH_ROW(job, chunk)
  job->kernels->add_scaled(out_row(job, row), job->scalar, a_row(job, row), job->columns);
}

void ck_weighted_sum_rows(const ck_rows *job, size_t chunk) {
  EACH_ROW(job, chunk) {
    float *out = out_row(job, row);
    memset(out, 0, job->columns * sizeof(float));
    for (int32_t i = job->offsets[row]; i < job->offsets[row + 1]; i++) {
      const float *a = a_row(job, (size_t)job->indices[i]);
      if (job->weights != NULL)
        job->kernels->add_scaled(out, job->weights[i], a, job->columns);
      else
        job->kernels->add(out, a, job->columns);
    }
  }
}

void ck_copy_rows(const ck_rows *job, size_t chunk) {
  EACH_ROW(job, chunk)
  for (size_t head = 0; head < job->heads; head++)
    memcpy(out_row(job, row) + head * job->out_head_stride,
           a_row(job, row) + head * job->head_stride, job->columns / job->heads * sizeof(float));
}

void ck_encode_int8_rows(const ck_rows *job, size_t chunk) {
  size_t pieces = job->heads > 0 ? job->heads : 1, width = job->columns / pieces;
  EACH_ROW(job, chunk) {
    int8_t *codes = (int8_t *)(job->encoded + row * job->encoded_stride);
    uint16_t *scales = (uint16_t *)(codes + job->columns);
    for (size_t piece = 0; piece < pieces; piece++)
      job->kernels->encode_int8(a_row(job, row) + piece * job->head_stride, width,
                                codes + piece * width, scales + piece * (width / CK_BLOCK));
    job->kernels->derive_blocks(codes, scales, job->columns,
                                job->blocks + row * job->blocks_stride);
  }
}

// A chunk is encoded while it is in the cache.
void ck_silu_encode_rows(const ck_rows *job, size_t chunk) {
  ck_rows encoding = *job;
  encoding.a = job->out;
  encoding.a_stride = job->out_stride;
  ck_silu_multiply_rows(job, chunk);
  ck_encode_int8_rows(&encoding, chunk);
}

// Codes of an int16 row, and its scales behind them.
static int16_t *int16_row(const ck_rows *job, size_t row, float **scales) {
  uint8_t *start = job->encoded + row * job->encoded_stride;
  size_t padded = (job->columns + CK_BLOCK - 1) / CK_BLOCK * CK_BLOCK;
  *scales = (float *)(start + 2 * padded);
  return (int16_t *)start;
}

void ck_encode_int16_rows(const ck_rows *job, size_t chunk) {
  EACH_ROW(job, chunk) {
    float *scales;
    int16_t *codes = int16_row(job, row, &scales);
    job->kernels->encode_int16(a_row(job, row), job->columns, codes, scales);
  }
}

void ck_sum_int16_rows(const ck_rows *job, size_t chunk) {
  EACH_ROW(job, chunk) {
    float *out = out_row(job, row);
    memset(out, 0, job->columns * sizeof(float));
    for (int32_t i = job->offsets[row]; i < job->offsets[row + 1]; i++) {
      float *scales;
      int16_t *codes = int16_row(job, (size_t)job->indices[i], &scales);
      job->kernels->add_int16(codes, scales, job->columns, out);
    }
  }
}
