// CUB's sort of pairs by some bits of their keys, for the emulation of cuda_runtime.h.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace cub {

template <typename T>
struct DoubleBuffer {
  T* buffers[2];
  int selector = 0;
  DoubleBuffer(T* first, T* second) : buffers{first, second} {}
  T* Current() const { return buffers[selector]; }
  T* Alternate() const { return buffers[1 - selector]; }
};

struct DeviceRadixSort {
  template <typename K, typename V>
  static cudaError_t SortPairs(void* scratch, size_t& bytes, DoubleBuffer<K>& keys, DoubleBuffer<V>& values,
                               int64_t count, int from_bit, int to_bit, cudaStream_t stream) {
    if (!scratch) {
      bytes = 256;
      return cudaSuccess;
    }
    emulated::enqueue(stream, [=] {
      const K mask = to_bit - from_bit >= static_cast<int>(8 * sizeof(K)) ? ~K{0} : (K{1} << (to_bit - from_bit)) - 1;
      const auto digits = [&](int64_t i) { return keys.buffers[0][i] >> from_bit & mask; };
      std::vector<int64_t> order(static_cast<size_t>(count));
      std::iota(order.begin(), order.end(), int64_t{0});
      std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return digits(a) < digits(b); });
      for (int64_t i = 0; i < count; ++i) {
        keys.buffers[1][i] = keys.buffers[0][order[static_cast<size_t>(i)]];
        values.buffers[1][i] = values.buffers[0][order[static_cast<size_t>(i)]];
      }
    });
    keys.selector = values.selector = 1;
    return cudaSuccess;
  }
};

}  // namespace cub
