// Making loop nests: broadcasting shapes and coalescing dimensions.
#pragma once

#include <cstring>

#include "core/array.h"
#include "core/recording.h"
#include "params/loop_nest.h"

namespace tilegrad::ops {

// The shape that both broadcast to by NumPy's rule; an error names the op, both shapes and the axis.
Dims broadcast_shapes(const char* op, const Dims& a, const Dims& b);

// The strides of `array` seen as having `shape`, which it broadcasts to: 0 along every stretched dimension.
Dims broadcast_strides(const Array& array, const Dims& shape);

// A nest over `shape` with the given strides of each operand. Dimensions of size 1 go, and neighbours that all operands
// walk evenly become one loop.
template <int kOperands>
LoopNest<kOperands> make_nest(const Dims& shape, const Dims (&strides)[kOperands]) {
  LoopNest<kOperands> nest;
  // Recorded nests are compared byte by byte; otherwise most of the struct is never touched.
  if (Recording::active()) std::memset(static_cast<void*>(&nest), 0, sizeof nest);
  nest.ndim = 0;
  nest.numel = 1;
  for (int d = 0; d < shape.size(); ++d) {
    nest.numel *= shape[d];
    if (shape[d] == 1) continue;
    bool merges = nest.ndim > 0;
    for (int o = 0; merges && o < kOperands; ++o) {
      merges = nest.stride[o][nest.ndim - 1] == strides[o][d] * shape[d];
    }
    if (merges) {
      nest.shape[nest.ndim - 1] *= shape[d];
    } else {
      nest.shape[nest.ndim++] = shape[d];
    }
    for (int o = 0; o < kOperands; ++o) nest.stride[o][nest.ndim - 1] = strides[o][d];
  }
  return nest;
}

}  // namespace tilegrad::ops
