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

  __device__ __forceinline__ Sum operator()(Sum sum, int64_t n) const {
    if (bias) sum = sum + widen(bias[n * bias_stride]);
    if (activation == Activation::none) return sum;
    if (activation == Activation::relu) return formulas::relu(sum);
    return long_activation(sum, activation);
  }
};

// kCount sums of one row, the first of column n, into as much of the row as there is.
template <int kCount, typename T, typename Sum, typename F>
__device__ __forceinline__ void store_sums(T* row, int64_t n, int64_t columns, const Sum (&sum)[kCount], const F& f) {
  if (n + kCount <= columns) {
    Pack<T, kCount> values;
#pragma unroll
    for (int i = 0; i < kCount; ++i) values.at[i] = narrow<T>(f(sum[i], n + i));
    if (reinterpret_cast<uintptr_t>(row + n) % sizeof(values) == 0) {
      *reinterpret_cast<Pack<T, kCount>*>(row + n) = values;
      return;
    }
#pragma unroll
    for (int i = 0; i < kCount; ++i) row[n + i] = values.at[i];
  } else {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      if (n + i < columns) row[n + i] = narrow<T>(f(sum[i], n + i));
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
