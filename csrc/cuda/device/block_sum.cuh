// Sums in double of what the threads of a block hold, in an order that is a function of the block's size.
#pragma once

#include "cuda/kernel.cuh"

namespace tilegrad::cuda {
namespace {

// The threads' numbers as a tree: in each warp 16 + 16, 8 + 8, ..., then the warps' sums in the same way. All threads call
// it and all get the sum; it may be called again at once. kCount sums are made side by side.
template <int kBlock, int kCount>
__device__ __forceinline__ void sum_over_block(double (&value)[kCount]) {
  constexpr int kWarps = kBlock / 32;
  static_assert(kWarps * 32 == kBlock && kWarps <= 32);
  __shared__ double sums[kCount][32];
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
#pragma unroll
  for (int k = 0; k < kCount; ++k) {
#pragma unroll
    for (int half = 16; half > 0; half /= 2) value[k] += __shfl_xor_sync(0xffffffffu, value[k], half);
    if (lane == 0) sums[k][warp] = value[k];
  }
  __syncthreads();
#pragma unroll
  for (int k = 0; k < kCount; ++k) {
    value[k] = lane < kWarps ? sums[k][lane] : 0.0;
#pragma unroll
    for (int half = 16; half > 0; half /= 2) value[k] += __shfl_xor_sync(0xffffffffu, value[k], half);
  }
  __syncthreads();
}

// What a thread adds up of a part of a vector: elements kVector at a time, as far apart as the block is wide. run(i, count)
// gets count elements from number i on, kVector or, at the end, fewer: the same ones whether loads are vectors or not.
template <int kVector, typename Run>
__device__ __forceinline__ void for_each_vector(int64_t begin, int64_t end, Run run) {
  for (int64_t i = begin + kVector * static_cast<int>(threadIdx.x); i < end;
       i += kVector * static_cast<int>(blockDim.x)) {
    run(i, i + kVector <= end ? kVector : static_cast<int>(end - i));
  }
}

}  // namespace
}  // namespace tilegrad::cuda
