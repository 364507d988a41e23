// Packing: a panel is sixteen rows of a file, transposed word by word.
//
// A block's 32-bit words keep their order; word w of the 16 rows stands in 64 adjacent bytes, one
// lane each. Scales (halves) of the 16 rows stand in 32 adjacent bytes. Blocks with a single half
// are laid out in pairs, both blocks' halves first, so that every vector is 64-byte aligned:
//
//   two halves:  [d × 16][m × 16]   [word 0 × 16] [word 1 × 16] …      per block
//   one half:    [d × 16][d' × 16]  [words of the block] [words of the next]
//
// Words keep the order of the file, except in Q6_K, where they stand in the order in which the
// kernel reads them: processors prefetch what is read from front to back (a third faster). Except
// for two small changes no bit moves within a word, so a panel is as large as its rows.
#include <string.h>

#include "formats.h"

typedef enum { AS_IS, SIGN_FLIPPED, BITS_GATHERED } word_change;

// Where the halves and words of a file block are.
typedef struct block_layout {
  uint16_t elements, bytes;
  uint16_t half_offset, halves;
  uint16_t word_offset, words;
  word_change change;    // of all words, or of the first for BITS_GATHERED
  const uint8_t *order;  // where each word goes, NULL when words keep their order
} block_layout;

// Q6_K has 32 words of nibbles, 16 of upper bits, 4 of scales; halves of 128 elements have 26.
static const uint8_t q6_k_order[52] = {3,  5,  7,  9,  11, 13, 15, 17, 18, 19, 20, 21, 22,
                                       23, 24, 25, 29, 31, 33, 35, 37, 39, 41, 43, 44, 45,
                                       46, 47, 48, 49, 50, 51, 2,  4,  6,  8,  10, 12, 14,
                                       16, 28, 30, 32, 34, 36, 38, 40, 42, 0,  1,  26, 27};

static block_layout layout_of(uint32_t format) {
  switch (format) {
    case Q4_0:
    case IQ4_NL:
      return (block_layout){32, 18, 0, 1, 2, 4, AS_IS, NULL};
    case Q4_1:
      return (block_layout){32, 20, 0, 2, 4, 4, AS_IS, NULL};
    case Q5_0:
      return (block_layout){32, 22, 0, 1, 2, 5, BITS_GATHERED, NULL};
    case Q5_1:
      return (block_layout){32, 24, 0, 2, 4, 5, BITS_GATHERED, NULL};
    case Q8_0:
      return (block_layout){32, 34, 0, 1, 2, 8, SIGN_FLIPPED, NULL};
    case Q4_K:
      return (block_layout){256, 144, 0, 2, 4, 35, AS_IS, NULL};
    case Q5_K:
      return (block_layout){256, 176, 0, 2, 4, 43, AS_IS, NULL};
    case Q6_K:
      return (block_layout){256, 210, 208, 1, 0, 52, AS_IS, q6_k_order};
    case Q2_K:
      return (block_layout){256, 84, 80, 2, 0, 20, AS_IS, NULL};
    case Q3_K:
      return (block_layout){256, 110, 108, 1, 0, 27, AS_IS, NULL};
    case IQ4_XS:
      return (block_layout){256, 136, 0, 2, 4, 33, AS_IS, NULL};
    default:
      return (block_layout){0};
  }
}

// Bytes of an element of the formats that have no blocks.
static size_t element_bytes(uint32_t format) {
  switch (format) {
    case F32:
      return 4;
    case F16:
    case BF16:
      return 2;
    case F8_E4M3:
      return 1;
    default:
      return 0;
  }
}

bool ck_decodes_on_the_fly(uint32_t format) {
  return format == Q2_K || format == Q3_K || format == F8_E4M3;
}

bool ck_takes_int8(uint32_t format) {
  return layout_of(format).elements != 0 && !ck_decodes_on_the_fly(format);
}

size_t ck_row_bytes(uint32_t format, size_t columns) {
  block_layout layout = layout_of(format);
  if (layout.elements != 0) return columns / layout.elements * layout.bytes;
  if (format == Q8_1) return columns / 32 * 36;
  if (format == Q8_K) return columns / 256 * 292;
  return element_bytes(format) * columns;
}

size_t ck_panel_bytes(uint32_t format, size_t columns) {
  block_layout layout = layout_of(format);
  if (layout.elements != 0) {
    size_t blocks = columns / layout.elements;
    size_t headers = layout.halves == 2 ? blocks : (blocks + 1) / 2;
    return 64 * (headers + blocks * layout.words);
  }
  if (format == F16) return (columns + 1) / 2 * 64;
  return (ck_row_bytes(format, columns) + 3) / 4 * 64;
}

// Offsets in the panel of block `index`: of its halves and of its words.
typedef struct block_place {
  size_t halves, words;
} block_place;

