// The compute kernels of Conclave: one table of functions per instruction set, bit-identical
// results.
//
// Rules that every variant obeys, so that a cluster may mix machines:
// - a lane is a row: sixteen rows of a matrix form a panel, and no sum ever crosses lanes;
// - integer dots are exact; float sums have one order and use fused multiply-add;
// - sums along a row (norms, softmax, scores) have 16 lanes by index mod 16, folded +8, +4, +2, +1;
// - no libm: `exp` is a polynomial of ours.
#ifndef CONCLAVE_CKERNELS_H
#define CONCLAVE_CKERNELS_H

#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  CK_LANES = 16,          // rows of a panel, lanes of a float sum
  CK_BLOCK = 32,          // elements of an activation block
  CK_TILE_ROWS = 64,      // activation rows of one kernel call: their sums stay in L1
  CK_KEY_TILE = 64,       // positions of one step of the online softmax
  CK_KEY_SPLIT = 1024,    // positions of one independent part of an attention row
  CK_MAX_UNIT_LINES = 64  // rows × heads of one attention unit
};

// ---------------------------------------------------------------- formats and panels

// Bytes of one panel (16 rows × `columns`) of GGUF type `format`; 0 for an unknown format.
size_t ck_panel_bytes(uint32_t format, size_t columns);

// Bytes of one row as it stands in a file.
size_t ck_row_bytes(uint32_t format, size_t columns);

// Whether the format has a kernel of its own on int8 activation blocks.
bool ck_takes_int8(uint32_t format);

// Whether weights are decoded into floats while multiplying.
bool ck_decodes_on_the_fly(uint32_t format);

// Rearranges up to 16 raw rows, `row_count` of them, into one panel; missing rows become zeros.
void ck_pack_panel(uint32_t format, size_t columns, const uint8_t *rows, size_t row_count,
                   uint8_t *panel);

// The inverse of `ck_pack_panel` for one lane: the row's bytes as they stood in the file.
void ck_unpack_row(uint32_t format, size_t columns, const uint8_t *panel, size_t lane,
                   uint8_t *row);

// Reference dequantisation of whole blocks, `count` elements; false for an unknown format.
bool ck_decode(uint32_t format, const uint8_t *raw, size_t count, float *out);

float ck_float_from_half(uint16_t half);
uint16_t ck_half_from_float(float value);

// ---------------------------------------------------------------- activations

// What kernels want to know about 32 activation codes, derived from the wire bytes.
typedef struct ck_block {
  float scale;            // d
  float scaled_sum;       // d · Σ codes, for formats with a minimum
  int32_t negative_sum;   // −Σ codes, start of a dot with biased weight codes
  int32_t negative_half;  // −Σ of the first 16 codes
} ck_block;

// ---------------------------------------------------------------- keys and values

// How keys and values are stored.
enum { CK_KV_F32 = 0, CK_KV_F16 = 1, CK_KV_INT8 = 2 };

// One layer's share of a page: CK_KEY_TILE positions × `columns`.
//
// Floats and halves: a row per position. Int8: four panels of 16 positions; of each panel, groups
// of four columns, 16 positions × 4 codes plus 128; then for each block of 32 columns the scales of
// all positions, as halves. Columns are a multiple of 16, for int8 of 32.
typedef struct ck_kv_layout {
  uint32_t format;
  size_t columns;
} ck_kv_layout;

size_t ck_kv_tile_bytes(ck_kv_layout layout);

// ---------------------------------------------------------------- attention

typedef struct ck_attention_job ck_attention_job;
typedef struct ck_attention_row ck_attention_row;

// Rows of one sequence, ascending, and heads that share a key head, over one split of positions.
//
// The part of row r and head h is parts + r · row_stride + h · head_stride: sums (value width,
// padded), the largest score, the sum of weights.
typedef struct ck_attention {
  const ck_attention_job *job;
  const ck_attention_row *rows;  // each reaches into the split
  size_t row_count;
  size_t head, heads;  // row_count · heads is at most CK_MAX_UNIT_LINES
  size_t split;
  float *parts;
  size_t row_stride, head_stride;
} ck_attention;

// ---------------------------------------------------------------- choosing a token

enum { CK_BUCKETS = 1 << 12, CK_WEIGHT_BITS = 38 };

// The weight of a logit: 2^CK_WEIGHT_BITS · e^((logit − peak) · sharpness), to the nearest; zero
// outside of minimum ... maximum. No logit is above the peak.
typedef struct ck_weighing {
  float peak, sharpness;
  float minimum, maximum;
} ck_weighing;

