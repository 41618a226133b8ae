// The micro-kernels of the matrix product: register tiles of every height and width, from packed or unpacked operands.
#pragma once

#include "cpu/epilogue.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// One tile's share of one block of k.
template <typename T>
struct TileJob {
  int64_t K;
  const T* b;
  int64_t b_step;
  const T* chain;  // the sums to continue, at stride chain_stride; null to start from 0
  int64_t chain_stride;
  const T* total;  // the sum of the chunks before, at stride out_stride; null if there is none or the chunk goes on
  T* out;
  int64_t out_stride;
  int64_t columns;              // of out that exist
  const Epilogue<T>* epilogue;  // null while there are chunks to come
  int64_t first;                // the first column's place in the bias
};

// The widest panel of B, in vectors, and its tiles' height: the best of those measured (bench/gemm.py).
inline constexpr int kPanelVectors = kVectorRegisters == 32 ? 4 : (kHasFma ? 3 : 2);

// How many rows a tile has at most beside panels of at most `vectors` vectors.
template <typename T>
TILEGRAD_INLINE int most_rows(int64_t vectors) {
  return vectors >= 4 ? kMaxRows<T, 4> : vectors == 3 ? kMaxRows<T, 3> : vectors == 2 ? kMaxRows<T, 2> : kMaxRows<T, 1>;
}

template <typename T, int kRows, int kVectors, typename A>
[[gnu::noinline]] void run_tile(const TileJob<T>& job, A a) {
  RegisterTile<T, kRows, kVectors> tile;
  if (job.chain) {
    tile.load(job.chain, job.chain_stride, job.columns);
  } else {
    tile.clear();
  }
  tile.accumulate(job.K, a, job.b, job.b_step);
  if (job.total) tile.add_to(job.total, job.out_stride, job.columns);
  if (job.epilogue) {
    finish(tile, *job.epilogue, job.first, job.out, job.out_stride, job.columns);
  } else {
    tile.store(job.out, job.out_stride, job.columns);
  }
}

template <typename T, int kVectors, typename A>
TILEGRAD_INLINE void run_tile_of_width(int rows, const TileJob<T>& job, A a) {
  with_rows<kMaxRows<T, kVectors>>(rows, [&](auto height) { run_tile<T, height, kVectors>(job, a); });
}

template <typename T, typename A>
TILEGRAD_INLINE void run_tile(int rows, int vectors, const TileJob<T>& job, A a) {
  switch (vectors) {
    case 1:
      return run_tile_of_width<T, 1>(rows, job, a);
    case 2:
      return run_tile_of_width<T, 2>(rows, job, a);
    case 3:
      if constexpr (kPanelVectors >= 3) return run_tile_of_width<T, 3>(rows, job, a);
      break;
    case 4:
      if constexpr (kPanelVectors >= 4) return run_tile_of_width<T, 4>(rows, job, a);
      break;
  }
}

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
