// Where the sums of a contraction go, and what is done to them on the way: activation(sum + bias), rounded once.
#pragma once

#include "cuda/device/elementwise.cuh"
#include "cuda/device/fast_divide.cuh"
#include "formulas/activation.h"
#include "params/gemm.h"

namespace tilegrad::cuda {
namespace {

// The activations that are too long to stand in every kernel. (The formulas are those of the elementwise ops.)
template <typename Sum>
__device__ __noinline__ Sum long_activation(Sum x, Activation activation) {
  switch (activation) {
    case Activation::sigmoid:
      return formulas::sigmoid(x);
    case Activation::tanh:
      return formulas::tanh(x);
    case Activation::gelu:
      return formulas::gelu(x);
    default:
      return x;
  }
}

template <typename T>
struct Finish {
  using Sum = Wide<T>;
  const T* bias;  // one per column, or null
  int64_t bias_stride;
  Activation activation;

  // What is done to kCount columns of any row. One branch for all of them: one apiece would be most of a kernel's code.
  template <int kCount>
  struct OfColumns {
    bool adds;
    Activation activation;
    Sum bias[kCount];

    __device__ __forceinline__ void operator()(Sum (&sums)[kCount]) const {
      if (adds) {
#pragma unroll
        for (int i = 0; i < kCount; ++i) sums[i] = sums[i] + bias[i];
      }
      if (activation == Activation::relu) {
#pragma unroll
        for (int i = 0; i < kCount; ++i) sums[i] = formulas::relu(sums[i]);
      } else if (activation != Activation::none) {
#pragma unroll
        for (int i = 0; i < kCount; ++i) sums[i] = long_activation(sums[i], activation);
      }
    }
  };
  // That of the columns from n on, of which there are `count`.
  template <int kCount>
  __device__ __forceinline__ OfColumns<kCount> of_columns(int64_t n, int64_t count) const {
    OfColumns<kCount> found{bias != nullptr, activation, {}};
    if (bias) {
#pragma unroll
      for (int i = 0; i < kCount; ++i) {
        if (i < count) found.bias[i] = widen(bias[(n + i) * bias_stride]);
      }
    }
    return found;
  }
  __device__ __forceinline__ Sum of(Sum sum, int64_t n) const {
    Sum one[1] = {sum};
    of_columns<1>(n, 1)(one);
    return one[0];
  }
};

// Leaves sums as they are.
struct NoFinish {
  template <int kCount>
  __device__ __forceinline__ NoFinish of_columns(int64_t, int64_t) const {
    return {};
  }
  template <typename Sum, int kCount>
  __device__ __forceinline__ void operator()(Sum (&)[kCount]) const {}
};

// The first `count` of kCount sums of a row.
template <int kCount, typename T, typename Sum>
__device__ __forceinline__ void store_sums(T* to, int64_t count, const Sum (&sums)[kCount]) {
  Pack<T, kCount> values;
#pragma unroll
  for (int i = 0; i < kCount; ++i) values.at[i] = narrow<T>(sums[i]);
  if (count >= kCount && reinterpret_cast<uintptr_t>(to) % sizeof(values) == 0) {
    *reinterpret_cast<Pack<T, kCount>*>(to) = values;
    return;
  }
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    if (i < count) to[i] = values.at[i];
  }
}

// The sums of 16 x 8 outputs, as the tensor cores leave them in a warp, into rows of `pitch` elements in shared memory. Where
// that is a multiple of 32 and the padding, the pairs that half a warp stores at a time lie in banks of their own.
inline constexpr int kTilePadding = 8;
__device__ __forceinline__ void put_tile(float* to, int pitch, const float* c) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  float* const at = to + lane / 4 * pitch + lane % 4 * 2;
  *reinterpret_cast<Pack<float, 2>*>(at) = {c[0], c[1]};
  *reinterpret_cast<Pack<float, 2>*>(at + 8 * pitch) = {c[2], c[3]};
}

// A block of [Tile::kM, Tile::kN] sums in shared memory, in rows of Tile::kPitch, into outputs from row m and column n on of
// `rows` and `columns`, by Tile::kTeam threads. Each stores 16 bytes of outputs at a time, and its neighbours what lies beside
// them; its columns are the same in every row. One loop, not unrolled: from registers the same would be written out for each of
// a thread's dozens of sums.
template <typename Tile, typename Out, typename F>
__device__ __forceinline__ void store_block(int thread, const typename Tile::Sum* block, const Out& out, int64_t m,
                                            int64_t rows, int64_t n, int64_t columns, const F& finish) {
  using Sum = typename Tile::Sum;
  constexpr int kRun = 16 / static_cast<int>(sizeof(typename Tile::Element));
  constexpr int kPart = 16 / static_cast<int>(sizeof(Sum));  // of a load
  constexpr int kAcross = Tile::kN / kRun;                   // threads side by side
  static_assert(Tile::kTeam % kAcross == 0 && Tile::kPitch % kRun == 0);
  const int column = thread % kAcross * kRun;
  const int64_t first = n + column, count = columns - first;
  if (count <= 0) return;
  const auto finish_columns = finish.template of_columns<kRun>(first, count);
#pragma unroll 1
  for (int i = thread / kAcross; i < Tile::kM && m + i < rows; i += Tile::kTeam / kAcross) {
    Sum sums[kRun];
#pragma unroll
    for (int j = 0; j < kRun; j += kPart) {
      const auto part = *reinterpret_cast<const Pack<Sum, kPart>*>(block + i * Tile::kPitch + column + j);
#pragma unroll
      for (int e = 0; e < kPart; ++e) sums[j + e] = part.at[e];
    }
    finish_columns(sums);
    store_sums(out.row(m + i) + first, count, sums);
  }
}

// Rows at equal distances.
template <typename T>
struct Rows {
  T* data;
  int64_t row_stride;
  __device__ __forceinline__ T* row(int64_t m) const { return data + m * row_stride; }
};

// Pixels of every stride-th line and column of images: what a class of the transposed stencil writes.
template <typename T>
struct SpreadPixels {
  T* data;                               // the first pixel of the class
  FastDivide by_line, by_lines;          // pixels of a line and lines of an image of the class
  int64_t image, line_step, pixel_step;  // elements
  __device__ __forceinline__ T* row(int64_t m) const {
    const uint32_t at = static_cast<uint32_t>(m), line = by_line.quotient(at), n = by_lines.quotient(line);
    return data + n * image + (line - n * by_lines.divisor) * line_step + (at - line * by_line.divisor) * pixel_step;
  }
};

}  // namespace
}  // namespace tilegrad::cuda
