// Images [N, H, W, C] in another size.
#pragma once

#include "ops/window.h"

namespace tilegrad::ops {

// What was asked for: a size, or factors, of which the size is the whole part of the product.
struct ResizeOptions {
  Pair size;
  double row_factor, column_factor;  // 0 where the size was given
  bool linear;
};

Array resize2d(const Array& x, const ResizeOptions& options);
Array resize2d_backward(const Array& dy, Pair image, const ResizeOptions& options);

}  // namespace tilegrad::ops
