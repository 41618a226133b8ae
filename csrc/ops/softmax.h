// Softmax and its logarithm along one axis.
#pragma once

#include "core/array.h"

namespace tilegrad::ops {

Array softmax(const Array& x, int64_t axis);
Array log_softmax(const Array& x, int64_t axis);
// From the output y and the gradient of it.
Array softmax_backward(const Array& y, const Array& grad, int64_t axis);
Array log_softmax_backward(const Array& y, const Array& grad, int64_t axis);

}  // namespace tilegrad::ops
