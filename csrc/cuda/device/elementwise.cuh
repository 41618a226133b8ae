// The loops under every elementwise kernel: a formula of scalars over a LoopNest (cpu/elementwise.h is the twin).
#pragma once

#include <initializer_list>

#include "cuda/device/locate.cuh"
#include "cuda/device/numbers.cuh"

namespace tilegrad::cuda {
namespace {

// An operand of one run: contiguous, or one element for all.
template <typename X>
struct RunInput {
  const X* from;
  bool repeats;

  // Elements from `first` on; zeros where they are not `wanted`. What is one element for all is chosen by selects, not by a
  // branch: the compiler would make a copy of the formulas for either way of every operand.
  template <int kCount>
  __device__ __forceinline__ Pack<X, kCount> load(int64_t first, bool wanted) const {
    Pack<X, kCount> values{};
    X one{};
    if (repeats) one = *from;
    if (wanted && !repeats) values = *reinterpret_cast<const Pack<X, kCount>*>(from + first);
#pragma unroll
    for (int i = 0; i < kCount; ++i) values.at[i] = repeats ? one : values.at[i];
    return values;
  }
  __device__ __forceinline__ X at(int64_t i) const { return from[repeats ? 0 : i]; }
};

// Each thread takes kVector elements with loads of up to 16 bytes, twice where that is fewer than 8: with 2048 threads a
// multiprocessor 16 bytes each are enough in flight to fill the memory's queue, and 16 formulas in a row hide nothing more.
template <int kVector>
inline constexpr int kRounds = kVector < 8 ? 2 : 1;

template <int kVector, typename F, typename Y, typename... X>
__global__ void __launch_bounds__(kThreads) map_run(int64_t count, F f, Y* y, RunInput<X>... x) {
  const int64_t first = (int64_t{blockIdx.x} * (kThreads * kRounds<kVector>)+threadIdx.x) * kVector;
  const int64_t second = first + kThreads * kVector;
  const auto is_whole = [&](int64_t at) { return at + kVector <= count; };
  const auto put = [&](int64_t at, const Pack<X, kVector>&... values) {
    Pack<Y, kVector> result;
#pragma unroll
    for (int i = 0; i < kVector; ++i) result.at[i] = narrow<Y>(f(widen(values.at[i])...));
    if (is_whole(at)) *reinterpret_cast<Pack<Y, kVector>*>(y + at) = result;
  };
  if constexpr (kRounds<kVector> == 1) {
    put(first, x.template load<kVector>(first, is_whole(first))...);
  } else {
    const auto take = [&](const Pack<X, kVector>&... of_first) {
      const auto take_both = [&](const Pack<X, kVector>&... of_second) {
        put(first, of_first...);
        put(second, of_second...);
      };
      take_both(x.template load<kVector>(second, is_whole(second))...);
    };
    take(x.template load<kVector>(first, is_whole(first))...);
  }
  // The last elements, of which there are fewer than kVector, are of one thread.
  const int64_t rest = kRounds<kVector> == 2 && is_whole(first) ? second : first;
  if (!is_whole(rest)) {
#pragma unroll 1
    for (int64_t i = rest; i < count; ++i) y[i] = narrow<Y>(f(widen(x.at(i))...));
  }
}

template <int... kI, typename F, typename Y, typename... X>
__device__ __forceinline__ void map_place(std::integer_sequence<int, kI...>, const int64_t* offset, const F& f, Y* y,
                                          const X*... x) {
  y[offset[sizeof...(X)]] = narrow<Y>(f(widen(x[offset[kI]])...));
}

// Any strides.
template <typename F, typename Y, typename... X>
__global__ void __launch_bounds__(kThreads)
    map_places(const __grid_constant__ LoopNest<sizeof...(X) + 1> nest, F f, Y* y, const X*... x) {
  const int64_t step = int64_t{gridDim.x} * kThreads;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < nest.numel; i += step) {
    map_place(std::make_integer_sequence<int, sizeof...(X)>{}, locate(nest, i).at, f, y, x...);
  }
}

constexpr int largest_size(std::initializer_list<size_t> sizes) {
  size_t most = 1;
  for (size_t size : sizes) most = size > most ? size : most;
  return static_cast<int>(most);
}

// Elements a load of 16 bytes holds of the widest operand.
template <typename... E>
inline constexpr int kVectorOf = 16 / largest_size({sizeof(E)...});

template <typename E>
bool is_aligned(const E* pointer, int count) {
  return reinterpret_cast<uintptr_t>(pointer) % (sizeof(E) * static_cast<size_t>(count)) == 0;
}

// y = f(x...) over the nest: the inputs come first, y last.
template <typename F, typename Y, typename... X>
void map(const Stream& stream, const LoopNest<sizeof...(X) + 1>& nest, F f, Y* y, const X*... x) {
  constexpr int kInputs = sizeof...(X);
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
      map_run<kVector><<<blocks_for(nest.numel, kVector * kRounds<kVector>), kThreads, 0, stream.handle>>>(
          nest.numel, f, y, RunInput<X>{x, step(kI) == 0}...);
    };
    return launch(std::make_integer_sequence<int, kInputs>{});
  }
  map_places<<<blocks_for(nest.numel, 4), kThreads, 0, stream.handle>>>(nest, f, y, x...);
}

}  // namespace
}  // namespace tilegrad::cuda
