// What attention and its gradient share: products of tiles of queries and keys through shared memory, by blocks of
// kThreads threads as 16 x 16, and the scores. cpu/attention.h is the twin: every sum is one fma chain over ascending
// features, keys or queries, which is the CPU's order and does not depend on the tiles.
#pragma once

#include "cuda/device/random_words.cuh"
#include "cuda/device/sums.cuh"
#include "formulas/arithmetic.h"
#include "formulas/logarithm.h"
#include "params/attention.h"

namespace tilegrad::cuda {
namespace {

inline constexpr int kKeys = kAttentionBlock;  // of a tile
inline constexpr int kSide = 16;               // threads along a side of a tile
static_assert(kSide * kSide == kThreads && kKeys % kSide == 0);

template <typename T>
inline constexpr int kSlice = sizeof(T) == 4 ? 32 : 16;  // features that are in shared memory at once
template <typename T>
inline constexpr int kWide = sizeof(T) == 4 ? 64 : 32;  // columns of a product that are made at once

// Rows of features in memory, `step` apart.
template <typename T>
struct FeatureRows {
  const T* first;
  int64_t step;
};

// Room for operands of one product at a time.
template <typename T, int kRows>
union TileRoom {
  struct {
    T rows[kRows][kSlice<T> + 1], keys[kKeys][kSlice<T> + 1];
  } slices;
  T columns[kKeys][kWide<T> + 1];
};

// A tile of scores or the like, [query][key].
template <typename T, int kRows>
struct ScoreTile {
  T at[kRows][kKeys + 1];
};

// tile[r][i] = finish(r, i, a[r] b[i]) for r < rows and i < count.
template <int kRows, typename T, typename Finish>
__device__ __forceinline__ void multiply_rows(int rows, int count, int64_t features, FeatureRows<T> a, FeatureRows<T> b,
                                              TileRoom<T, kRows>& room, ScoreTile<T, kRows>& tile, Finish finish) {
  constexpr int kDown = kRows / kSide, kAcross = kKeys / kSide;
  const int t = static_cast<int>(threadIdx.x), x = t % kSide, y = t / kSide;
  T sums[kDown][kAcross] = {};
  for (int64_t f0 = 0; f0 < features; f0 += kSlice<T>) {
    const int depth = static_cast<int>(smaller<int64_t>(kSlice<T>, features - f0));
    __syncthreads();
    for (int e = t; e < (kRows + kKeys) * kSlice<T>; e += kThreads) {
      const int f = e % kSlice<T>, r = e / kSlice<T>;
      if (r < kRows) {
        room.slices.rows[r][f] = r < rows && f < depth ? a.first[r * a.step + f0 + f] : T(0);
      } else {
        const int i = r - kRows;
        room.slices.keys[i][f] = i < count && f < depth ? b.first[i * b.step + f0 + f] : T(0);
      }
    }
    __syncthreads();
#pragma unroll 4
    for (int f = 0; f < depth; ++f) {
      T own[kDown], other[kAcross];
#pragma unroll
      for (int m = 0; m < kDown; ++m) own[m] = room.slices.rows[y + m * kSide][f];
#pragma unroll
      for (int k = 0; k < kAcross; ++k) other[k] = room.slices.keys[x + k * kSide][f];
#pragma unroll
      for (int m = 0; m < kDown; ++m) {
#pragma unroll
        for (int k = 0; k < kAcross; ++k) sums[m][k] = formulas::fma(own[m], other[k], sums[m][k]);
      }
    }
  }
#pragma unroll
  for (int m = 0; m < kDown; ++m) {
#pragma unroll
    for (int k = 0; k < kAcross; ++k) {
      const int r = y + m * kSide, i = x + k * kSide;
      if (r < rows && i < count) tile.at[r][i] = finish(r, i, sums[m][k]);
    }
  }
}

// to[m] = start(m, to[m]) + the sum over i < terms of weight(m, i) b[i], for m < outputs and all features; then finish(to).
// Every element of `to` is one thread's.
template <int kRows, int kOutputs, typename T, typename Weight, typename Start, typename Finish>
__device__ __forceinline__ void add_columns(int outputs, int terms, int64_t features, FeatureRows<T> b, T* to,
                                            int64_t to_step, TileRoom<T, kRows>& room, Weight weight, Start start,
                                            Finish finish) {
  constexpr int kDown = kOutputs / kSide, kAcross = kWide<T> / kSide;
  const int t = static_cast<int>(threadIdx.x), x = t % kSide, y = t / kSide;
  for (int64_t f0 = 0; f0 < features; f0 += kWide<T>) {
    const int width = static_cast<int>(smaller<int64_t>(kWide<T>, features - f0));
    __syncthreads();
    for (int e = t; e < kKeys * kWide<T>; e += kThreads) {
      const int f = e % kWide<T>, i = e / kWide<T>;
      if (i < terms) room.columns[i][f] = f < width ? b.first[i * b.step + f0 + f] : T(0);
    }
    __syncthreads();
    T sums[kDown][kAcross];
#pragma unroll
    for (int m = 0; m < kDown; ++m) {
#pragma unroll
      for (int k = 0; k < kAcross; ++k) {
        const int row = y + m * kSide, f = x + k * kSide;
        const bool there = row < outputs && f < width;
        sums[m][k] = there ? start(row, to + row * to_step + f0 + f) : T(0);
      }
    }
#pragma unroll 4
    for (int i = 0; i < terms; ++i) {
      T own[kDown], other[kAcross];
#pragma unroll
      for (int m = 0; m < kDown; ++m) own[m] = weight(y + m * kSide, i);
#pragma unroll
      for (int k = 0; k < kAcross; ++k) other[k] = room.columns[i][x + k * kSide];
#pragma unroll
      for (int m = 0; m < kDown; ++m) {
#pragma unroll
        for (int k = 0; k < kAcross; ++k) sums[m][k] = formulas::fma(own[m], other[k], sums[m][k]);
      }
    }
#pragma unroll
    for (int m = 0; m < kDown; ++m) {
#pragma unroll
      for (int k = 0; k < kAcross; ++k) {
        const int row = y + m * kSide, f = x + k * kSide;
        if (row < outputs && f < width) to[row * to_step + f0 + f] = finish(row, sums[m][k]);
      }
    }
  }
}

// One head of one sample.
struct Head {
  int64_t n, h;
};

// The mask of a launch: bools that let keys be seen, or addends; both null where there is none.
template <typename T>
struct Mask {
  const Bool* visible;
  const T* addend;
};

// The score of a query and a key whose product is given: minus infinity where the query does not see the key.
template <typename T>
__device__ __forceinline__ T finish_score(const Attention& p, Head head, int64_t query, int64_t key,
                                          const Mask<T>& mask, T product) {
  if (p.causal && key > query) return -formulas::kInfinity<T>;
  T score = product * static_cast<T>(p.scale);
  const int64_t at = p.mask.at(head.n, head.h, query) + key * p.mask_step;
  if (mask.addend) score = score + mask.addend[at];
  if (mask.visible && !mask.visible[at].value) score = -formulas::kInfinity<T>;
  return score;
}

// Blocks of keys that a query sees any of.
__device__ __forceinline__ int64_t key_blocks(const Attention& p, int64_t query) {
  const int64_t all = attention_blocks(p.S);
  return p.causal ? smaller(all, query / kAttentionBlock + 1) : all;
}

// Which of keys lane, lane + 16, lane + 32 and lane + 48 of a block dropout keeps: the words of one Philox block.
struct Kept {
  bool at[4];
  __device__ __forceinline__ Kept(const Attention& p, const RandomStream& stream, Head head, int64_t query, int64_t key,
                                  int lane) {
    const int64_t row = (head.n * p.H + head.h) * p.T + query;
    const int64_t tile = row * attention_blocks(p.S) + key / kAttentionBlock;
    const formulas::PhiloxBlock block = stream.block(tile * kBlocksPerTile + lane);
    const uint32_t last = static_cast<uint32_t>(p.keep.threshold - 1);
#pragma unroll
    for (int w = 0; w < 4; ++w) at[w] = p.keep.threshold > 0 && block.word[w] <= last;
  }
};

}  // namespace
}  // namespace tilegrad::cuda
