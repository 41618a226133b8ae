// Normalisation over the rows of a contiguous matrix.
#pragma once

#include <cstdint>

#include "params/gemm.h"

namespace tilegrad {

// x [M, C]: every column (channel) on its own.
struct BatchNorm {
  int64_t M, C;
  double epsilon;
  double momentum;           // of the running statistics, unless they are averages over the batches so far
  Activation activation;     // none or relu
  int32_t batch_statistics;  // backward: whether mean and variance came from x itself
};

// x [N, D]: every row on its own.
struct LayerNorm {
  int64_t N, D;
  double epsilon;
  int32_t centered;  // whether the mean is taken away: if not, the "variance" is the mean square
};

// x [N, P, C]: every sample's G groups of C / G channels, at all P places, on their own.
struct GroupNorm {
  int64_t N, P, C, G;
  double epsilon;
};

// x [M, C]: every element by the squares of its neighbours along the row, `before` and `after` it, that exist:
// y = x (k + scale sum x^2)^-beta.
struct LocalResponseNorm {
  int64_t M, C;
  int64_t before, after;
  double scale, beta, k;
};

}  // namespace tilegrad
