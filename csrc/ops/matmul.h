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

// The activation that a fused op's argument names: "none", "relu", "sigmoid", "tanh" or "gelu".
Activation activation_named(const char* op, const char* activation);

}  // namespace tilegrad::ops
