// Transposed 2-D convolution of images [N, H, W, C] with weights [R, S, K / groups, C], and its gradients: the convolution
// that it transposes has these weights, reads our output [N, P, Q, K] and writes our input.
#pragma once

#include "ops/conv2d.h"

namespace tilegrad::ops {

struct ConvTransposeOptions {
  ConvOptions of;  // stride, padding, dilation and groups of the convolution that is transposed
  Pair output_padding{0, 0};
};

// [N, P, Q, K] = activation(sum + bias); bias is [K] or absent.
Array conv_transpose2d(const Array& x, const Array& w, const Array& bias, const ConvTransposeOptions& options,
                       Activation activation);

// The gradient with respect to x, whose rows and columns are `image`, from that of the output before the activation.
Array conv_transpose2d_backward_data(const Array& dy, const Array& w, Pair image, const ConvTransposeOptions& options);

// The gradient with respect to w, whose rows and columns are `kernel`.
Array conv_transpose2d_backward_weights(const Array& x, const Array& dy, Pair kernel,
                                        const ConvTransposeOptions& options);

}  // namespace tilegrad::ops