// ---------------------------------------------------------------- the table

// `panels` adjacent panels times `rows` int8 rows. Activations stand block by block, and within a
// block row by row: codes is (columns / 32) × rows × 32, blocks (columns / 32) × rows. `out` is
// rows × panels × 16, 64-byte aligned; several rows may go on from the sums of earlier columns.
typedef void ck_quantised_kernel(const uint8_t *panel, size_t panel_bytes, size_t panels,
                                 size_t columns, const int8_t *codes, const ck_block *blocks,
                                 size_t rows, bool continues, float *out);

// A panel times `count` float rows: state is count × 4 chains × 16, in and out, 64-byte aligned.
typedef void ck_float_kernel(const uint8_t *panel, size_t columns, const float *const *rows,
                             size_t count, float *state);

// Columns [column, column + count) of a panel, times `factor`, as a panel of floats. `column` is a
// multiple of 256 and so is `count`, or for F8_E4M3 of 4 and any.
typedef void ck_decoder(const uint8_t *panel, size_t column, size_t count, float factor,
                        float *tile);

// Every function that exists once per instruction set.
typedef struct ck_kernels {
  const char *name;
  ck_quantised_kernel *q4_0, *q4_1, *q5_0, *q5_1, *q8_0, *iq4_nl;
  ck_quantised_kernel *q4_k, *q5_k, *q6_k, *iq4_xs;
  ck_float_kernel *f32, *f16, *bf16;
  ck_decoder *decode_q2_k, *decode_q3_k, *decode_f8_e4m3;
  // (a0 + a1) + (a2 + a3) of each row's four chains: count × 16.
  void (*fold_chains)(const float *state, size_t count, float *out);

  // Activation codes (columns), their halves (columns / 32) and what is derived from them.
  void (*encode_int8)(const float *x, size_t columns, int8_t *codes, uint16_t *scales);
  // False when a code is −128 or a scale is not finite: nobody encodes that.
  bool (*derive_blocks)(const int8_t *codes, const uint16_t *scales, size_t columns,
                        ck_block *blocks);
  // Reply codes, zero-padded to whole blocks of 32, and a float scale per block.
  void (*encode_int16)(const float *x, size_t columns, int16_t *codes, float *scales);
  void (*add_int16)(const int16_t *codes, const float *scales, size_t columns, float *sum);

  void (*rms_norm)(const float *x, const float *weight, size_t columns, float epsilon, float *out);
  void (*silu_multiply)(const float *gate, const float *up, size_t columns, float *out);
  void (*softmax)(float *x, size_t columns);
  void (*sigmoid)(float *x, size_t columns);
  void (*exponential)(float *x, size_t columns);
  // Pairs (x[2j], x[2j+1]) or (x[j], x[j + pairs]) turned by the angle of cosines[j], sines[j].
  void (*rotate_interleaved)(float *x, const float *cosines, const float *sines, size_t pairs);
  void (*rotate_halves)(float *x, const float *cosines, const float *sines, size_t pairs);
  void (*add)(float *sum, const float *x, size_t columns);
  void (*add_scaled)(float *sum, float scale, const float *x, size_t columns);
  void (*multiply)(float *x, float scale, size_t columns);
  float (*dot)(const float *a, const float *b, size_t columns);
  size_t (*argmax)(const float *x, size_t columns);
  // The largest element, −∞ when none is ordered; the first that is at least `limit`, or `columns`.
  float (*maximum)(const float *x, size_t columns);
  size_t (*first_at_least)(const float *x, size_t columns, float limit);

  // NaN becomes −∞ and ∞ the largest float; the extremes of what is above −∞ (∞ and −∞ if nothing).
  void (*copy_logits)(const float *x, size_t count, float *out, float *lowest, float *highest);
  // The sum of weights.
  uint64_t (*weigh)(const ck_weighing *weighing, const float *x, size_t count);
  // Adds each weight to bucket (maximum − logit) · scale, to the nearest; minimum's must exist.
  void (*spread)(const ck_weighing *weighing, float scale, const float *x, size_t count,
                 uint64_t *buckets);
  // How many logits such a bucket has, the first `room` of their indices, and their extremes.
  size_t (*gather)(const ck_weighing *weighing, float scale, const float *x, size_t count,
                   size_t bucket, int32_t *indices, size_t room, float *lowest, float *highest);

  // Halves to nearest, at most 65504.
  void (*encode_half)(const float *x, size_t columns, uint16_t *halves);

  void (*attend)(const ck_attention *unit);
  // total := total ⊕ part, both (max, weight, sums).
  void (*merge_attention)(float *max, float *weight, float *sums, float part_max, float part_weight,
                          const float *part_sums, size_t width);
} ck_kernels;

