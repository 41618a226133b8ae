// Normalisation over the rows of a contiguous matrix.
#pragma once

#include <cstdint>

#include "params/gemm.h"

namespace tilegrad {

// x [M, C]: every column (channel) on its own.
struct BatchNorm {
  int64_t M, C;
  double epsilon;
  double momentum;
  Activation activation;     // none or relu
  int32_t batch_statistics;  // backward: whether mean and variance came from x itself
};

// x [N, D]: every row on its own.
struct LayerNorm {
  int64_t N, D;
  double epsilon;
};

}  // namespace tilegrad
