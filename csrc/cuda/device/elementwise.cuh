// The loops under every elementwise kernel: a formula of scalars over a LoopNest (cpu/elementwise.h is the twin).
#pragma once

#include <initializer_list>

#include "cuda/device/locate.cuh"
#include "cuda/device/numbers.cuh"

namespace tilegrad::cuda {
namespace {

// Each thread takes kVector elements of a run with loads of up to 16 bytes, twice where that is fewer than 8: with 2048 threads
// a multiprocessor 16 bytes each are enough in flight to fill the memory's queue. From one round to the next it is kRound
// elements.
template <int kVector>
inline constexpr int kRounds = kVector < 8 ? 2 : 1;
template <int kVector>
inline constexpr int kRound = kVector * kThreads;

// What a thread has of an operand, in pieces that the formula is applied to one after the other by a loop, from the first
// place on, while the others move up: formulas are most of the code of these kernels, and stand there kPiece times, not
// kVector * kRounds times.
template <int kVector, typename X>
struct Pieces {
  static constexpr int kPiece = kVector < 4 ? kVector : 4, kCount = kVector * kRounds<kVector> / kPiece;
  static constexpr int kOfRound = kVector / kPiece;
  Pack<X, kPiece> at[kCount];

  // A round's vector, or the one element that is repeated; zeros where it is not `wanted`. What is one for all is chosen by
  // selects, not by a branch: the compiler would make a copy of the formulas for either way of every operand.
  __device__ __forceinline__ void load(int round, const X* from, bool repeats, bool wanted) {
    Pack<X, kVector> values{};
    X one{};
    if (repeats) one = *from;
    if (wanted && !repeats) values = *reinterpret_cast<const Pack<X, kVector>*>(from + round * kRound<kVector>);
#pragma unroll
    for (int v = 0; v < kVector; ++v) {
      at[round * kOfRound + v / kPiece].at[v % kPiece] = repeats ? one : values.at[v];
    }
  }
  __device__ __forceinline__ void store(int round, X* to) const {
    Pack<X, kVector> values;
#pragma unroll
    for (int v = 0; v < kVector; ++v) values.at[v] = at[round * kOfRound + v / kPiece].at[v % kPiece];
    *reinterpret_cast<Pack<X, kVector>*>(to + round * kRound<kVector>) = values;
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

// The wanted ones of a thread's vectors.
template <int kVector, typename F, typename Y, typename... X>
__device__ __forceinline__ void map_vectors(const bool (&wanted)[2], const F& f, Y* y, Pieces<kVector, X>... x) {
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
    if (wanted[r]) made.store(r, y);
  }
}

// What kernels get: all ranks would be a thousand bytes to hand over at every launch.
inline constexpr int kShortRank = 6;
template <int kOperands>
using ShortNest = LoopNest<kOperands, kShortRank>;

// What kernels are told of a nest that comes in vectors: this, and a bit for each operand that is one element for all of a row.
// The host finds it out once; every kernel would carry the code.
inline constexpr unsigned kInVectors = 1u << 31;

// In how many rounds a thread takes its vectors. Of rows it has one: their places are found by division.
template <int kVector, typename Nest>
__host__ __device__ constexpr int rounds_of(const Nest& nest) {
  return nest.ndim > 1 ? 1 : kRounds<kVector>;
}

// Vectors first, and then what is left as single elements. One loop for both: that which finds places is as long as a formula.
template <int kVector, int... kI, typename F, typename Y, typename... X>
__device__ __forceinline__ void map_thread(std::integer_sequence<int, kI...>, const ShortNest<sizeof...(X) + 1>& nest,
                                           unsigned vectors, const F& f, Y* y, const X*... x) {
  constexpr int kY = sizeof...(X);
  int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x, step = int64_t{gridDim.x} * kThreads;
  if (vectors) i = (int64_t{blockIdx.x} * rounds_of<kVector>(nest) * kThreads + threadIdx.x) * kVector;
#pragma unroll 1
  while (i < nest.numel) {
    const Located<kY + 1> place = locate(nest, i);
    if (vectors) {
      const auto is_whole = [&](int64_t at) { return at + kVector <= nest.numel; };
      const int64_t last = i + (rounds_of<kVector>(nest) - 1) * kRound<kVector>;
      const bool wanted[] = {is_whole(i), last > i && is_whole(last)};
      const auto load = [&]<typename Operand>(const Operand* from, int operand) {
        const bool repeats = vectors >> operand & 1;
        Pieces<kVector, Operand> pieces;
#pragma unroll
        for (int r = 0; r < kRounds<kVector>; ++r) pieces.load(r, from, repeats, wanted[r]);
        return pieces;
      };
      map_vectors<kVector>(wanted, f, y + place.at[kY], load(x + place.at[kI], kI)...);
      // The last elements, of which there are fewer than kVector, are of one thread.
      i = wanted[0] ? last : i;
      i = is_whole(i) ? nest.numel : i;
      step = 1;
      vectors = 0;
    } else {
      y[place.at[kY]] = narrow<Y>(f(widen(x[place.at[kI]])...));
      i += step;
    }
  }
}

// One kernel for what comes in vectors and for any strides.
template <int kVector, typename F, typename Y, typename... X>
__global__ void __launch_bounds__(kThreads)
    map_elements(const __grid_constant__ ShortNest<sizeof...(X) + 1> nest, unsigned vectors, F f, Y* y, const X*... x) {
  map_thread<kVector>(std::make_integer_sequence<int, sizeof...(X)>{}, nest, vectors, f, y, x...);
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

// Of a nest that is one run, or rows of whole vectors: kInVectors and the operands' bits; of any other 0. The last operand is
// written, and so cannot be one element for all of a row; aligned[o] tells whether operand o can be loaded in vectors.
template <int kVector, int kOperands>
unsigned vectors_of(const LoopNest<kOperands>& nest, const bool (&aligned)[kOperands]) {
  const int inner = nest.ndim - 1;
  if (inner > 0 && nest.shape[inner] % kVector != 0) return 0;
  unsigned found = kInVectors;
  for (int o = 0; o < kOperands; ++o) {
    const int64_t step = nest.ndim ? nest.stride[o][inner] : 1;
    if (step == 0 && o < kOperands - 1) {
      found |= 1u << o;
      continue;
    }
    bool is_loaded = step == 1 && aligned[o];
    for (int d = 0; d < inner; ++d) is_loaded = is_loaded && nest.stride[o][d] % kVector == 0;
    if (!is_loaded) return 0;
  }
  return found;
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
               unsigned vectors, F f, Y* y, const X*... x) {
  for (ShortNests<sizeof...(X) + 1> part(nest); part.next();) {
    const unsigned blocks = blocks_for(part.nest.numel, vectors ? kVector * rounds_of<kVector>(part.nest) : 4);
    map_elements<kVector><<<blocks, kThreads, 0, stream.handle>>>(
        part.nest, vectors, f, y + part.place.at[sizeof...(X)], (x + part.place.at[kI])...);
  }
}

// y = f(x...) over the nest: the inputs come first, y last.
template <typename F, typename Y, typename... X>
void map(const Stream& stream, const LoopNest<sizeof...(X) + 1>& nest, F f, Y* y, const X*... x) {
  constexpr int kVector = kVectorOf<Y, X...>;
  const unsigned vectors = vectors_of<kVector>(nest, {is_aligned(x, kVector)..., is_aligned(y, kVector)});
  map_parts<kVector>(std::make_integer_sequence<int, sizeof...(X)>{}, stream, nest, vectors, f, y, x...);
}

}  // namespace
}  // namespace tilegrad::cuda
