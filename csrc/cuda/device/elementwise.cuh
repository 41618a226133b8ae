// The loops under every elementwise kernel: a formula of scalars over a LoopNest (cpu/elementwise.h is the twin).
#pragma once

#include <initializer_list>

#include "cuda/device/locate.cuh"
#include "cuda/device/numbers.cuh"

namespace tilegrad::cuda {
namespace {

// Each thread takes kVector elements of a run with loads of up to 16 bytes, twice where that is fewer than 8: with 2048 threads
// a multiprocessor 16 bytes each are enough in flight to fill the memory's queue.
template <int kVector>
inline constexpr int kRounds = kVector < 8 ? 2 : 1;

// What a thread has of an operand, in pieces that the formula is applied to one after the other by a loop, from the first
// place on, while the others move up: formulas are most of the code of these kernels, and stand there kPiece times, not
// kVector * kRounds times.
template <int kVector, typename X>
struct Pieces {
  static constexpr int kPiece = kVector < 4 ? kVector : 4, kCount = kVector * kRounds<kVector> / kPiece;
  static constexpr int kOfRound = kVector / kPiece;
  Pack<X, kPiece> at[kCount];

  // Elements from `first` on, or the one element that is repeated; zeros where they are not `wanted`. What is one for all is
  // chosen by selects, not by a branch: the compiler would make a copy of the formulas for either way of every operand.
  __device__ __forceinline__ void load(int round, const X* from, bool repeats, int64_t first, bool wanted) {
    Pack<X, kVector> values{};
    X one{};
    if (repeats) one = *from;
    if (wanted && !repeats) values = *reinterpret_cast<const Pack<X, kVector>*>(from + first);
#pragma unroll
    for (int v = 0; v < kVector; ++v) {
      at[round * kOfRound + v / kPiece].at[v % kPiece] = repeats ? one : values.at[v];
    }
  }
  __device__ __forceinline__ void store(int round, X* to) const {
    Pack<X, kVector> values;
#pragma unroll
    for (int v = 0; v < kVector; ++v) values.at[v] = at[round * kOfRound + v / kPiece].at[v % kPiece];
    *reinterpret_cast<Pack<X, kVector>*>(to) = values;
  }
  __device__ __forceinline__ void move_up() {
#pragma unroll
    for (int p = 0; p + 1 < kCount; ++p) at[p] = at[p + 1];
  }
  __device__ __forceinline__ void append(const Pack<X, kPiece>& piece) {
    move_up();
    at[kCount - 1] = piece;
  }
};

// Whole vectors of a run; of those at its end nothing.
template <int kVector, typename F, typename Y, typename... X>
__device__ __forceinline__ void map_vectors(int64_t first, int64_t count, const F& f, Y* y, Pieces<kVector, X>... x) {
  using Made = Pieces<kVector, Y>;
  Made made;
#pragma unroll 1
  for (int p = 0; p < Made::kCount; ++p) {
    Pack<Y, Made::kPiece> piece;
#pragma unroll
    for (int v = 0; v < Made::kPiece; ++v) piece.at[v] = narrow<Y>(f(widen(x.at[0].at[v])...));
    (x.move_up(), ...);
    made.append(piece);
  }
#pragma unroll
  for (int r = 0; r < kRounds<kVector>; ++r) {
    const int64_t at = first + r * kThreads * kVector;
    if (at + kVector <= count) made.store(r, y + at);
  }
}

// What kernels get: all ranks would be a thousand bytes to hand over at every launch.
inline constexpr int kShortRank = 6;
template <int kOperands>
using ShortNest = LoopNest<kOperands, kShortRank>;

template <int kVector, int... kI, typename F, typename Y, typename... X>
__device__ __forceinline__ void map_thread(std::integer_sequence<int, kI...>, const ShortNest<sizeof...(X) + 1>& nest,
                                           bool is_run, const F& f, Y* y, const X*... x) {
  int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x, step = int64_t{gridDim.x} * kThreads;
  if (is_run) {
    const int64_t first = (int64_t{blockIdx.x} * kRounds<kVector> * kThreads + threadIdx.x) * kVector;
    const int64_t second = first + kThreads * kVector;
    const auto is_whole = [&](int64_t at) { return at + kVector <= nest.numel; };
    const auto load = [&]<typename Operand>(const Operand* from, int operand) {
      const bool repeats = nest.ndim > 0 && nest.stride[operand][0] == 0;
      Pieces<kVector, Operand> pieces;
#pragma unroll
      for (int r = 0; r < kRounds<kVector>; ++r) {
        pieces.load(r, from, repeats, r == 0 ? first : second, is_whole(r == 0 ? first : second));
      }
      return pieces;
    };
    map_vectors<kVector>(first, nest.numel, f, y, load(x, kI)...);
    // The last elements, of which there are fewer than kVector, are of one thread.
    i = kRounds<kVector> == 2 && is_whole(first) ? second : first;
    i = is_whole(i) ? nest.numel : i;
    step = 1;
  }
#pragma unroll 1
  for (; i < nest.numel; i += step) {
    const Located<sizeof...(X) + 1> place = locate(nest, i);
    y[place.at[sizeof...(X)]] = narrow<Y>(f(widen(x[place.at[kI]])...));
  }
}

// One kernel for runs (whose inputs may be one element for all) and for any strides: the ends of runs go the way of strides.
template <int kVector, typename F, typename Y, typename... X>
__global__ void __launch_bounds__(kThreads)
    map_elements(const __grid_constant__ ShortNest<sizeof...(X) + 1> nest, bool is_run, F f, Y* y, const X*... x) {
  map_thread<kVector>(std::make_integer_sequence<int, sizeof...(X)>{}, nest, is_run, f, y, x...);
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

// Whether a nest is one run: of the last operand, which is written, and of others where they are not one element for all;
// aligned[o] tells whether operand o can be loaded in vectors.
template <int kOperands>
bool is_run(const LoopNest<kOperands>& nest, const bool (&aligned)[kOperands]) {
  bool run = nest.ndim <= 1;
  for (int o = 0; o < kOperands; ++o) {
    const int64_t step = nest.ndim ? nest.stride[o][0] : 1;
    run = run && ((step == 1 && aligned[o]) || (step == 0 && o < kOperands - 1));
  }
  return run;
}

// Short nests that are a nest, one after the other: the whole, or, where its rank is too high, one for every index of the
// outermost loops; and where each operand begins.
template <int kOperands>
struct ShortNests {
  const LoopNest<kOperands>& all;
  int outer;
  int64_t begun, count;
  ShortNest<kOperands> nest;
  Located<kOperands> place;

  explicit ShortNests(const LoopNest<kOperands>& of);
  bool next();
};
template <int kOperands>
ShortNests<kOperands>::ShortNests(const LoopNest<kOperands>& of)
    : all(of), outer(of.ndim > kShortRank ? of.ndim - kShortRank : 0) {
  nest.ndim = all.ndim - outer;
  nest.numel = 1;
  for (int d = 0; d < nest.ndim; ++d) {
    nest.shape[d] = all.shape[outer + d];
    nest.numel *= nest.shape[d];
    for (int o = 0; o < kOperands; ++o) nest.stride[o][d] = all.stride[o][outer + d];
  }
  count = nest.numel > 0 ? all.numel / nest.numel : 0;
  begun = 0;
}
template <int kOperands>
bool ShortNests<kOperands>::next() {
  if (begun == count) return false;
  place = {};
  int64_t rest = begun++;
  for (int d = outer - 1; d >= 0; --d) {
    for (int o = 0; o < kOperands; ++o) place.at[o] += rest % all.shape[d] * all.stride[o][d];
    rest /= all.shape[d];
  }
  return true;
}

template <int kVector, int... kI, typename F, typename Y, typename... X>
void map_parts(std::integer_sequence<int, kI...>, const Stream& stream, const LoopNest<sizeof...(X) + 1>& nest,
               bool run, F f, Y* y, const X*... x) {
  for (ShortNests<sizeof...(X) + 1> part(nest); part.next();) {
    const unsigned blocks = blocks_for(part.nest.numel, run ? kVector * kRounds<kVector> : 4);
    map_elements<kVector><<<blocks, kThreads, 0, stream.handle>>>(part.nest, run, f, y + part.place.at[sizeof...(X)],
                                                                  (x + part.place.at[kI])...);
  }
}

// y = f(x...) over the nest: the inputs come first, y last.
template <typename F, typename Y, typename... X>
void map(const Stream& stream, const LoopNest<sizeof...(X) + 1>& nest, F f, Y* y, const X*... x) {
  constexpr int kVector = kVectorOf<Y, X...>;
  const bool run = is_run(nest, {is_aligned(x, kVector)..., is_aligned(y, kVector)});
  map_parts<kVector>(std::make_integer_sequence<int, sizeof...(X)>{}, stream, nest, run, f, y, x...);
}

}  // namespace
}  // namespace tilegrad::cuda