static block_place place_of(block_layout layout, size_t index) {
  size_t words = 64 * (size_t)layout.words;
  if (layout.halves == 2) {
    size_t start = index * (64 + words);
    return (block_place){start, start + 64};
  }
  size_t pair = index / 2 * (64 + 2 * words);
  return (block_place){pair + index % 2 * 32, pair + 64 + index % 2 * words};
}

// Q5_0 and Q5_1 hold the fifth bit of element i in bit i. Gathered: bit g of byte c is element
// 4g + c, so that one shift brings the fifth bits of four adjacent elements to their bytes.
static uint32_t gather_bits(uint32_t bits) {
  uint32_t gathered = 0;
  for (int g = 0; g < 8; g++) gathered |= ((bits >> 4 * g & 15) * 0x00204081u & 0x01010101u) << g;
  return gathered;
}

static uint32_t scatter_bits(uint32_t gathered) {
  uint32_t bits = 0;
  for (int i = 0; i < 32; i++) bits |= (gathered >> (8 * (i % 4) + i / 4) & 1) << i;
  return bits;
}

static size_t panel_word(const uint8_t *order, size_t word) {
  return order == NULL ? word : order[word];
}

// Four words of four rows, or of one word the lanes of four rows: what every processor has.
typedef uint32_t four_words __attribute__((vector_size(16)));
typedef uint16_t eight_halves __attribute__((vector_size(16)));

enum { VECTOR_BYTES = sizeof(four_words), VECTOR_WORDS = 4, QUARTERS = CK_LANES / 4 };

// What rows that a panel lacks consist of: as long as the largest block.
static const uint8_t no_row[256];

static four_words load_words(const uint8_t *from) {
  four_words words;
  memcpy(&words, from, sizeof words);
  return words;
}

// Words at..at + 3 of sixteen rows, transposed: lanes[w][q] is word at + w of rows 4q to 4q + 3.
static void transpose(const uint8_t *const *rows, size_t at, four_words lanes[][QUARTERS]) {
  for (size_t q = 0; q < QUARTERS; q++) {
    four_words a = load_words(rows[4 * q] + 4 * at), b = load_words(rows[4 * q + 1] + 4 * at);
    four_words c = load_words(rows[4 * q + 2] + 4 * at), d = load_words(rows[4 * q + 3] + 4 * at);
    four_words ab01 = __builtin_shufflevector(a, b, 0, 4, 1, 5);
    four_words ab23 = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    four_words cd01 = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    four_words cd23 = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    lanes[0][q] = __builtin_shufflevector(ab01, cd01, 0, 1, 4, 5);
    lanes[1][q] = __builtin_shufflevector(ab01, cd01, 2, 3, 6, 7);
    lanes[2][q] = __builtin_shufflevector(ab23, cd23, 0, 1, 4, 5);
    lanes[3][q] = __builtin_shufflevector(ab23, cd23, 2, 3, 6, 7);
  }
}

static void pack_word(const uint8_t *const *rows, size_t at, uint32_t flip, uint8_t *out) {
  for (size_t r = 0; r < CK_LANES; r++) {
    uint32_t word;
    memcpy(&word, rows[r] + 4 * at, 4);
    word ^= flip;
    memcpy(out + 4 * r, &word, 4);
  }
}

// Words of sixteen rows. The last four overlap the four before when they are no multiple of four.
static void pack_words(const uint8_t *const *rows, size_t words, uint32_t flip,
                       const uint8_t *order, uint8_t *panel) {
  const four_words flips = {flip, flip, flip, flip};
  if (words < VECTOR_WORDS) {
    for (size_t w = 0; w < words; w++) pack_word(rows, w, flip, panel + 64 * panel_word(order, w));
    return;
  }
  for (size_t w = 0; w < words; w += VECTOR_WORDS) {
    size_t at = w + VECTOR_WORDS <= words ? w : words - VECTOR_WORDS;
    four_words lanes[VECTOR_WORDS][QUARTERS];
    transpose(rows, at, lanes);
    for (size_t i = 0; i < VECTOR_WORDS; i++) {
      uint8_t *out = panel + 64 * panel_word(order, at + i);
      for (size_t q = 0; q < QUARTERS; q++) {
        four_words flipped = lanes[i][q] ^ flips;
        memcpy(out + VECTOR_BYTES * q, &flipped, VECTOR_BYTES);
      }
    }
  }
}

static void pack_half(const uint8_t *const *rows, size_t at, uint8_t *out) {
  for (size_t r = 0; r < CK_LANES; r++) memcpy(out + 2 * r, rows[r] + 2 * at, 2);
}

// Halves of sixteen rows: transposed as words, whose lower and upper halves are then parted.
static void pack_halves(const uint8_t *const *rows, size_t halves, uint8_t *out) {
  size_t h = 0;
  for (; h + 2 * VECTOR_WORDS <= halves; h += 2 * VECTOR_WORDS) {
    four_words lanes[VECTOR_WORDS][QUARTERS];
    transpose(rows, h / 2, lanes);
    for (size_t i = 0; i < VECTOR_WORDS; i++)
      for (size_t q = 0; q < QUARTERS; q += 2) {
        eight_halves a = (eight_halves)lanes[i][q], b = (eight_halves)lanes[i][q + 1];
        eight_halves lower = __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14);
        eight_halves upper = __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15);
        uint8_t *target = out + 32 * (h + 2 * i) + 8 * q;
        memcpy(target, &lower, sizeof lower);
        memcpy(target + 32, &upper, sizeof upper);
      }
  }
  for (; h < halves; h++) pack_half(rows, h, out + 32 * h);
}

