// The loops under every elementwise kernel: a formula of scalars over a LoopNest (cpu/elementwise.h is the twin).
#pragma once

#include <initializer_list>

#include "cuda/device/numbers.cuh"
#include "cuda/kernel.cuh"
#include "params/loop_nest.h"

namespace tilegrad::cuda {
namespace {

// An operand of one run: contiguous, or one element for all.
template <typename X>
struct RunInput {
  const X* from;
  bool repeats;

  template <int kCount>
  __device__ __forceinline__ Pack<X, kCount> load(int64_t first) const {
    if (!repeats) return *reinterpret_cast<const Pack<X, kCount>*>(from + first);
    Pack<X, kCount> values;
    for (int i = 0; i < kCount; ++i) values.at[i] = *from;
    return values;
  }
};

// Each thread takes kVector elements with loads of up to 16 bytes, twice: with 2048 threads a multiprocessor that is
// enough in flight to fill the memory's queue.
inline constexpr int kRounds = 2;

template <int kVector, typename F, typename Y, typename... X>
__global__ void __launch_bounds__(kThreads) map_run(int64_t count, F f, Y* y, RunInput<X>... x) {
  const int64_t tile = int64_t{blockIdx.x} * (kThreads * kVector * kRounds);
#pragma unroll
  for (int round = 0; round < kRounds; ++round) {
    const int64_t first = tile + (round * kThreads + static_cast<int>(threadIdx.x)) * kVector;
    if (first + kVector <= count) {
      const auto apply = [&](const Pack<X, kVector>&... values) {
        Pack<Y, kVector> result;
#pragma unroll
        for (int i = 0; i < kVector; ++i) result.at[i] = narrow<Y>(f(widen(values.at[i])...));
        *reinterpret_cast<Pack<Y, kVector>*>(y + first) = result;
      };
      apply(x.template load<kVector>(first)...);
    } else {
      for (int64_t i = first; i < count; ++i) y[i] = narrow<Y>(f(widen(x.template load<1>(i).at[0])...));
    }
  }
}

// Any strides: the place of every element is found by division.
template <int kOperands>
struct Places {
  int ndim;
  uint32_t shape[kMaxRank];
  int64_t stride[kOperands][kMaxRank];

  template <typename Index>
  __device__ __forceinline__ void find(Index i, int64_t (&offset)[kOperands]) const {
    for (int o = 0; o < kOperands; ++o) offset[o] = 0;
    for (int d = ndim - 1; d > 0; --d) {
      const Index extent = shape[d], rest = i / extent, at = i - rest * extent;
      for (int o = 0; o < kOperands; ++o) offset[o] += static_cast<int64_t>(at) * stride[o][d];
      i = rest;
    }
    for (int o = 0; o < kOperands; ++o) offset[o] += static_cast<int64_t>(i) * stride[o][0];
  }
};

template <typename Index, int... kI, typename F, typename Y, typename... X>
__device__ __forceinline__ void map_place(std::integer_sequence<int, kI...>, const int64_t* offset, const F& f, Y* y,
                                          const X*... x) {
  y[offset[sizeof...(X)]] = narrow<Y>(f(widen(x[offset[kI]])...));
}

template <typename Index, typename F, typename Y, typename... X>
__global__ void __launch_bounds__(kThreads)
    map_places(int64_t count, const __grid_constant__ Places<sizeof...(X) + 1> places, F f, Y* y, const X*... x) {
  const int64_t step = int64_t{gridDim.x} * kThreads;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < count; i += step) {
    int64_t offset[sizeof...(X) + 1];
    places.find(static_cast<Index>(i), offset);
    map_place<Index>(std::make_integer_sequence<int, sizeof...(X)>{}, offset, f, y, x...);
  }
}

constexpr int smallest_size(std::initializer_list<size_t> sizes) {
  size_t most = 1;
  for (size_t size : sizes) most = size > most ? size : most;
  return static_cast<int>(most);
}

// Elements a load of 16 bytes holds of the widest operand.
template <typename... E>
inline constexpr int kVectorOf = 16 / smallest_size({sizeof(E)...});

template <typename E>
bool is_aligned(const E* pointer, int count) {
  return reinterpret_cast<uintptr_t>(pointer) % (sizeof(E) * static_cast<size_t>(count)) == 0;
}

// y = f(x...) over the nest: the inputs come first, y last.
template <typename F, typename Y, typename... X>
void map(const Stream& stream, const LoopNest<sizeof...(X) + 1>& nest, F f, Y* y, const X*... x) {
  constexpr int kInputs = sizeof...(X), kOperands = kInputs + 1;
  if (nest.numel == 0) return;
  const auto step = [&](int o) { return nest.ndim ? nest.stride[o][0] : int64_t{1}; };
  bool is_run = nest.ndim <= 1 && step(kInputs) == 1;
  for (int o = 0; o < kInputs; ++o) is_run &= step(o) == 1 || step(o) == 0;
  if (is_run) {
    constexpr int kVector = kVectorOf<Y, X...>;
    int o = 0;
    bool aligned = is_aligned(y, kVector);
    for (bool fits : {is_aligned(x, kVector)...}) aligned &= fits || step(o) == 0, ++o;
    o = 0;
    const auto launch = [&](auto kernel, int each, RunInput<X>... inputs) {
      kernel<<<blocks_for(nest.numel, each * kRounds), kThreads, 0, stream.handle>>>(nest.numel, f, y, inputs...);
    };
    const auto numbered = [&]<int... kI>(std::integer_sequence<int, kI...>) {
      if (aligned) {
        launch(&map_run<kVector, F, Y, X...>, kVector, RunInput<X>{x, step(kI) == 0}...);
      } else {
        launch(&map_run<1, F, Y, X...>, 1, RunInput<X>{x, step(kI) == 0}...);
      }
    };
    return numbered(std::make_integer_sequence<int, kInputs>{});
  }
  Places<kOperands> places{};
  places.ndim = nest.ndim;
  bool fits = nest.numel < (int64_t{1} << 31);
  for (int d = 0; d < nest.ndim; ++d) {
    fits &= nest.shape[d] < (int64_t{1} << 31);
    places.shape[d] = static_cast<uint32_t>(nest.shape[d]);
    for (int o = 0; o < kOperands; ++o) places.stride[o][d] = nest.stride[o][d];
  }
  // (An axis of 2^31 elements or more can only be the outermost, whose extent is not looked at, or all others are 1.)
  const unsigned blocks = blocks_for(nest.numel, 4);
  if (fits) {
    map_places<uint32_t><<<blocks, kThreads, 0, stream.handle>>>(nest.numel, places, f, y, x...);
  } else {
    map_places<uint64_t><<<blocks, kThreads, 0, stream.handle>>>(nest.numel, places, f, y, x...);
  }
}

}  // namespace
}  // namespace tilegrad::cuda
