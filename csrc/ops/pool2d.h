// Max and average pooling of images [N, H, W, C], and their gradients.
#pragma once

#include "ops/window.h"

namespace tilegrad::ops {

struct PoolOptions {
  Pair kernel;
  Pair stride;
  Padding padding;
  bool ceil_mode = false;      // also windows that begin inside the padded image and end behind it
  bool count_padding = false;  // whether padding counts in averages
};

struct MaxPooled {
  Array y;
  Array index;  // the tap r * S + s of each maximum: uint8, or int32 for windows of more than 256 taps
};

// Pixels outside the image never win; the first of equal taps does, and NaN wins against every number. Without
// `want_index` no index is made.
MaxPooled max_pool2d(const Array& x, const PoolOptions& options, bool want_index);
Array max_pool2d_backward(const Array& dy, const Array& index, Pair image, const PoolOptions& options);

// The mean over those pixels of the window that are inside the image, or over them and the padding.
Array avg_pool2d(const Array& x, const PoolOptions& options);
Array avg_pool2d_backward(const Array& dy, Pair image, const PoolOptions& options);

// `size` windows along each axis that cover the image evenly: window i of P from floor(i H / P) to ceil((i + 1) H / P).
MaxPooled adaptive_max_pool2d(const Array& x, Pair size, bool want_index);
Array adaptive_max_pool2d_backward(const Array& dy, const Array& index, Pair image);
Array adaptive_avg_pool2d(const Array& x, Pair size);
Array adaptive_avg_pool2d_backward(const Array& dy, Pair image);

}  // namespace tilegrad::ops
