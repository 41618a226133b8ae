// Sliding windows over images [N, H, W, C]: what convolution and pooling share of checks and shape inference.
#pragma once

#include "core/array.h"

namespace tilegrad::ops {

// Two numbers, for rows and columns.
struct Pair {
  int64_t rows, columns;
};

// Zeros (for max pooling: nothing) around an image.
struct Padding {
  enum class Rule {
    valid,  // none
    same,   // TensorFlow's rule: out = ceil(in / stride); the odd pixel goes to the bottom and right
    given,
  };
  Rule rule = Rule::valid;
  int64_t top = 0, bottom = 0, left = 0, right = 0;
};

// The windows along one axis: `out` windows of `kernel` taps, `dilation` apart, one every `stride`, the first `before`
// positions ahead of the image.
struct WindowAxis {
  int64_t in, kernel, stride, dilation, before, after, out;
};
struct Windows {
  WindowAxis row, column;
};

// Checks all numbers and infers the output size. `op` names the op and `what` the kernel's argument in errors.
Windows place_windows(const char* op, const char* what, Pair image, Pair kernel, Pair stride, const Padding& padding,
                      Pair dilation);

// Raises unless x is a floating tensor of rank 4.
void require_images(const char* op, const char* argument, const Array& x);

}  // namespace tilegrad::ops
