// What attention and its gradient share: blocks of kAttentionBlock queries and keys in the workspace, products of blocks, and
// the scores of a block of queries with a block of keys.
#pragma once

#include "cpu/exp_rows.h"
#include "cpu/pack_panel.h"
#include "cpu/random_words.h"
#include "cpu/register_tile.h"
#include "cpu/sum_order.h"
#include "params/attention.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

inline constexpr int64_t kBlock = kAttentionBlock;

// Tiles are of one height, which divides a block, and of up to so many vectors: few enough to be compiled for every
// accessor, and their 16 (or 12) sums hide the latency of an fma.
inline constexpr int kTileVectors = kVectorRegisters == 32 ? 4 : kHasFma ? 3 : 2;
template <typename T>
inline constexpr int kTileHeight = smaller(4, kMaxRows<T, kTileVectors>);

// c = a b, or c + a b: M x N sums over K, each one chain over ascending k. N is whole vectors; rows are computed up to a
// multiple of the tile's height, so a and c have them.
template <int kVectors, typename T, typename A>
[[gnu::noinline]] void multiply_panel(int64_t M, int64_t K, A a, int64_t a_row, const T* b, int64_t b_step, T* c,
                                      int64_t c_step, bool add) {
  constexpr int kRows = kTileHeight<T>;
  for (int64_t m = 0; m < M; m += kRows) {
    RegisterTile<T, kRows, kVectors> tile;
    if (add) {
      tile.load(c + m * c_step, c_step);
    } else {
      tile.clear();
    }
    tile.accumulate(K, A{a.base + m * a_row, a.stride()}, b, b_step);
    tile.store(c + m * c_step, c_step);
  }
}

// The accessors of register_tile.h, which know their stride.
template <typename T>
struct BlockRows : RowsInPlace<T> {
  TILEGRAD_INLINE BlockRows(const T* base, int64_t stride) : RowsInPlace<T>{base, stride} {}
  TILEGRAD_INLINE int64_t stride() const { return this->row_stride; }
};
template <typename T>
struct BlockColumns : Interleaved<T> {
  TILEGRAD_INLINE BlockColumns(const T* base, int64_t stride) : Interleaved<T>{base, stride} {}
  TILEGRAD_INLINE int64_t stride() const { return this->step; }
};

template <typename T, typename A>
void multiply(int64_t M, int64_t N, int64_t K, A a, int64_t a_row, const T* b, int64_t b_step, T* c, int64_t c_step,
              bool add) {
  int64_t n = 0;
  const auto panels = [&](auto vectors) {
    constexpr int64_t kWidth = static_cast<int>(vectors) * kLanes<T>;
    for (; N - n >= kWidth; n += kWidth) {
      multiply_panel<static_cast<int>(vectors)>(M, K, a, a_row, b + n, b_step, c + n, c_step, add);
    }
  };
  if constexpr (kTileVectors >= 4) panels(Constant<4>{});
  if constexpr (kTileVectors >= 3) panels(Constant<3>{});
  panels(Constant<2>{});
  panels(Constant<1>{});
}
// a is [M][K] in memory, or [K][M].
template <typename T>
TILEGRAD_INLINE void multiply_rows(int64_t M, int64_t N, int64_t K, const T* a, int64_t a_step, const T* b,
                                   int64_t b_step, T* c, int64_t c_step, bool add) {
  multiply(M, N, K, BlockRows<T>(a, a_step), a_step, b, b_step, c, c_step, add);
}
template <typename T>
TILEGRAD_INLINE void multiply_columns(int64_t M, int64_t N, int64_t K, const T* a, int64_t a_step, const T* b,
                                      int64_t b_step, T* c, int64_t c_step, bool add) {
  multiply(M, N, K, BlockColumns<T>(a, a_step), 1, b, b_step, c, c_step, add);
}

// The columns of a block of `count` keys that are worked on: whole groups of the lanes that sums have, so that those left
// out, which hold zeros, would change no bit.
TILEGRAD_INLINE constexpr int64_t block_width(int64_t count) { return round_up(count, kFoldLanes); }