// The tables, or NULL where the processor (or the build) lacks the instructions.
const ck_kernels *ck_kernels_scalar(void);
const ck_kernels *ck_kernels_avx2(void);
const ck_kernels *ck_kernels_avx512(void);
const ck_kernels *ck_kernels_neon(void);

// ---------------------------------------------------------------- matrix products

// One product: rows of activations × a packed matrix → rows of output, in chunks of some panels ×
// some activation rows.
typedef struct ck_task {
  const uint8_t *panels;
  size_t panel_bytes;
  const float *block_scales;         // F8_E4M3: one per 128 × 128 elements, else NULL
  size_t rows, columns;              // of the matrix
  const uint8_t *x;                  // codes or floats of row 0, column offset included
  size_t x_stride;                   // bytes
  const ck_block *x_blocks;          // int8 only
  size_t x_blocks_stride;            // blocks
  float *out;                        // row 0, column offset included
  size_t out_stride;                 // floats
  size_t row_count;                  // activation rows
  size_t x_first, out_first;         // first rows, when there are no indices
  ptrdiff_t x_indices, out_indices;  // where in the plan's indices, or -1
  size_t first_chunk, chunk_panels, chunk_rows;
  uint32_t format;
} ck_task;

// Tasks that run as one parallel region.
typedef struct ck_plan {
  const ck_kernels *kernels;
  const ck_task *tasks;
  const int32_t *indices;
  size_t task_count;
} ck_plan;

// Computes chunk `chunk` of the plan; chunks may run in any order and at the same time.
void ck_run_chunk(const ck_plan *plan, size_t chunk);

// ---------------------------------------------------------------- rows

// An operation on every row of a matrix, run in chunks of rows; what is unused stays zero.
typedef struct ck_rows {
  const ck_kernels *kernels;
  size_t rows, chunk_rows, columns;
  const float *a, *b;  // inputs, strides in floats
  size_t a_stride, b_stride;
  float *out;
  size_t out_stride;
  float scalar;
  size_t heads, head_stride;  // rotary, copies, encoded rows: pieces of a row; 0 heads: the row
  size_t out_head_stride;     // copies
  bool halves;                // rotary: pairs (j, j + pairs) instead of (2j, 2j + 1)
  const int32_t *indices;     // rotary: table row of each row; sums: rows of a to add
  const int32_t *offsets;     // sums: row r adds indices offsets[r] ..< offsets[r + 1]
  const float *weights;       // sums: a factor for each index
  uint8_t *encoded;           // encoded rows
  size_t encoded_stride;      // bytes
  ck_block *blocks;
  size_t blocks_stride;
} ck_rows;

void ck_rms_norm_rows(const ck_rows *job, size_t chunk);       // out = norm(a) · b
void ck_silu_multiply_rows(const ck_rows *job, size_t chunk);  // out = silu(a) · b
void ck_softmax_rows(const ck_rows *job, size_t chunk);        // out, in place
void ck_sigmoid_rows(const ck_rows *job, size_t chunk);        // out, in place
void ck_rotate_rows(const ck_rows *job, size_t chunk);         // out; a: cosines, b: sines
void ck_add_rows(const ck_rows *job, size_t chunk);            // out += a
void ck_add_scaled_rows(const ck_rows *job, size_t chunk);     // out += scalar · a
void ck_weighted_sum_rows(const ck_rows *job, size_t chunk);   // out = Σ weight · a[index]
void ck_copy_rows(const ck_rows *job, size_t chunk);           // out = a, piece by piece
void ck_encode_int8_rows(const ck_rows *job, size_t chunk);    // a → encoded, blocks
void ck_silu_encode_rows(const ck_rows *job, size_t chunk);    // out = silu(a) · b → encoded, blocks
void ck_encode_int16_rows(const ck_rows *job, size_t chunk);   // a → encoded
void ck_sum_int16_rows(const ck_rows *job, size_t chunk);      // out = Σ encoded[index]

// ---------------------------------------------------------------- attention of many rows

// One query row against its sequence's pages.
struct ck_attention_row {
  const float *queries;  // heads × query_stride
  const uint8_t *pages;  // the layer's tile of page 0; pages are page_bytes apart
  const int32_t *table;  // which page each tile of the sequence is
  float *out;            // heads × out_stride
  size_t length;
  size_t first_part;  // its parts in the workspace
};