static void pack_blocks(block_layout layout, size_t columns, const uint8_t *raw, size_t row_count,
                        uint8_t *panel) {
  size_t blocks = columns / layout.elements, row_bytes = blocks * layout.bytes;
  uint32_t flip = layout.change == SIGN_FLIPPED ? 0x80808080u : 0;
  if (layout.halves == 1 && blocks % 2 == 1)
    memset(panel + place_of(layout, blocks - 1).halves, 0, 64);
  for (size_t b = 0; b < blocks; b++) {
    const uint8_t *halves[CK_LANES], *words[CK_LANES];
    for (size_t r = 0; r < CK_LANES; r++) {
      const uint8_t *block = r < row_count ? raw + r * row_bytes + b * layout.bytes : no_row;
      halves[r] = block + layout.half_offset;
      words[r] = block + layout.word_offset;
    }
    block_place place = place_of(layout, b);
    pack_halves(halves, layout.halves, panel + place.halves);
    pack_words(words, layout.words, flip, layout.order, panel + place.words);
    if (layout.change == BITS_GATHERED)
      for (size_t r = 0; r < CK_LANES; r++) {
        uint32_t word;
        memcpy(&word, panel + place.words + 4 * r, 4);
        word = gather_bits(word);
        memcpy(panel + place.words + 4 * r, &word, 4);
      }
  }
}

// Without blocks: sixteen elements of a column are adjacent, of two columns for BF16 and of four
// for F8_E4M3.
static void pack_floats(uint32_t format, size_t columns, const uint8_t *raw, size_t row_count,
                        uint8_t *panel) {
  size_t row_bytes = ck_row_bytes(format, columns), piece = sizeof no_row;
  for (size_t at = 0; at < row_bytes; at += piece) {
    const uint8_t *rows[CK_LANES];
    for (size_t r = 0; r < CK_LANES; r++)
      rows[r] = r < row_count ? raw + r * row_bytes + at : no_row;
    size_t count = row_bytes - at < piece ? row_bytes - at : piece;
    uint8_t *out = panel + 16 * at;
    if (format == F16) {
      pack_halves(rows, count / 2, out);
    } else {
      pack_words(rows, count / 4, 0, NULL, out);
    }
    if (count % 4 == 0) continue;
    uint8_t *rest = out + count / 4 * 64;  // of an odd row
    if (format == F16) {
      memset(rest + 32, 0, 32);
      continue;
    }
    memset(rest, 0, 64);
    for (size_t r = 0; r < row_count; r++) memcpy(rest + 4 * r, rows[r] + count / 4 * 4, count % 4);
  }
}

void ck_pack_panel(uint32_t format, size_t columns, const uint8_t *rows, size_t row_count,
                   uint8_t *panel) {
  block_layout layout = layout_of(format);
  if (layout.elements != 0) {
    pack_blocks(layout, columns, rows, row_count, panel);
  } else {
    pack_floats(format, columns, rows, row_count, panel);
  }
}

static void unpack_block(block_layout layout, size_t index, const uint8_t *panel, size_t lane,
                         uint8_t *block) {
  block_place place = place_of(layout, index);
  for (size_t h = 0; h < layout.halves; h++)
    memcpy(block + layout.half_offset + 2 * h, panel + place.halves + 32 * h + 2 * lane, 2);
  for (size_t w = 0; w < layout.words; w++) {
    uint32_t word;
    memcpy(&word, panel + place.words + 64 * panel_word(layout.order, w) + 4 * lane, 4);
    if (layout.change == SIGN_FLIPPED) word ^= 0x80808080u;
    if (layout.change == BITS_GATHERED && w == 0) word = scatter_bits(word);
    memcpy(block + layout.word_offset + 4 * w, &word, 4);
  }
}

void ck_unpack_row(uint32_t format, size_t columns, const uint8_t *panel, size_t lane,
                   uint8_t *row) {
  block_layout layout = layout_of(format);
  size_t row_bytes = ck_row_bytes(format, columns);
  if (layout.elements != 0) {
    for (size_t b = 0; b < columns / layout.elements; b++)
      unpack_block(layout, b, panel, lane, row + b * layout.bytes);
  } else if (format == F16) {
    for (size_t c = 0; c < columns; c++) memcpy(row + 2 * c, panel + 32 * c + 2 * lane, 2);
  } else {
    for (size_t at = 0; at < row_bytes; at += 4)
      memcpy(row + at, panel + 16 * at + 4 * lane, row_bytes - at < 4 ? row_bytes - at : 4);
  }
}
