// Sizes of a 2-D convolution: x [N, H, W, C], w [R, S, C / groups, K], y [N, P, Q, K], all contiguous.
#pragma once

#include <cstdint>

#include "params/gemm.h"

namespace tilegrad {

// How a convolution is cut into units of work: whole images, or bands of rows of one image. csrc/ops chooses
// (plan_stencil and plan_backward_weights of params/stencil.h), because the workspace depends on it; no result does.
struct ConvPlan {
  int64_t images;    // images of one unit: 1 unless whole images are small
  int64_t band;      // output rows of one unit
  int64_t columns;   // depthwise: output columns that are taken at a time
  int64_t together;  // depthwise backward-weights: output rows that are taken together
  int64_t parts;     // how many parts of a unit's output channels members may take; depthwise: taken one by one
  int64_t members;   // members of the team that have a window of their own; the others only wait
  int64_t window;    // elements of one window; 0 reads the image in place
  // Elements of a unit's output where lanes run along images (cpu/stencil_batch.h), of a line of x where they run along dw
  // (cpu/weights_blocks.h), of a pixel for depthwise backward-weights; else 0.
  int64_t block;
  int64_t partials;  // backward-weights: how many partial results are kept at once
  bool pixels;       // whether lanes run along the pixels of a row (cpu/stencil_pixels.h)
};

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
  ConvPlan plan;
};

}  // namespace tilegrad
