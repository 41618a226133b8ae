// How kernels draw: whole tiles of Philox blocks from the generator's current stream, and the step to the next stream. The
// bits are the CPU's (cpu/random_words.h): a tile is 16 blocks of 4 words, with word w of block j at position 16 w + j.
#pragma once

#include "cuda/kernel.cuh"
#include "formulas/philox.h"

namespace tilegrad::cuda {
namespace {

inline constexpr int kBlocksPerTile = 16;
inline constexpr int kWordsPerTile = 4 * kBlocksPerTile;

// Block numbers stay below 2^59; the bits above count the attempts of distributions that reject.
inline constexpr int kAttemptShift = 59;
inline constexpr int kMaxAttempts = 32;

// The generator's stream, which only the device knows.
struct RandomStream {
  uint64_t seed, number;

  __device__ __forceinline__ explicit RandomStream(const int64_t* state)
      : seed(static_cast<uint64_t>(state[0])), number(static_cast<uint64_t>(state[1])) {}
  __device__ __forceinline__ formulas::PhiloxBlock block(int64_t index, int attempt = 0) const {
    return formulas::philox(seed, number,
                            static_cast<uint64_t>(index) + (static_cast<uint64_t>(attempt) << kAttemptShift));
  }
};

__global__ void move_to_next_stream(int64_t* state) {
  state[1] = static_cast<int64_t>(static_cast<uint64_t>(state[1]) + 1);
}

// Every launch draws from a stream of its own: the last thing a kernel does is to move the generator to the next.
inline void next_stream(const Stream& stream, int64_t* state) {
  move_to_next_stream<<<1, 1, 0, stream.handle>>>(state);
}

// Blocks of which tiles for `count` elements are made.
inline int64_t philox_blocks(int64_t count, int elements_per_tile) {
  return ceil_div(count, elements_per_tile) * kBlocksPerTile;
}

// Calls run(first, words) for all elements: first = 4 b gets the words of elements 4 b to 4 b + 3, which threads of a warp
// have exchanged so that loads and stores are of neighbours. Blocks are of kThreads threads.
template <typename Run>
__device__ __forceinline__ void for_each_four(int64_t philox_blocks, const RandomStream& stream, Run run) {
  __shared__ __align__(16) uint32_t exchange[kThreads / 32][2 * kWordsPerTile];
  const int lane = static_cast<int>(threadIdx.x) % 32;
  uint32_t* const words = exchange[threadIdx.x / 32];
  uint32_t* const own = words + lane / kBlocksPerTile * kWordsPerTile + lane % kBlocksPerTile;
  const int64_t step = int64_t{gridDim.x} * kThreads;
  // Warps go on together: the last may draw a tile that nobody asked for.
  for (int64_t b = int64_t{blockIdx.x} * kThreads + threadIdx.x; b - lane < philox_blocks; b += step) {
    const formulas::PhiloxBlock block = stream.block(b);
#pragma unroll
    for (int w = 0; w < 4; ++w) own[w * kBlocksPerTile] = block.word[w];
    __syncwarp();
    const uint4 four = *reinterpret_cast<const uint4*>(words + 4 * lane);
    __syncwarp();
    const uint32_t result[4] = {four.x, four.y, four.z, four.w};
    run(4 * b, result);
  }
}

}  // namespace
}  // namespace tilegrad::cuda
