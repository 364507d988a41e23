// Runs every kernel of one variant on deterministic inputs and prints a hash of each result.
//
//     kernel_results VARIANT
//
// Two variants agree exactly when their output does, whatever machine they ran on.
#include "kernel_inputs.h"

void attention_results(const ck_kernels *kernels);

static void print(const char *name, size_t a, size_t b, const void *bytes, size_t count) {
  printf("%s %zu %zu %016llx\n", name, a, b,
         (unsigned long long)hash_bytes(0xcbf29ce484222325ull, bytes, count));
}

// Products of every format, over tiles of one, few and many rows, and a last panel that is not full.
static void product_results(const ck_kernels *kernels) {
  static const size_t counts[] = {1, 2, 3, 5, 8, 13, 64, 70};
  for (size_t f = 0; f < WEIGHT_FORMATS; f++)
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++)
      for (size_t columns = 256; columns <= 768; columns += 512) {
        product product;
        make_product(&product, kernels, &weight_formats[f], 43, columns, counts[c]);
        ck_run_chunk(&product.plan, 0);
        print(weight_formats[f].name, columns, counts[c], product.out,
              counts[c] * 43 * sizeof(float));
      }
}

// Operations on rows, over lengths with and without a rest.
static void row_results(const ck_kernels *k, size_t n) {
  random_words random = {n};
  float *x = zeros(4 * n), *y = zeros(4 * n), *out = zeros(4 * n);
  fill_floats(&random, x, n);
  fill_floats(&random, y, n);
  k->rms_norm(x, y, n, 1e-6f, out);
  print("rms_norm", n, 0, out, 4 * n);
  k->silu_multiply(x, y, n, out);
  print("silu_multiply", n, 0, out, 4 * n);
  memcpy(out, x, 4 * n);
  k->softmax(out, n);
  print("softmax", n, 0, out, 4 * n);
  memcpy(out, x, 4 * n);
  k->sigmoid(out, n);
  print("sigmoid", n, 0, out, 4 * n);
  memcpy(out, x, 4 * n);
  for (size_t i = 0; i < n; i++) out[i] *= 90;
  k->exponential(out, n);
  print("exponential", n, 0, out, 4 * n);
  memcpy(out, x, 4 * n);
  k->add(out, y, n);
  k->add_scaled(out, 0.3f, y, n);
  k->multiply(out, 1.7f, n);
  print("add", n, 0, out, 4 * n);
  float dot = k->dot(x, y, n);
  print("dot", n, 0, &dot, 4);
  uint64_t highest = k->argmax(x, n);
  print("argmax", n, 0, &highest, 8);
}

static void choice_results(const ck_kernels *k, size_t n) {
  random_words random = {n + 3};
  float *x = zeros(4 * n), *y = zeros(4 * n), bounds[2];
  fill_floats(&random, x, n);
  for (size_t i = 0; i < n; i++) x[i] *= 9;
  for (size_t i = 5; i < n; i += 13) x[i] = i % 2 ? __builtin_nanf("") : __builtin_inff();
  k->copy_logits(x, n, y, bounds, bounds + 1);
  print("copy_logits", n, 0, y, 4 * n);
  print("bounds", n, 0, bounds, sizeof bounds);
  uint64_t first = k->first_at_least(x, n, 5);
  print("first_at_least", n, 0, &first, 8);
  for (size_t i = 0; i < n; i++) y[i] = y[i] > 9 ? 9 : y[i];
  ck_weighing weighing = {9, 1.3f, -8, 8.5f};
  uint64_t total = k->weigh(&weighing, y, n), *buckets = zeros(8 * CK_BUCKETS);
  print("weigh", n, 0, &total, 8);
  k->spread(&weighing, 200, y, n, buckets);
  print("spread", n, 0, buckets, 8 * CK_BUCKETS);
  int32_t indices[8] = {0};
  uint64_t found = k->gather(&weighing, 2, y, n, 7, indices, 8, bounds, bounds + 1);
  print("gather", n, found, indices, sizeof indices);
  print("bounds", n, found, bounds, sizeof bounds);
}

static void rotation_results(const ck_kernels *k, size_t pairs) {
  random_words random = {pairs};
  float *x = zeros(8 * pairs), *y = zeros(8 * pairs), *cosines = zeros(4 * pairs);
  float *sines = zeros(4 * pairs);
  fill_floats(&random, x, 2 * pairs);
  memcpy(y, x, 8 * pairs);
  fill_floats(&random, cosines, pairs);
  fill_floats(&random, sines, pairs);
  k->rotate_interleaved(x, cosines, sines, pairs);
  k->rotate_halves(y, cosines, sines, pairs);
  print("rotate_interleaved", pairs, 0, x, 8 * pairs);
  print("rotate_halves", pairs, 0, y, 8 * pairs);
}

static void encoding_results(const ck_kernels *k, size_t n) {
  random_words random = {n + 7};
  size_t padded = (n + CK_BLOCK - 1) / CK_BLOCK * CK_BLOCK, blocks = padded / CK_BLOCK;
  float *x = zeros(4 * padded), *scales = zeros(4 * blocks), *sum = zeros(4 * padded);
  fill_floats(&random, x, n);
  int16_t *wide = zeros(2 * padded);
  k->encode_int16(x, n, wide, scales);
  print("encode_int16 codes", n, 0, wide, 2 * padded);
  print("encode_int16 scales", n, 0, scales, 4 * blocks);
  k->add_int16(wide, scales, n, sum);
  k->add_int16(wide, scales, n, sum);
  print("add_int16", n, 0, sum, 4 * n);
  if (n % CK_BLOCK != 0) return;
  int8_t *codes = zeros(n);
  uint16_t *halves = zeros(2 * blocks);
  ck_block *derived = zeros(blocks * sizeof(ck_block));
  k->encode_int8(x, n, codes, halves);
  print("encode_int8 codes", n, 0, codes, n);
  print("encode_int8 scales", n, 0, halves, 2 * blocks);
  uint64_t valid = k->derive_blocks(codes, halves, n, derived);
  print("derive_blocks", n, valid, derived, blocks * sizeof(ck_block));
  codes[n / 2] = -128;
  valid = k->derive_blocks(codes, halves, n, derived);
  print("derive_blocks of a refused code", n, valid, &valid, 8);
}

int main(int count, char **arguments) {
  const ck_kernels *kernels = count == 2 ? kernels_named(arguments[1]) : NULL;
  if (kernels == NULL) {
    fprintf(stderr, "usage: kernel_results scalar|avx2|avx512|neon, which must run here\n");
    return 2;
  }
  product_results(kernels);
  for (size_t n = 1; n <= 129; n += n < 34 ? 1 : 19) row_results(kernels, n);
  row_results(kernels, 5120);
  for (size_t n = 1; n <= 3000; n += n < 34 ? 1 : 989) choice_results(kernels, n);
  for (size_t pairs = 1; pairs <= 64; pairs += pairs < 18 ? 1 : 23) rotation_results(kernels, pairs);
  for (size_t n = 1; n <= 160; n += n < 34 ? 1 : 9) encoding_results(kernels, n);
  for (size_t n = 32; n <= 2048; n *= 2) encoding_results(kernels, n);
  attention_results(kernels);
  return 0;
}
