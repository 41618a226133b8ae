// The order in which a scatter takes its values: sorted by where they go, those of one place in ascending order of their
// index. Every place then belongs to one thread, and no order of threads shows.
#pragma once

#include "cuda/device/indexed.cuh"
#include "cuda/device/sort_pairs.cuh"

namespace tilegrad::cuda {
namespace {

// Keys are offsets above the lowest; one beyond the highest is nowhere.
struct ScatterOrder {
  const uint64_t* keys;
  const int64_t* indices;
  int64_t count;
  int64_t lowest;
  uint64_t nowhere;

  __device__ __forceinline__ bool is_somewhere(int64_t s) const { return keys[s] != nowhere; }
  __device__ __forceinline__ bool is_first(int64_t s) const { return s == 0 || keys[s - 1] != keys[s]; }
  __device__ __forceinline__ bool is_last(int64_t s) const { return s + 1 == count || keys[s + 1] != keys[s]; }
  __device__ __forceinline__ int64_t offset(int64_t s) const { return static_cast<int64_t>(keys[s]) + lowest; }
  __device__ __forceinline__ int64_t index(int64_t s) const { return indices[s]; }
};

__global__ void __launch_bounds__(kThreads)
    make_scatter_keys(int64_t count, int64_t lowest, uint64_t nowhere, const int64_t* offsets, uint64_t* keys,
                      int64_t* indices) {
  for_each_element(count, [&](int64_t i) {
    keys[i] = offsets[i] == kNowhere ? nowhere : static_cast<uint64_t>(offsets[i] - lowest);
    indices[i] = i;
  });
}

// The order for a scatter along p.count offsets, made by a sort: a launch of its own, or several.
inline ScatterOrder order_of(const Stream& stream, const Gather& p, const int64_t* offsets) {
  const uint64_t nowhere = static_cast<uint64_t>(p.highest - p.lowest) + 1;
  SortedPairs pairs = pairs_to_sort(stream, p.count);
  make_scatter_keys<<<blocks_for(p.count), kThreads, 0, stream.handle>>>(p.count, p.lowest, nowhere, offsets,
                                                                         pairs.keys, pairs.values);
  pairs = sort_pairs(stream, pairs, nowhere);
  return {pairs.keys, pairs.values, p.count, p.lowest, nowhere};
}

}  // namespace
}  // namespace tilegrad::cuda
