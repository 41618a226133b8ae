// The register tiles of conv2d_backward_weights: rows are filter elements, columns what the lanes of vectors run along, and
// the sum runs over the pixels of a block.
#pragma once

#include "cpu/conv_tile.h"
#include "cpu/transpose.h"
#include "params/stencil.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// Where a tile's sums come from and go to.
template <typename T>
struct WeightsSums {
  const T* chain;  // the chunk's sums so far, or null at its start
  const T* total;  // the sums of the chunks before, to be added at the chunk's end, or null
  T* to;
  int64_t stride;
  int64_t columns;

  TILEGRAD_INLINE WeightsSums at(int64_t offset) const {
    return {chain ? chain + offset : nullptr, total ? total + offset : nullptr, to + offset, stride, columns};
  }
};

template <typename T, int kRows, int kVectors, typename F>
TILEGRAD_INLINE void with_sums(const WeightsSums<T>& p, F add_pixels) {
  RegisterTile<T, kRows, kVectors> tile;
  if (p.chain) {
    tile.load(p.chain, p.stride, p.columns);
  } else {
    tile.clear();
  }
  add_pixels(tile);
  if (p.total) tile.add_to(p.total, p.stride, p.columns);
  tile.store(p.to, p.stride, p.columns);
}

// sum[m][n] += x[offsets[k] + m] * dy[k][n]: rows are neighbours in x, or two runs of neighbours, columns output channels.
template <typename T>
struct RunTile {
  WeightsSums<T> sums;
  const int64_t* offsets;  // of the pixels
  int64_t pixels;
  const T* dy;
  int64_t dy_step;
};

template <typename T, int kRuns, int kRows, int kVectors>
[[gnu::noinline]] void run_weights_tile(const RunTile<T>& p, const T* x, int64_t next_run) {
  constexpr int kAll = kRuns * kRows;
  with_sums<T, kAll, kVectors>(p.sums, [&](RegisterTile<T, kAll, kVectors>& tile) {
    const T* dy = p.dy;
    for (int64_t k = 0; k < p.pixels; ++k, dy += p.dy_step) {
      const T* const a = x + p.offsets[k];
      Vec<T> row[kVectors];
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) row[v] = load_vector(dy, v);
#pragma GCC unroll 16
      for (int m = 0; m < kAll; ++m) {
        const Vec<T> value = broadcast(a[m % kRows + m / kRows * next_run]);
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) tile.sum[m][v] = fma_lanes(value, row[v], tile.sum[m][v]);
      }
    }
  });
}

// Lane l of the result is v[index[l]].
template <typename T>
using LaneIndex = decltype(Vec<T>{} < Vec<T>{});
template <typename T>
TILEGRAD_INLINE Vec<T> permute(Vec<T> v, LaneIndex<T> index) {
#if defined(__clang__)
  Vec<T> result;
  for (int i = 0; i < kLanes<T>; ++i) result[i] = v[index[i]];
  return result;
#else
  return __builtin_shuffle(v, index);
#endif
}

// A vector whose lanes lie at source[lane l's place]: one load and a permutation where the places are near each other.
template <typename T>
struct LanePlaces {
  LaneIndex<T> index;  // counted from base
  int64_t base;
  bool near;

  // place(l) for each lane. Elements up to `limit` exist behind source.
  template <typename F>
  TILEGRAD_INLINE void set(int64_t limit, F place) {
    int64_t least = place(0), most = least;
    for (int l = 1; l < kLanes<T>; ++l) {
      least = smaller<int64_t>(least, place(l));
      most = larger<int64_t>(most, place(l));
    }
    near = most - least < kLanes<T> && limit >= kLanes<T>;
    base = near ? smaller(least, limit - kLanes<T>) : 0;
    for (int l = 0; l < kLanes<T>; ++l) index[l] = static_cast<decltype(index[0] + 0)>(place(l) - base);
  }
  TILEGRAD_INLINE Vec<T> take(const T* source) const {
    if (near) return permute<T>(load(source + base), index);
    Vec<T> v{};
    for (int l = 0; l < kLanes<T>; ++l) v[l] = source[index[l]];
    return v;
  }
};

// The places of a panel's lanes in x and in dy.
template <typename T>
struct PanelPlaces {
  LanePlaces<T> x[kConvVectors], dy[kConvVectors];
  bool near_x, near_dy;
};

// sum[m][n] += rows[m][column * step + n] * dy[k][its place of n], lane by lane. The pixels are those of some rows, of which
// the first begins at `column` and the last may end early; each has rows[] of its own. chain and sums are [m][whole vectors].
template <typename T>
struct LaneTile {
  const T* chain;  // null at the chunk's start
  T* sums;
  int64_t pixels;
  int64_t column, columns, step;
  const T* dy;
  int64_t dy_step;
  int64_t base[kConvVectors];
  LaneIndex<T> index[kConvVectors];
};

template <typename T, int kRows, int kVectors>
[[gnu::noinline]] void lane_weights_tile(const LaneTile<T>& p, const T* const* rows) {
  using Tile = RegisterTile<T, kRows, kVectors>;
  Tile tile;
  if (p.chain) {
    tile.load(p.chain, Tile::kColumns);
  } else {
    tile.clear();
  }
  const T* dy = p.dy;
  const bool together = kVectors > 1 && p.base[kVectors - 1] == p.base[0];  // one load serves both
  int64_t left = p.pixels;
  for (int64_t column = p.column; left > 0; column = 0, rows += kRows) {
    const T* first[kRows];
    for (int m = 0; m < kRows; ++m) first[m] = rows[m];
    const int64_t count = smaller(left, p.columns - column), end = (column + count) * p.step;
    left -= count;
    for (int64_t offset = column * p.step; offset < end; offset += p.step, dy += p.dy_step) {
      Vec<T> row[kVectors];
      const Vec<T> pixel = load(dy + p.base[0]);
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) {
        row[v] = permute<T>(v == 0 || together ? pixel : load(dy + p.base[v]), p.index[v]);
      }
#pragma GCC unroll 16
      for (int m = 0; m < kRows; ++m) {
        const T* const a = first[m] + offset;
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) tile.sum[m][v] = fma_lanes(load_vector(a, v), row[v], tile.sum[m][v]);
      }
    }
  }
  tile.store(p.sums, Tile::kColumns);
}

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
