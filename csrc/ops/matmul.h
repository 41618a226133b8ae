// Matrix products.
#pragma once

#include "core/array.h"
#include "params/gemm.h"

namespace tilegrad::ops {

// a @ b by NumPy's rule: the last two axes are matrices, the ones before are a broadcast batch; a one-dimensional a is a
// row, a one-dimensional b a column, and that axis is not in the result.
Array matmul(const Array& a, const Array& b);

// activation(x w + bias): x [..., in], w [in, out], bias [out] or absent -> [..., out].
Array linear(const Array& x, const Array& w, const Array& bias, Activation activation);

// The gradients of linear() without activation for that of its result, absent where they are not needed. One call for
// three, because for small layers the calls from Python are most of the time.
struct LinearGradients {
  Array x, w, bias;
};
LinearGradients linear_backward(const Array& grad, const Array& x, const Array& w, bool needs_x, bool needs_w,
                                bool needs_bias);

// The activation that a fused op's argument names: "none", "relu", "sigmoid", "tanh" or "gelu".
Activation activation_named(const char* op, const char* activation);

}  // namespace tilegrad::ops
