// Where the sums of a contraction go, and what is done to them on the way: activation(sum + bias), rounded once.
#pragma once

#include "cuda/device/elementwise.cuh"
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

  // The sums of `count` columns from n on. One branch for all of them: one apiece would be most of a kernel's code.
  template <int kCount>
  __device__ __forceinline__ void operator()(Sum (&sums)[kCount], int64_t n, int64_t count) const {
    if (bias) {
#pragma unroll
      for (int i = 0; i < kCount; ++i) {
        if (i < count) sums[i] = sums[i] + widen(bias[(n + i) * bias_stride]);
      }
    }
    if (activation == Activation::relu) {
#pragma unroll
      for (int i = 0; i < kCount; ++i) sums[i] = formulas::relu(sums[i]);
    } else if (activation != Activation::none) {
#pragma unroll
      for (int i = 0; i < kCount; ++i) sums[i] = long_activation(sums[i], activation);
    }
  }
  __device__ __forceinline__ Sum of(Sum sum, int64_t n) const {
    Sum one[1] = {sum};
    (*this)(one, n, 1);
    return one[0];
  }
};

// Leaves sums as they are.
struct NoFinish {
  template <typename Sum, int kCount>
  __device__ __forceinline__ void operator()(Sum (&)[kCount], int64_t, int64_t) const {}
};

// kCount sums of one row, the first of column n, into as much of the row as there is.
template <int kCount, typename T, typename Sum, typename F>
__device__ __forceinline__ void store_sums(T* row, int64_t n, int64_t columns, const Sum (&sum)[kCount],
                                           const F& finish) {
  const int64_t count = columns - n;
  if (count <= 0) return;
  Sum finished[kCount];
#pragma unroll
  for (int i = 0; i < kCount; ++i) finished[i] = sum[i];
  finish(finished, n, count);
  Pack<T, kCount> values;
#pragma unroll
  for (int i = 0; i < kCount; ++i) values.at[i] = narrow<T>(finished[i]);
  if (count >= kCount && reinterpret_cast<uintptr_t>(row + n) % sizeof(values) == 0) {
    *reinterpret_cast<Pack<T, kCount>*>(row + n) = values;
    return;
  }
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    if (i < count) row[n + i] = values.at[i];
  }
}

// What the tensor cores leave in a quad of lanes: of every 8 columns lane t has 2 t and 2 t + 1. Neighbours in 16 bits are
// too short to be stored well. Of 4 such pairs, of 32 columns, lane t gives pair u to lane u and so gets all of columns
// 8 t to 8 t + 7.
__device__ __forceinline__ void swap_between(float& low, float& high, bool is_high, int distance) {
  const float received = __shfl_xor_sync(~0u, is_high ? low : high, distance);
  low = is_high ? received : low;
  high = is_high ? high : received;
}
__device__ __forceinline__ void turn_quad(float* const (&pairs)[4]) {
  const int lane = static_cast<int>(threadIdx.x) % 4;
#pragma unroll
  for (int e = 0; e < 2; ++e) {
    swap_between(pairs[0][e], pairs[1][e], lane % 2 != 0, 1);
    swap_between(pairs[2][e], pairs[3][e], lane % 2 != 0, 1);
    swap_between(pairs[0][e], pairs[2][e], lane / 2 != 0, 2);
    swap_between(pairs[1][e], pairs[3][e], lane / 2 != 0, 2);
  }
}

// Gives the pairs of one row of kTiles times 8 columns to run(column, sums): pair(j) is where those of tile j are.
template <bool kTurned, int kTiles, typename Pair, typename Run>
__device__ __forceinline__ void for_each_run(const Pair& pair, const Run& run) {
  const int lane = static_cast<int>(threadIdx.x) % 4;
  if constexpr (kTurned) {
#pragma unroll
    for (int j = 0; j < kTiles; j += 4) {
      const float eight[8] = {pair(j)[0],     pair(j)[1],     pair(j + 1)[0], pair(j + 1)[1],
                              pair(j + 2)[0], pair(j + 2)[1], pair(j + 3)[0], pair(j + 3)[1]};
      run((j + lane) * 8, eight);
    }
  } else {
#pragma unroll
    for (int j = 0; j < kTiles; ++j) {
      const float two[2] = {pair(j)[0], pair(j)[1]};
      run(j * 8 + lane * 2, two);
    }
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
  int64_t lines, columns;                // of the class, in one image
  int64_t image, line_step, pixel_step;  // elements
  __device__ __forceinline__ T* row(int64_t m) const {
    const int64_t line = m / columns, n = line / lines;
    return data + n * image + (line - n * lines) * line_step + (m - line * columns) * pixel_step;
  }
};

}  // namespace
}  // namespace tilegrad::cuda
