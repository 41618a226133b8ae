#include "cuda/device/sort_pairs.cuh"

#include <bit>
#include <cub/device/device_radix_sort.cuh>

#include "cuda/runtime.h"

namespace tilegrad::cuda {

SortedPairs pairs_to_sort(const Stream& stream, int64_t count) {
  uint64_t* const keys = stream.scratch_of<uint64_t>(2 * count);
  int64_t* const values = stream.scratch_of<int64_t>(2 * count);
  return {keys, values, count, keys + count, values + count};
}

SortedPairs sort_pairs(const Stream& stream, const SortedPairs& pairs, uint64_t most) {
  const int bits = static_cast<int>(std::bit_width(most));
  if (pairs.count < 2 || bits == 0) return pairs;
  cub::DoubleBuffer<uint64_t> keys(pairs.keys, pairs.other_keys);
  cub::DoubleBuffer<int64_t> values(pairs.values, pairs.other_values);
  size_t bytes = 0;
  TILEGRAD_CUDA_CALL(
      cub::DeviceRadixSort::SortPairs(nullptr, bytes, keys, values, pairs.count, 0, bits, stream.handle));
  void* const scratch = stream.scratch(bytes);
  TILEGRAD_CUDA_CALL(
      cub::DeviceRadixSort::SortPairs(scratch, bytes, keys, values, pairs.count, 0, bits, stream.handle));
  return {keys.Current(), values.Current(), pairs.count, keys.Alternate(), values.Alternate()};
}

}  // namespace tilegrad::cuda
