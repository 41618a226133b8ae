// Sums down the columns of a matrix by a team, and its tiles: what normalisation is made of.
#pragma once

#include "cpu/sum_order.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// Calls at(row, rows, first, columns) for tiles that the team shares, of at most kSumColumns columns and few rows.
template <typename At>
TILEGRAD_INLINE void for_each_tile(const Team& team, int64_t rows, int64_t columns, At at) {
  constexpr int64_t kTileRows = 256;
  const int64_t across = ceil_div(columns, kSumColumns);
  const Range mine = team.share(ceil_div(rows, kTileRows) * across);
  for (int64_t tile = mine.begin; tile < mine.end; ++tile) {
    const int64_t row = tile / across * kTileRows, first = tile % across * kSumColumns;
    at(row, smaller(kTileRows, rows - row), first, smaller(kSumColumns, columns - first));
  }
}

// The chunk sums of every column of a matrix, in a workspace of [slots][columns][chunks] T.
template <typename T>
struct ChunkSums {
  int64_t rows, columns, chunks;
  T* data;

  TILEGRAD_INLINE ChunkSums(Workspace workspace, int64_t rows, int64_t columns, int slot)
      : rows(rows),
        columns(columns),
        chunks(ceil_div(rows, kSumChunk)),
        data(static_cast<T*>(workspace.data) + slot * columns * chunks) {}

  // Calls at(row, rows, first, columns) for the chunks of all blocks of columns, which the team shares.
  template <typename At>
  TILEGRAD_INLINE void for_each_chunk(const Team& team, At at) const {
    const int64_t across = ceil_div(columns, kSumColumns);
    const Range mine = team.share(chunks * across);
    for (int64_t item = mine.begin; item < mine.end; ++item) {
      const int64_t chunk = item / across, first = item % across * kSumColumns;
      at(chunk * kSumChunk, rows_of(chunk), first, smaller(kSumColumns, columns - first));
    }
  }
  TILEGRAD_INLINE int64_t rows_of(int64_t chunk) const { return smaller(kSumChunk, rows - chunk * kSumChunk); }
  TILEGRAD_INLINE T* of(int64_t column) const { return data + column * chunks; }
  TILEGRAD_INLINE void put(int64_t row, int64_t first, int64_t count, const T* sums) const {
    for (int64_t c = 0; c < count; ++c) of(first + c)[row / kSumChunk] = sums[c];
  }
  TILEGRAD_INLINE SumTotal<T> total(int64_t column) const {
    SumTotal<T> total;
    for (int64_t b = 0; b < chunks; ++b) total.add(of(column)[b]);
    return total;
  }
};

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
