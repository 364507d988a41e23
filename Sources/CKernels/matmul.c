// Matrix products: which panels and rows meet, and where results go.
#include <string.h>

#include "formats.h"

enum {
  TILE_CODES = 96 << 10,  // codes of a tile of several rows: they stay in the second-level cache
  PANEL_TILE = 2,         // panels of one kernel call
  PANEL_GROUP = 32,       // panels whose sums wait for further columns
  FILL_BLOCKS = 8,        // blocks of a row that are arranged at a time
  COLUMN_STEP = 512,      // columns after which every format starts a line anew
  DECODE_COLUMNS = 256,   // decoded at a time: whole blocks, and a tile that fits L1
  CHAINS = 4,
  SCALE_BLOCK = 128  // F8_E4M3: rows and columns that share a scale
};

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

static size_t x_row(const ck_plan *plan, const ck_task *task, size_t row) {
  if (task->x_indices < 0) return task->x_first + row;
  return (size_t)plan->indices[task->x_indices + (ptrdiff_t)row];
}

static float *out_row(const ck_plan *plan, const ck_task *task, size_t row) {
  size_t index = task->out_indices < 0 ? task->out_first + row
                                       : (size_t)plan->indices[task->out_indices + (ptrdiff_t)row];
  return task->out + index * task->out_stride;
}

// Copies a tile's results, `panels` adjacent panels of each row, to their rows; the last panel may
// have fewer rows than lanes.
static void scatter(const ck_plan *plan, const ck_task *task, size_t panel, size_t panels,
                    size_t first_row, size_t count, const float *results) {
  size_t column = panel * CK_LANES, width = least(panels * CK_LANES, task->rows - column);
  const float *from = results;
  for (size_t r = 0; r < count; r++, from += panels * CK_LANES) {
    float *out = out_row(plan, task, first_row + r) + column;
    if (width == PANEL_TILE * CK_LANES)
      memcpy(out, from, PANEL_TILE * CK_LANES * sizeof(float));  // inlined
    else
      memcpy(out, from, width * sizeof(float));
  }
}

static ck_quantised_kernel *quantised_kernel(const ck_kernels *kernels, uint32_t format) {
  switch (format) {
    case Q4_0:
      return kernels->q4_0;
    case Q4_1:
      return kernels->q4_1;
    case Q5_0:
      return kernels->q5_0;
    case Q5_1:
      return kernels->q5_1;
    case Q8_0:
      return kernels->q8_0;
    case IQ4_NL:
      return kernels->iq4_nl;
    case Q4_K:
      return kernels->q4_k;
    case Q5_K:
      return kernels->q5_k;
    case Q6_K:
      return kernels->q6_k;
    default:
      return kernels->iq4_xs;
  }
}

// Some int8 rows in the order in which kernels read them: block by block.
typedef struct row_tile {
  _Alignas(64) int8_t codes[TILE_CODES];
  ck_block blocks[TILE_CODES / CK_BLOCK];
} row_tile;

// Columns of a tile of `count` rows: all, or parts of about the same size.
static size_t tile_columns(const ck_task *task, size_t count) {
  size_t fit = TILE_CODES / count, most = fit / COLUMN_STEP * COLUMN_STEP;
  if (task->columns <= fit) return task->columns;
  size_t parts = (task->columns + most - 1) / most, even = (task->columns + parts - 1) / parts;
  return (even + COLUMN_STEP - 1) / COLUMN_STEP * COLUMN_STEP;
}

// Some blocks of all rows at a time: what is written and what is read stays in the first-level
// cache until its lines are complete.
static void fill_tile(const ck_plan *plan, const ck_task *task, size_t first, size_t count,
                      size_t column, size_t columns, row_tile *tile) {
  size_t from = column / CK_BLOCK, end = (column + columns) / CK_BLOCK;
  for (size_t start = from; start < end; start += FILL_BLOCKS)
    for (size_t r = 0; r < count; r++) {
      size_t row = x_row(plan, task, first + r), to = (start - from) * count + r;
      const int8_t *codes = (const int8_t *)task->x + row * task->x_stride;
      const ck_block *blocks = task->x_blocks + row * task->x_blocks_stride;
      for (size_t b = start; b < least(start + FILL_BLOCKS, end); b++, to += count) {
        memcpy(tile->codes + CK_BLOCK * to, codes + CK_BLOCK * b, CK_BLOCK);
        tile->blocks[to] = blocks[b];
      }
    }
}

