// What is left to do when all blocks of a launch (or of a group of its blocks) have done their part, by the last of them: it
// saves a launch, which costs more than small reductions do.
#pragma once

#include "cuda/kernel.cuh"

namespace tilegrad::cuda {
namespace {

// Whether the block is the last of `blocks` that come here. It then sees what the others wrote before, by fresh(). The count
// is 0 before and after. All threads of a block come.
__device__ __forceinline__ bool is_last_block(unsigned* arrived, unsigned blocks) {
  __shared__ bool is_last;
  __syncthreads();
  if (threadIdx.x == 0) {
    __threadfence();
    is_last = atomicInc(arrived, blocks - 1) == blocks - 1;
    __threadfence();
  }
  __syncthreads();
  return is_last;
}

// An element that another block of the launch wrote: past this multiprocessor's own cache.
template <typename T>
__device__ __forceinline__ T fresh(const T* from) {
  return __ldcg(from);
}

}  // namespace
}  // namespace tilegrad::cuda
