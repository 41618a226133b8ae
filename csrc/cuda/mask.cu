// The places of a mask's true elements, in row-major order: counted chunk by chunk, then written from each chunk's start.
#include "cuda/kernel.cuh"
#include "params/gather.h"

namespace tilegrad::cuda {
namespace {

template <typename T>
__device__ __forceinline__ bool is_true(T value) {
  if constexpr (std::is_same_v<T, Bool>) {
    return value.value != 0;
  } else {
    return value != T(0);
  }
}

inline constexpr int kRounds = static_cast<int>(kMaskChunk) / kThreads;
static_assert(kRounds * kThreads == kMaskChunk);

// A block counts a chunk.
template <typename T>
__global__ void __launch_bounds__(kThreads) count_true(int64_t numel, const T* mask, int64_t* counts) {
  for (int64_t chunk = blockIdx.x; chunk * kMaskChunk < numel; chunk += gridDim.x) {
    int count = 0;
    for (int round = 0; round < kRounds; ++round) {
      const int64_t i = chunk * kMaskChunk + round * kThreads + threadIdx.x;
      count += __syncthreads_count(i < numel && is_true(mask[i]));
    }
    if (threadIdx.x == 0) counts[chunk] = count;
  }
}

template <typename T>
void mask_count(const Stream& stream, const MaskScan& p, const T* mask, int64_t* counts) {
  if (p.numel == 0) return;
  count_true<<<blocks_for(p.numel, kRounds), kThreads, 0, stream.handle>>>(p.numel, mask, counts);
}

// y [ndim, found]: a row of coordinates for each axis. A true element's slot is the chunk's start, and the true elements
// before it: in earlier rounds, in this round's earlier warps, and in its own.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    write_places(const __grid_constant__ MaskScan p, const T* mask, const int64_t* starts, int64_t* y) {
  constexpr int kWarps = kThreads / 32;
  __shared__ int in_warp[kWarps];
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  for (int64_t chunk = blockIdx.x; chunk * kMaskChunk < p.numel; chunk += gridDim.x) {
    int64_t next = starts[chunk];
    for (int round = 0; round < kRounds; ++round) {
      const int64_t i = chunk * kMaskChunk + round * kThreads + threadIdx.x;
      const bool found = i < p.numel && is_true(mask[i]);
      const unsigned together = __ballot_sync(0xffffffffu, found);
      if (lane == 0) in_warp[warp] = __popc(together);
      __syncthreads();
      int64_t slot = next + __popc(together & ((1u << lane) - 1));
      for (int w = 0; w < kWarps; ++w) {
        if (w < warp) slot += in_warp[w];
        next += in_warp[w];
      }
      __syncthreads();
      if (!found) continue;
      int64_t rest = i;
      for (int d = p.ndim - 1; d > 0; --d) {
        const int64_t above = rest / p.shape[d];
        y[d * p.found + slot] = rest - above * p.shape[d];
        rest = above;
      }
      y[slot] = rest;
    }
  }
}

template <typename T>
void mask_places(const Stream& stream, const MaskScan& p, const T* mask, const int64_t* starts, int64_t* y) {
  if (p.numel == 0 || p.found == 0) return;
  write_places<<<blocks_for(p.numel, kRounds), kThreads, 0, stream.handle>>>(p, mask, starts, y);
}

}  // namespace
DEFINE_KERNEL(mask_count, COMPARABLE)
DEFINE_KERNEL(mask_places, COMPARABLE)
}  // namespace tilegrad::cuda
