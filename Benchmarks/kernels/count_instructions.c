// Runs one hot kernel so that its instructions can be counted; `counted` is what is counted.
//
//     count_instructions VARIANT CASE        a name of `cases`, or a format and rows: q4_k/1
//     count_instructions                     prints the cases
#include "kernel_inputs.h"

enum { COLUMNS = 2048 };

static product the_product;
static const ck_kernels *kernels;
static float *x, *y, *out;
static int8_t *codes;
static uint16_t *halves;
static ck_block *blocks;

static void run_product(void) { ck_run_chunk(&the_product.plan, 0); }
static void run_rms_norm(void) { kernels->rms_norm(x, y, COLUMNS, 1e-6f, out); }
static void run_silu(void) { kernels->silu_multiply(x, y, COLUMNS, out); }
static void run_softmax(void) { kernels->softmax(out, COLUMNS); }
static void run_add(void) { kernels->add(out, x, COLUMNS); }
static void run_dot(void) { out[0] = kernels->dot(x, y, COLUMNS); }
static void run_encode(void) { kernels->encode_int8(x, COLUMNS, codes, halves); }
static void run_derive(void) { kernels->derive_blocks(codes, halves, COLUMNS, blocks); }

static void run_weigh(void) {
  ck_weighing weighing = {1, 1, -1, 1};
  kernels->weigh(&weighing, x, COLUMNS);
}
static void run_spread(void) {
  static uint64_t buckets[CK_BUCKETS];
  ck_weighing weighing = {1, 1, -1, 1};
  kernels->spread(&weighing, (CK_BUCKETS - 1) / 2.0f, x, COLUMNS, buckets);
}

// One row of a sequence, V2-Lite's heads on one tile of keys: decoding.
enum { HEADS = 16, KEY_WIDTH = 576, VALUE_WIDTH = 512 };
static ck_attention_job attention;
static ck_attention_row attention_row;

static void run_attention(void) {
  if (attention.layout.format == CK_KV_INT8) ck_encode_queries(&attention, 0);
  ck_attend_unit(&attention, 0);
}

static void make_attention(uint32_t format) {
  static const int32_t table[1];
  static const ck_attention_group group = {.row_count = 1};
  random_words random = {9};
  attention = (ck_attention_job){
      .kernels = kernels, .rows = &attention_row, .groups = &group, .row_count = 1,
      .group_count = 1, .heads = HEADS, .key_heads = 1, .unit_heads = HEADS,
      .query_stride = KEY_WIDTH, .out_stride = VALUE_WIDTH, .layout = {format, KEY_WIDTH},
      .key_head_stride = KEY_WIDTH, .value_head_stride = KEY_WIDTH, .key_width = KEY_WIDTH,
      .value_width = VALUE_WIDTH, .out_width = VALUE_WIDTH, .scale = 0.1f};
  attention.page_bytes = ck_kv_tile_bytes(attention.layout);
  float *queries = zeros(4 * HEADS * KEY_WIDTH), *key = zeros(4 * KEY_WIDTH);
  uint8_t *page = zeros(attention.page_bytes);
  fill_floats(&random, queries, HEADS * KEY_WIDTH);
  for (size_t position = 0; position < CK_KEY_TILE; position++) {
    fill_floats(&random, key, KEY_WIDTH);
    ck_kv_store(kernels, attention.layout, page, position, 0, key, KEY_WIDTH);
  }
  attention_row = (ck_attention_row){.queries = queries, .pages = page, .table = table,
                                     .out = zeros(4 * HEADS * VALUE_WIDTH),
                                     .length = CK_KEY_TILE};
  size_t parts = ck_attention_parts(&attention, CK_KEY_TILE);
  attention.parts = zeros(4 * parts * ck_attention_part(VALUE_WIDTH));
  attention.codes = zeros(HEADS * KEY_WIDTH);
  attention.code_scales = zeros(4 * HEADS * KEY_WIDTH / CK_BLOCK);
  attention.code_starts = zeros(4 * HEADS * KEY_WIDTH / CK_BLOCK);
}

static const char *const attention_names[] = {"attention/f32", "attention/f16", "attention/int8"};
enum { ATTENTION_CASES = sizeof attention_names / sizeof attention_names[0] };

static const struct {
  const char *name;
  void (*run)(void);
} row_cases[] = {
    {"rms_norm", run_rms_norm},   {"silu_multiply", run_silu},  {"softmax", run_softmax},
    {"add", run_add},             {"dot", run_dot},             {"encode_int8", run_encode},
    {"derive_blocks", run_derive}, {"weigh", run_weigh},       {"spread", run_spread},
};
enum { ROW_CASES = sizeof row_cases / sizeof row_cases[0] };
static const size_t row_counts[] = {1, 4, 64};

// Never inlined, so that the counter can be switched on at its entry.
__attribute__((noinline)) void counted(void (*run)(void)) {
  run();
  __asm__ volatile("");
}

static void print_cases(void) {
  for (size_t f = 0; f < WEIGHT_FORMATS; f++)
    for (size_t c = 0; c < 3; c++) printf("%s/%zu\n", weight_formats[f].name, row_counts[c]);
  for (size_t c = 0; c < ROW_CASES; c++) printf("%s\n", row_cases[c].name);
  for (size_t c = 0; c < ATTENTION_CASES; c++) printf("%s\n", attention_names[c]);
}

static void make_rows(void) {
  random_words random = {7};
  x = zeros(4 * COLUMNS), y = zeros(4 * COLUMNS), out = zeros(4 * COLUMNS);
  codes = zeros(COLUMNS), halves = zeros(COLUMNS / 16);
  blocks = zeros(COLUMNS / CK_BLOCK * sizeof(ck_block));
  fill_floats(&random, x, COLUMNS);
  fill_floats(&random, y, COLUMNS);
  memcpy(out, x, 4 * COLUMNS);
  kernels->encode_int8(x, COLUMNS, codes, halves);
}

// Two panels times some rows.
static bool make_named_product(const char *name) {
  const char *slash = strchr(name, '/');
  for (size_t f = 0; slash != NULL && f < WEIGHT_FORMATS; f++) {
    const weight_format *format = &weight_formats[f];
    if (strlen(format->name) != (size_t)(slash - name)) continue;
    if (strncmp(format->name, name, (size_t)(slash - name)) != 0) continue;
    make_product(&the_product, kernels, format, 32, COLUMNS, (size_t)atoi(slash + 1));
    return true;
  }
  return false;
}

int main(int count, char **arguments) {
  if (count == 1) {
    print_cases();
    return 0;
  }
  kernels = count == 3 ? kernels_named(arguments[1]) : NULL;
  if (kernels == NULL) {
    fprintf(stderr, "usage: count_instructions scalar|avx2 CASE\n");
    return 2;
  }
  make_rows();
  for (size_t c = 0; c < ROW_CASES; c++)
    if (strcmp(row_cases[c].name, arguments[2]) == 0) {
      counted(row_cases[c].run);
      return 0;
    }
  for (uint32_t format = 0; format < ATTENTION_CASES; format++)
    if (strcmp(attention_names[format], arguments[2]) == 0) {
      make_attention(format);
      counted(run_attention);
      return 0;
    }
  if (!make_named_product(arguments[2])) return 2;
  counted(run_product);
  return 0;
}
