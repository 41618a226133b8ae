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

// Any strides: the place of every element is found by division, of 32 bits where that will do. One kernel for both widths:
// there are hundreds of formulas and types, and a second one of each would be a megabyte.
template <int kOperands>
struct Places {
  int ndim;
  int64_t shape[kMaxRank];
  int64_t stride[kOperands][kMaxRank];

  __device__ __forceinline__ void find(uint64_t i, int64_t (&offset)[kOperands]) const {
    for (int o = 0; o < kOperands; ++o) offset[o] = 0;
    for (int d = ndim - 1; d > 0; --d) {
      const uint64_t extent = static_cast<uint64_t>(shape[d]);
      const uint64_t rest = (i | extent) >> 32 ? i / extent : static_cast<uint32_t>(i) / static_cast<uint32_t>(extent);
      const int64_t at = static_cast<int64_t>(i - rest * extent);
      for (int o = 0; o < kOperands; ++o) offset[o] += at * stride[o][d];
      i = rest;
    }
    for (int o = 0; o < kOperands; ++o) offset[o] += static_cast<int64_t>(i) * stride[o][0];
  }
};

template <int... kI, typename F, typename Y, typename... X>
__device__ __forceinline__ void map_place(std::integer_sequence<int, kI...>, const int64_t* offset, const F& f, Y* y,
                                          const X*... x) {
  y[offset[sizeof...(X)]] = narrow<Y>(f(widen(x[offset[kI]])...));
}

template <typename F, typename Y, typename... X>
__global__ void __launch_bounds__(kThreads)
    map_places(int64_t count, const __grid_constant__ Places<sizeof...(X) + 1> places, F f, Y* y, const X*... x) {
  const int64_t step = int64_t{gridDim.x} * kThreads;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < count; i += step) {
    int64_t offset[sizeof...(X) + 1];
    places.find(static_cast<uint64_t>(i), offset);
    map_place(std::make_integer_sequence<int, sizeof...(X)>{}, offset, f, y, x...);
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
  constexpr int kVector = kVectorOf<Y, X...>;
  bool is_run = nest.ndim <= 1 && step(kInputs) == 1 && is_aligned(y, kVector);
  int o = 0;
  for (bool aligned : {is_aligned(x, kVector)...}) {
    is_run &= (step(o) == 1 && aligned) || step(o) == 0;
    ++o;
  }
  if (is_run) {
    const auto launch = [&]<int... kI>(std::integer_sequence<int, kI...>) {
      map_run<kVector><<<blocks_for(nest.numel, kVector * kRounds), kThreads, 0, stream.handle>>>(
          nest.numel, f, y, RunInput<X>{x, step(kI) == 0}...);
    };
    return launch(std::make_integer_sequence<int, kInputs>{});
  }
  Places<kOperands> places{};
  places.ndim = nest.ndim > 0 ? nest.ndim : 1;
  for (int d = 0; d < nest.ndim; ++d) {
    places.shape[d] = nest.shape[d];
    for (int k = 0; k < kOperands; ++k) places.stride[k][d] = nest.stride[k][d];
  }
  map_places<<<blocks_for(nest.numel, 4), kThreads, 0, stream.handle>>>(nest.numel, places, f, y, x...);
}

}  // namespace
}  // namespace tilegrad::cuda
