// Dropout and its gradient.
#pragma once

#include <utility>

#include "core/array.h"

namespace tilegrad::ops {

// (y, mask): y = x / (1 - p) where the mask is 1, which it is with probability 1 - p, and 0 elsewhere. 0 <= p < 1.
std::pair<Array, Array> dropout(const Array& x, double p, const Array& state);

// The same for whole channels: x is [N, ..., C] and the mask [N, 1, ..., 1, C].
std::pair<Array, Array> spatial_dropout(const Array& x, double p, const Array& state);

// For inputs of selu: what is dropped becomes selu's limit far below zero, and then scale and shift bring the mean of 0
// and the variance of 1 back.
struct AlphaDropped {
  Array y, mask;
  double scale;
};
AlphaDropped alpha_dropout(const Array& x, double p, const Array& state);

// x * scale where the mask, which broadcasts to x, is 1, else 0: the gradient of all three.
Array masked_scale(const Array& x, const Array& mask, double scale);

}  // namespace tilegrad::ops
