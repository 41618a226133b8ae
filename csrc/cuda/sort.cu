// Stable sorts of rows, by keys of 64 bits that are ordered as the values are: numbers in ascending order with NaN, all of
// them equal, behind the largest; zeros of both signs are equal. Short rows are sorted in shared memory, several by a block;
// long ones by CUB's radix sort.
#include "cuda/device/indexed.cuh"
#include "cuda/device/sort_pairs.cuh"
#include "formulas/floating.h"
#include "params/sort.h"

namespace tilegrad::cuda {
namespace {

template <typename T>
inline constexpr int kKeyBits = 8 * static_cast<int>(sizeof(T));

// In the low kKeyBits bits.
template <typename T>
__device__ __forceinline__ uint64_t ascending_key(T value) {
  if constexpr (std::is_same_v<T, Bool>) {
    return value.value;
  } else if constexpr (std::is_floating_point_v<T>) {
    using Bits = typename formulas::Floating<T>::Bits;
    if (value != value) return static_cast<Bits>(~Bits{0});
    const Bits bits = formulas::bits_of(value == T(0) ? T(0) : value);
    return bits & formulas::kSignBit<T> ? static_cast<Bits>(~bits) : bits | formulas::kSignBit<T>;
  } else if constexpr (std::is_signed_v<T>) {
    using Bits = std::make_unsigned_t<T>;
    return static_cast<Bits>(static_cast<Bits>(value) ^ (Bits{1} << (kKeyBits<T> - 1)));
  } else {
    return value;
  }
}
template <typename T>
__device__ __forceinline__ uint64_t key_of(T value, bool descending) {
  const uint64_t key = ascending_key(value);
  return descending ? ~key & (~uint64_t{0} >> (64 - kKeyBits<T>)) : key;
}

// A block sorts this many entries, in rows of a power of two.
inline constexpr int kTile = 2048;

// Batcher's bitonic sort of every `width` entries. Equal keys are ordered by their number in the row, so that the result is
// that of a stable sort, and what fills a row up stays behind.
template <typename T>
__global__ void __launch_bounds__(kThreads) sort_short_rows(Sort p, int width, const T* x, T* y, int64_t* indices) {
  __shared__ uint64_t keys[kTile];
  __shared__ int numbers[kTile];
  const int rows_at_once = kTile / width;
  for (int64_t first = int64_t{blockIdx.x} * rows_at_once; first < p.rows; first += int64_t{gridDim.x} * rows_at_once) {
    for (int e = static_cast<int>(threadIdx.x); e < kTile; e += kThreads) {
      const int number = e & (width - 1);
      const int64_t row = first + e / width;
      const bool is_there = row < p.rows && number < p.length;
      keys[e] = is_there ? key_of(x[row * p.length + number], p.descending) : ~uint64_t{0};
      numbers[e] = number;
    }
    __syncthreads();
    for (int run = 2; run <= width; run *= 2) {
      for (int apart = run / 2; apart > 0; apart /= 2) {
        for (int pair = static_cast<int>(threadIdx.x); pair < kTile / 2; pair += kThreads) {
          const int low = pair / apart * 2 * apart + pair % apart, high = low + apart;
          const bool ascending = run == width || (low & run) == 0;
          const uint64_t a = keys[low], b = keys[high];
          const int a_number = numbers[low], b_number = numbers[high];
          const bool in_order = a < b || (a == b && a_number < b_number);
          if (in_order != ascending) {
            keys[low] = b;
            keys[high] = a;
            numbers[low] = b_number;
            numbers[high] = a_number;
          }
        }
        __syncthreads();
      }
    }
    for (int e = static_cast<int>(threadIdx.x); e < kTile; e += kThreads) {
      const int64_t row = first + e / width, at = row * p.length + (e & (width - 1));
      if (row >= p.rows || (e & (width - 1)) >= p.length) continue;
      y[at] = x[row * p.length + numbers[e]];
      indices[at] = numbers[e];
    }
    __syncthreads();
  }
}

// Rows and values of up to 32 bits are one key; of wider values the key is the value alone.
template <typename T>
__global__ void __launch_bounds__(kThreads) make_sort_keys(Sort p, const T* x, uint64_t* keys, int64_t* places) {
  for_each_element(p.rows * p.length, [&](int64_t i) {
    const uint64_t key = key_of(x[i], p.descending);
    if constexpr (kKeyBits<T> <= 32) {
      keys[i] = static_cast<uint64_t>(i / p.length) << kKeyBits<T> | key;
    } else {
      keys[i] = key;
    }
    places[i] = i;
  });
}

__global__ void __launch_bounds__(kThreads) make_row_keys(Sort p, const int64_t* places, uint64_t* keys) {
  for_each_element(p.rows * p.length, [&](int64_t s) { keys[s] = static_cast<uint64_t>(places[s] / p.length); });
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    write_sorted(Sort p, const int64_t* places, const T* x, T* y, int64_t* indices) {
  for_each_element(p.rows * p.length, [&](int64_t s) {
    y[s] = x[places[s]];
    indices[s] = places[s] % p.length;
  });
}

template <typename T>
void sort(const Stream& stream, const Sort& p, const T* x, T* y, int64_t* indices, Workspace) {
  const int64_t count = p.rows * p.length;
  if (count == 0) return;
  if (p.length <= kTile) {
    int width = 2;
    while (width < p.length) width *= 2;
    const unsigned blocks = blocks_for(p.rows, 1, kTile / width);
    sort_short_rows<<<blocks, kThreads, 0, stream.handle>>>(p, width, x, y, indices);
    return;
  }
  const unsigned blocks = blocks_for(count);
  SortedPairs pairs = pairs_to_sort(stream, count);
  make_sort_keys<<<blocks, kThreads, 0, stream.handle>>>(p, x, pairs.keys, pairs.values);
  const uint64_t last_row = static_cast<uint64_t>(p.rows - 1);
  if constexpr (kKeyBits<T> <= 32) {
    pairs = sort_pairs(stream, pairs, last_row << kKeyBits<T> | ~uint64_t{0} >> (64 - kKeyBits<T>));
  } else {
    pairs = sort_pairs(stream, pairs, ~uint64_t{0});
    if (p.rows > 1) {
      make_row_keys<<<blocks, kThreads, 0, stream.handle>>>(p, pairs.values, pairs.keys);
      pairs = sort_pairs(stream, pairs, last_row);
    }
  }
  write_sorted<<<blocks, kThreads, 0, stream.handle>>>(p, pairs.values, x, y, indices);
}

}  // namespace
DEFINE_KERNEL(sort, COMPARABLE)
}  // namespace tilegrad::cuda
