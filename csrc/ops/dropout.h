// Dropout and its gradient.
#pragma once

#include <utility>

#include "core/array.h"

namespace tilegrad::ops {

// (y, mask): y = x / (1 - p) where the mask is 1, which it is with probability 1 - p, and 0 elsewhere. 0 <= p < 1.
std::pair<Array, Array> dropout(const Array& x, double p, const Array& state);

// The same for whole channels: x is [N, ..., C] and the mask [N, 1, ..., 1, C].
std::pair<Array, Array> spatial_dropout(const Array& x, double p, const Array& state);

// x / (1 - p) where the mask, which broadcasts to x, is 1: the gradient of both.
Array masked_scale(const Array& x, const Array& mask, double p);

}  // namespace tilegrad::ops
