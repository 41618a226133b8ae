// Where the elements of a nest of loops lie.
#pragma once

#include "cuda/kernel.cuh"
#include "params/loop_nest.h"

namespace tilegrad::cuda {
namespace {

// One place of each operand.
template <int kOperands>
struct Located {
  int64_t at[kOperands];
};

// By division, for which the compiler takes 32 bits where that will do. One loop for all ranks: it stands in hundreds of
// kernels.
template <int kOperands, int kRank>
__device__ __forceinline__ Located<kOperands> locate(const LoopNest<kOperands, kRank>& nest, int64_t position) {
  Located<kOperands> place = {};
  int64_t left = position;
#pragma unroll 1
  for (int d = nest.ndim - 1; d > 0; --d) {
    const int64_t rest = left / nest.shape[d], index = left - rest * nest.shape[d];
#pragma unroll
    for (int o = 0; o < kOperands; ++o) place.at[o] += index * nest.stride[o][d];
    left = rest;
  }
  if (nest.ndim > 0) {
#pragma unroll
    for (int o = 0; o < kOperands; ++o) place.at[o] += left * nest.stride[o][0];
  }
  return place;
}

// Whether elements lie one after the other for every operand.
template <int kOperands>
__host__ __device__ inline bool is_dense(const LoopNest<kOperands>& nest) {
  if (nest.ndim == 0) return true;
  bool dense = nest.ndim == 1;
  for (int o = 0; o < kOperands; ++o) dense = dense && nest.stride[o][0] == 1;
  return dense;
}

}  // namespace
}  // namespace tilegrad::cuda
