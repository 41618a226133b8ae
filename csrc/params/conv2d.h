// Sizes of a 2-D convolution: x [N, H, W, C], w [R, S, C / groups, K], y [N, P, Q, K], all contiguous.
#pragma once

#include <cstdint>

#include "params/gemm.h"

namespace tilegrad {

// y[n, p, q, k] = bias[k] + sum over r, s, c of x[n, p * stride_h + r * dilation_h - pad_top, ..., c] * w[r, s, c, k],
// with zeros outside the image. Backward kernels take the same struct: sizes always speak of the forward pass.
struct Conv2d {
  int64_t N, H, W, C;
  int64_t R, S, K;
  int64_t P, Q;
  int64_t stride_h, stride_w;
  int64_t pad_top, pad_left;
  int64_t dilation_h, dilation_w;
  int64_t groups;
  Activation activation;
};

}  // namespace tilegrad
