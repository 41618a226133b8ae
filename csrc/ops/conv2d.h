// 2-D convolution of images [N, H, W, C] with weights [R, S, C / groups, K], and its gradients.
#pragma once

#include "ops/window.h"
#include "ops/winograd.h"
#include "params/gemm.h"

namespace tilegrad::ops {

struct ConvOptions {
  Pair stride{1, 1};
  Padding padding;
  Pair dilation{1, 1};
  int64_t groups = 1;
};

// [N, P, Q, K] = activation(conv(x, w) + bias); bias is [K] or absent.
Array conv2d(const Array& x, const Array& w, const Array& bias, const ConvOptions& options, Activation activation);

// The gradient with respect to x, whose rows and columns are `image`, from that of the output before the activation.
Array conv2d_backward_data(const Array& dy, const Array& w, Pair image, const ConvOptions& options);

// The gradient with respect to w, whose rows and columns are `kernel`.
Array conv2d_backward_weights(const Array& x, const Array& dy, Pair kernel, const ConvOptions& options);

// Which algorithm a pass of conv2d(x, w) takes at the current precision (ops/winograd.h).
ConvAlgorithm conv2d_algorithm(const Array& x, const Array& w, const ConvOptions& options, ConvPass pass);

}  // namespace tilegrad::ops
