// The three passes of a convolution whose sizes have been checked: which algorithm computes each, how it is cut into work,
// and the launch. What is public (ops/conv2d.h, ops/conv_transpose2d.h) checks its arguments and comes here.
#pragma once

#include "core/array.h"
#include "ops/winograd.h"

namespace tilegrad::ops {

// y = activation(conv(x, w) + bias): x [N, H, W, C], w [R, S, C / groups, K], y [N, P, Q, K]; the activation is p's.
Array run_convolution(const char* op, Conv2d p, const Array& x, const Array& w, const Array& bias);

// The transposed stencil of dy [N, P, Q, K]: the gradient with respect to x. As an op of its own it takes a bias [C] and
// p's activation.
Array run_transposed(const char* op, Conv2d p, const Array& dy, const Array& w, const Array& bias);

// The gradient with respect to w.
Array run_weights_gradient(const char* op, Conv2d p, const Array& x, const Array& dy);

}  // namespace tilegrad::ops
