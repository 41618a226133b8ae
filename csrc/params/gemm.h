// Sizes and strides of a (batched) matrix product C = activation(A B + bias).
#pragma once

#include <cstdint>

#include "params/loop_nest.h"

namespace tilegrad {

// Applied to every output by the epilogue of a GEMM or a convolution; the formulas are those of the elementwise ops, so
// that fused and separate give the same bits.
enum class Activation : int32_t { none, relu, sigmoid, tanh, gelu };

// A is [M, K], B is [K, N], C is [M, N] with unit column stride; bias is [N] or null.
// Strides are in elements and may be any sign; batch holds the strides of A, B and C along the batch loops.
struct Gemm {
  int64_t M, N, K;
  int64_t a_row_stride, a_col_stride;
  int64_t b_row_stride, b_col_stride;
  int64_t c_row_stride;
  int64_t bias_stride;
  Activation activation;
  LoopNest<3> batch;
};

}  // namespace tilegrad
