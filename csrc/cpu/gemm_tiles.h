// What the micro-kernels of the matrix product are told, and how they are found: register tiles of every height and width,
// from packed or unpacked operands. They are gemm_tiles.cpp, one copy for all kernels that multiply.
#pragma once

#include "cpu/epilogue.h"
#include "cpu/prefetch.h"

namespace tilegrad::cpu::TILEGRAD_ISA {

// What a tile prefetches while it runs, for later: before every kPiece of its k so many `rows` of so many `lines`, so that the
// arithmetic never waits for a burst of them.
struct Ahead {
  const char* first;  // of the first piece
  int64_t rows, row_step;
  int64_t lines;
  int64_t next;  // bytes from a piece's first line to the next piece's
};

// One tile's share of one block of k. All rows are read and written in whole vectors: at a ragged edge they are copies.
template <typename T>
struct TileJob {
  int64_t K;
  const T* a;
  int64_t a_step;  // between rows in place, or between k
  const T* b;
  int64_t b_step;
  const T* chain;  // the sums to continue, at stride chain_stride; null to start from 0
  int64_t chain_stride;
  const T* total;  // the sum of the chunks before, at stride total_stride; null if there is none or the chunk goes on
  int64_t total_stride;
  const T* bias;  // null if there is none or more chunks come
  bool relu;
  T* out;
  int64_t out_stride;
  Ahead ahead;
};

template <typename T>
using TileFunction = void (*)(const TileJob<T>&);

// The tile of this height and width whose rows of A lie where they are (`in_rows`) or are packed, in `found`.
void find_tile(bool in_rows, int rows, int vectors, TileFunction<float>& found);
void find_tile(bool in_rows, int rows, int vectors, TileFunction<double>& found);

namespace {

template <typename T>
TILEGRAD_INLINE TileFunction<T> tile_function(bool in_rows, int rows, int vectors) {
  TileFunction<T> found;
  find_tile(in_rows, rows, vectors, found);
  return found;
}

template <typename T>
inline constexpr int64_t kPiece = kCacheLine / static_cast<int64_t>(sizeof(T));

// The widest panel of B, in vectors, and its tiles' height: the best of those measured (docs/performance/gemm.md).
inline constexpr int kPanelVectors = kVectorRegisters == 32 ? 4 : (kHasFma ? 3 : 2);
template <typename T, int kVectors>
inline constexpr int kTileRows = kMaxRows<T, kVectors>;

// How many rows a tile has at most beside panels of at most `vectors` vectors.
template <typename T>
TILEGRAD_INLINE int most_rows(int64_t vectors) {
  return vectors >= 4   ? kTileRows<T, 4>
         : vectors == 3 ? kTileRows<T, 3>
         : vectors == 2 ? kTileRows<T, 2>
                        : kTileRows<T, 1>;
}
// Elements of the largest tile: no more than there are registers.
template <typename T>
inline constexpr int kMostTileElements = kVectorRegisters * kLanes<T>;

// Copies `columns` elements of each row, in pieces that may overlap.
template <typename T>
TILEGRAD_INLINE void copy_row(const T* from, T* to, int64_t columns) {
  const auto pieces = [&](auto size) {
    int64_t n = 0;
    for (; n + size <= columns; n += size) __builtin_memcpy(to + n, from + n, size * sizeof(T));
    if (n < columns) __builtin_memcpy(to + columns - size, from + columns - size, size * sizeof(T));
  };
  if (columns >= 8) {
    pieces(Constant<8>{});
  } else if (columns >= 4) {
    pieces(Constant<4>{});
  } else if (columns >= 2) {
    pieces(Constant<2>{});
  } else {
    *to = *from;
  }
}
template <typename T>
TILEGRAD_INLINE void copy_rows(const T* from, int64_t from_stride, T* to, int64_t to_stride, int rows,
                               int64_t columns) {
  for (int m = 0; m < rows; ++m) copy_row(from + m * from_stride, to + m * to_stride, columns);
}

// A tile of which only `columns` columns exist in chain, total and out.
template <typename T>
[[gnu::noinline]] void run_ragged_tile(TileFunction<T> run, TileJob<T> job, int rows, int vectors, int64_t columns) {
  const int64_t stride = vectors * kLanes<T>;
  T chain[kMostTileElements<T>], total[kMostTileElements<T>], out[kMostTileElements<T>];
  const auto copied = [&](const T*& from, int64_t& from_stride, T* copy) {
    if (!from) return;
    for (int64_t i = 0; i < rows * stride; ++i) copy[i] = T(0);
    copy_rows(from, from_stride, copy, stride, rows, columns);
    from = copy;
    from_stride = stride;
  };
  copied(job.chain, job.chain_stride, chain);
  copied(job.total, job.total_stride, total);
  T* const to = job.out;
  const int64_t to_stride = job.out_stride;
  job.out = out;
  job.out_stride = stride;
  run(job);
  copy_rows(static_cast<const T*>(out), stride, to, to_stride, rows, columns);
}

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