// A single row stands block by block already.
static void multiply_row(const ck_plan *plan, const ck_task *task, size_t from, size_t to,
                         size_t row) {
  ck_quantised_kernel *kernel = quantised_kernel(plan->kernels, task->format);
  _Alignas(64) float sums[PANEL_TILE * CK_LANES];
  size_t x = x_row(plan, task, row);
  for (size_t panel = from; panel < to; panel += PANEL_TILE) {
    size_t panels = least(PANEL_TILE, to - panel);
    kernel(task->panels + panel * task->panel_bytes, task->panel_bytes, panels, task->columns,
           (const int8_t *)task->x + x * task->x_stride, task->x_blocks + x * task->x_blocks_stride,
           1, false, sums);
    scatter(plan, task, panel, panels, row, 1, sums);
  }
}

// Panels [from, to) × `count` rows, some columns at a time.
static void multiply_tile(const ck_plan *plan, const ck_task *task, size_t from, size_t to,
                          size_t first, size_t count) {
  ck_quantised_kernel *kernel = quantised_kernel(plan->kernels, task->format);
  row_tile tile;
  _Alignas(64) float sums[PANEL_GROUP * CK_TILE_ROWS * CK_LANES];
  size_t step = tile_columns(task, count);
  bool whole = step == task->columns;
  if (whole) fill_tile(plan, task, first, count, 0, step, &tile);
  for (size_t group = from; group < to; group += PANEL_GROUP) {
    size_t end = least(group + PANEL_GROUP, to);
    for (size_t column = 0; column < task->columns; column += step) {
      size_t columns = least(step, task->columns - column);
      const uint8_t *panels_at = task->panels + ck_panel_bytes(task->format, column);
      if (!whole) fill_tile(plan, task, first, count, column, columns, &tile);
      for (size_t panel = group; panel < end; panel += PANEL_TILE) {
        size_t panels = least(PANEL_TILE, end - panel);
        float *results = sums + (whole ? 0 : (panel - group) * CK_TILE_ROWS * CK_LANES);
        kernel(panels_at + panel * task->panel_bytes, task->panel_bytes, panels, columns,
               tile.codes, tile.blocks, count, column > 0, results);
        if (column + columns == task->columns)
          scatter(plan, task, panel, panels, first, count, results);
      }
    }
  }
}

static void multiply_quantised(const ck_plan *plan, const ck_task *task, size_t from, size_t to,
                               size_t first, size_t end) {
  for (; first < end; first += CK_TILE_ROWS) {
    size_t count = least(CK_TILE_ROWS, end - first);
    if (count == 1)
      multiply_row(plan, task, from, to, first);
    else
      multiply_tile(plan, task, from, to, first, count);
  }
}

static void float_pointers(const ck_plan *plan, const ck_task *task, size_t first, size_t count,
                           const float **rows) {
  for (size_t r = 0; r < count; r++)
    rows[r] = (const float *)(task->x + x_row(plan, task, first + r) * task->x_stride);
}

static void multiply_floats(const ck_plan *plan, const ck_task *task, size_t from, size_t to,
                            size_t first, size_t end) {
  const ck_kernels *k = plan->kernels;
  ck_float_kernel *kernel = task->format == F32 ? k->f32 : task->format == F16 ? k->f16 : k->bf16;
  const float *rows[CK_TILE_ROWS];
  _Alignas(64) float state[CK_TILE_ROWS * CHAINS * CK_LANES], results[CK_TILE_ROWS * CK_LANES];
  for (; first < end; first += CK_TILE_ROWS) {
    size_t count = least(CK_TILE_ROWS, end - first);
    float_pointers(plan, task, first, count, rows);
    for (size_t panel = from; panel < to; panel++) {
      memset(state, 0, count * CHAINS * CK_LANES * sizeof(float));
      kernel(task->panels + panel * task->panel_bytes, task->columns, rows, count, state);
      k->fold_chains(state, count, results);
      scatter(plan, task, panel, 1, first, count, results);
    }
  }
}