// Consecutive rows of one sequence that are handled together.
typedef struct ck_attention_group {
  size_t first_row, row_count;
  size_t first_unit;
} ck_attention_group;

// Groups × key heads × head blocks, by split or whole: units that run in any order. Rows that are
// cut by split are merged afterwards.
struct ck_attention_job {
  const ck_kernels *kernels;
  const ck_attention_row *rows;
  const ck_attention_group *groups;
  size_t row_count, group_count;
  size_t heads, key_heads, unit_heads;  // unit_heads divides nothing in particular
  size_t query_stride, out_stride;
  ck_kv_layout layout;
  size_t page_bytes;
  size_t key_column, key_head_stride, value_column, value_head_stride;
  size_t key_width, value_width;  // as stored: padded
  size_t out_width;               // of value_width
  float scale;
  bool by_split;  // a unit is one split; otherwise all of them
  float *parts;
  // Int8 only: encoded queries, rows × heads × key_width codes, and per block of 32 a scale times
  // `scale`, and −128 · Σ codes.
  int8_t *codes;
  float *code_scales;
  int32_t *code_starts;
};

// Floats of one part of the workspace, and parts that a row of `length` positions needs.
size_t ck_attention_part(size_t value_width);
size_t ck_attention_parts(const ck_attention_job *job, size_t length);
// Units of a group whose last row has `length` positions.
size_t ck_attention_units(const ck_attention_job *job, size_t length);
// Encodes one row's queries; before the units, for int8 only.
void ck_encode_queries(const ck_attention_job *job, size_t row);
void ck_attend_unit(const ck_attention_job *job, size_t unit);
// Merges the splits of one head of one row: index is row × heads + head. By split only.
void ck_merge_splits(const ck_attention_job *job, size_t index);

// Stores `width` floats of one position (0 ..< CK_KEY_TILE) of a tile, from `column` on, which for
// int8 is a multiple of 32; there, the rest of the last block becomes zero.
void ck_kv_store(const ck_kernels *kernels, ck_kv_layout layout, uint8_t *tile, size_t position,
                 size_t column, const float *x, size_t width);

// ---------------------------------------------------------------- ceilings

// Reads memory as fast as one thread can; the sum of all 64-bit words.
uint64_t ck_read_memory(const uint8_t *from, size_t byte_count);

// Multiplications in registers, as fast as an instruction set can; the result means nothing.
typedef struct ck_ceiling {
  double (*dot)(size_t rounds);  // int8 × int8 into int32
  size_t dot_products;           // of one round
  double (*fma)(size_t rounds);  // float32
  size_t fma_products;           // of one round
} ck_ceiling;

// The ceiling of a table of kernels.
const ck_ceiling *ck_ceiling_of(const ck_kernels *kernels);

// ---------------------------------------------------------------- the machine

// Processors this process may run on, by its affinity mask; at least 1.
int ck_allowed_processors(void);

// Tells the processor that this is a spin loop.
static inline void ck_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb" ::: "memory");
#endif
}

// Asks for huge pages, as far as the system has any.
void ck_advise_huge_pages(void *address, size_t byte_count);

// Spreads the pages of a mapping that was not touched yet over all memory nodes, if there are more
// than one: every thread reads all weights, so no node is right for all of them.
void ck_spread_over_nodes(void *address, size_t byte_count);

// Lets threads that start from now on allocate from two arenas together, not from one each.
void ck_share_arenas(void);

// Gives whole pages that were freed back to the system (malloc_trim).
void ck_return_freed_memory(void);

// The calling thread's number in the system.
int ck_thread(void);

// The processor that the caller runs on, or -1.
int ck_processor(void);

// Nanoseconds that a thread of this process has had a processor so far, or -1.
int64_t ck_thread_time(int thread);

// A set of processors, a bit each.
typedef struct ck_processors {
  uint64_t words[16];
} ck_processors;

// Where a thread may run; false when the system does not tell or does not let us.
bool ck_allowed_of_thread(int thread, ck_processors *allowed);
bool ck_allow_thread(int thread, const ck_processors *allowed);

// Lets a thread run on one processor only, and brings it there if it waits for another.
bool ck_move_thread(int thread, int processor);

// Names the calling thread, in at most 15 bytes, for `top -H` and the like.
void ck_name_thread(const char *name);

// Waits for a post; false when none came in that time.
bool ck_wait_at_most(sem_t *semaphore, int64_t nanoseconds);

#endif
