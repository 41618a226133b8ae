// A contiguous array around one of its axes.
#pragma once

#include "core/array.h"
#include "params/reduce.h"

namespace tilegrad::ops {

inline AxisBlocks axis_blocks(const Array& x, int axis) {
  AxisBlocks blocks{1, x.size(axis), 1, 0};
  for (int d = 0; d < axis; ++d) blocks.before *= x.size(d);
  for (int d = axis + 1; d < x.ndim(); ++d) blocks.after *= x.size(d);
  return blocks;
}

}  // namespace tilegrad::ops