static ck_decoder *decoder(const ck_kernels *kernels, uint32_t format) {
  if (format == Q2_K) return kernels->decode_q2_k;
  return format == Q3_K ? kernels->decode_q3_k : kernels->decode_f8_e4m3;
}

// The factors of a panel's rows, one per 128 columns, or NULL.
static const float *panel_scales(const ck_task *task, size_t panel) {
  if (task->block_scales == NULL) return NULL;
  size_t per_row = (task->columns + SCALE_BLOCK - 1) / SCALE_BLOCK;
  return task->block_scales + panel * CK_LANES / SCALE_BLOCK * per_row;
}

// A panel × some rows: decode some columns, multiply them, and so on.
static void multiply_decoded(const ck_kernels *k, const ck_task *task, size_t panel,
                             const float **rows, size_t count, float *state) {
  _Alignas(64) float tile[DECODE_COLUMNS * CK_LANES];
  const uint8_t *start = task->panels + panel * task->panel_bytes;
  const float *scales = panel_scales(task, panel);
  size_t step = scales == NULL ? DECODE_COLUMNS : SCALE_BLOCK;
  for (size_t column = 0; column < task->columns; column += step) {
    size_t width = least(step, task->columns - column);
    float factor = scales == NULL ? 1 : scales[column / SCALE_BLOCK];
    decoder(k, task->format)(start, column, width, factor, tile);
    k->f32((const uint8_t *)tile, width, rows, count, state);
    for (size_t r = 0; r < count; r++) rows[r] += width;
  }
}

static void multiply_decoding(const ck_plan *plan, const ck_task *task, size_t from, size_t to,
                              size_t from_row, size_t end) {
  const float *rows[CK_TILE_ROWS];
  _Alignas(64) float state[CK_TILE_ROWS * CHAINS * CK_LANES], results[CK_TILE_ROWS * CK_LANES];
  for (size_t panel = from; panel < to; panel++)
    for (size_t first = from_row; first < end; first += CK_TILE_ROWS) {
      size_t count = least(CK_TILE_ROWS, end - first);
      float_pointers(plan, task, first, count, rows);
      memset(state, 0, count * CHAINS * CK_LANES * sizeof(float));
      multiply_decoded(plan->kernels, task, panel, rows, count, state);
      plan->kernels->fold_chains(state, count, results);
      scatter(plan, task, panel, 1, first, count, results);
    }
}

// The last task whose first chunk is not after `chunk`.
static const ck_task *task_of(const ck_plan *plan, size_t chunk) {
  size_t low = 0, high = plan->task_count;
  while (high - low > 1) {
    size_t middle = low + (high - low) / 2;
    if (plan->tasks[middle].first_chunk <= chunk)
      low = middle;
    else
      high = middle;
  }
  return plan->tasks + low;
}

void ck_run_chunk(const ck_plan *plan, size_t chunk) {
  const ck_task *task = task_of(plan, chunk);
  size_t panels = (task->rows + CK_LANES - 1) / CK_LANES, index = chunk - task->first_chunk;
  size_t row_chunks = (task->row_count + task->chunk_rows - 1) / task->chunk_rows;
  size_t from = index / row_chunks * task->chunk_panels;
  size_t to = least(from + task->chunk_panels, panels);
  size_t first = index % row_chunks * task->chunk_rows;
  size_t end = least(first + task->chunk_rows, task->row_count);
  if (ck_takes_int8(task->format))
    multiply_quantised(plan, task, from, to, first, end);
  else if (ck_decodes_on_the_fly(task->format))
    multiply_decoding(plan, task, from, to, first, end);
  else
    multiply_floats(plan, task, from, to, first, end);
}