// A block of rows of features: `count` rows of `features` with zeros behind both, at a distance of `width`.
template <typename T>
TILEGRAD_INLINE void pack_rows(const T* from, int64_t row, int64_t count, int64_t features, int64_t width, T* to) {
  pack_panel(from, row, int64_t{1}, count, features, width, to, width);
  for (int64_t i = count * width; i < round_up(count, kTileHeight<T>) * width; ++i) to[i] = T(0);
}
// The same across: [features][kBlock], of which block_width(count) columns are there.
template <typename T>
TILEGRAD_INLINE void pack_across(const T* from, int64_t row, int64_t count, int64_t features, T* to) {
  pack_panel(from, int64_t{1}, row, features, count, block_width(count), to, kBlock);
}
// And back to where the rows belong, scaled.
template <typename T>
TILEGRAD_INLINE void unpack_rows(const T* from, int64_t width, int64_t count, int64_t features, T scale, T* to,
                                 int64_t row) {
  for (int64_t i = 0; i < count; ++i) {
#pragma omp simd
    for (int64_t e = 0; e < features; ++e) to[i * row + e] = from[i * width + e] * scale;
  }
}

// The mask of a launch: bools that let keys be seen, or addends; both null where there is none.
template <typename T>
struct Mask {
  const Bool* visible;
  const T* addend;
};

// One head of one sample.
struct Head {
  int64_t n, h;
};

// How many keys of the block that begins at `key` the query sees at most: the rest do not exist or are its future.
TILEGRAD_INLINE int64_t keys_seen(const Attention& p, int64_t query, int64_t key) {
  const int64_t exist = smaller(kBlock, p.S - key);
  return p.causal ? larger<int64_t>(smaller(exist, query + 1 - key), 0) : exist;
}

// Turns sums q k of `rows` queries from `query` on with the block of keys from `key` on into scores: scaled, with the mask
// added; minus infinity where the query does not see the key.
template <typename T>
TILEGRAD_INLINE void finish_scores(const Attention& p, Head head, int64_t query, int64_t rows, int64_t key,
                                   Mask<T> mask, T* scores) {
  const T scale = static_cast<T>(p.scale);
  const int64_t step = p.mask_step, width = block_width(smaller(kBlock, p.S - key));
  for (int64_t r = 0; r < rows; ++r) {
    T* row = scores + r * kBlock;
    const int64_t count = keys_seen(p, query + r, key);
    const int64_t at = p.mask.at(head.n, head.h, query + r) + key * step;
#pragma omp simd
    for (int64_t i = 0; i < width; ++i) row[i] = row[i] * scale;
    if (mask.addend) {
      const T* addend = mask.addend + at;
      for (int64_t i = 0; i < count; ++i) row[i] = row[i] + addend[i * step];
    }
    if (mask.visible) {
      const Bool* visible = mask.visible + at;
      for (int64_t i = 0; i < count; ++i) row[i] = visible[i * step].value ? row[i] : -formulas::kInfinity<T>;
    }
    for (int64_t i = count; i < kBlock; ++i) row[i] = -formulas::kInfinity<T>;
  }
}

// Which probabilities of a query with a block of keys dropout keeps: the words of one tile (random_words.h).
TILEGRAD_INLINE void draw_kept(const Attention& p, Stream stream, Head head, int64_t query, int64_t key,
                               uint8_t (&kept)[kBlock]) {
  static_assert(kBlock == kWordsPerTile);
  const int64_t row = (head.n * p.H + head.h) * p.T + query;
  Words words;
  draw_tile(stream, row * attention_blocks(p.S) + key / kBlock, 0, words);
  const uint32_t last = static_cast<uint32_t>(p.keep.threshold - 1);
  const uint8_t any = p.keep.threshold > 0;
#pragma omp simd
  for (int i = 0; i < kBlock; ++i) kept[i] = static_cast<uint8_t>(words.at[i] <= last) & any;
}

// Blocks of keys that a block of queries sees any of.
TILEGRAD_INLINE int64_t key_blocks(const Attention& p, int64_t query_block) {
  const int64_t all = attention_blocks(p.S);
  return p.causal ? smaller(all, query_block + 1) : all;
}

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
