// Sizes of 2-D pooling: x [N, H, W, C], y [N, P, Q, C], windows of R x S pixels, all contiguous.
#pragma once

#include <cstdint>

namespace tilegrad {

// Window (p, q) covers rows p * stride_h - pad_top + r and columns q * stride_w - pad_left + s, as far as they are
// inside the image; csrc/ops makes sure that every window has at least one pixel inside.
struct Pool2d {
  int64_t N, H, W, C;
  int64_t R, S;
  int64_t P, Q;
  int64_t stride_h, stride_w;
  int64_t pad_top, pad_left;
};

}  // namespace tilegrad
