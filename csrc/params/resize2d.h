// Sizes of a resized image: x [N, H, W, C], y [N, P, Q, C], all contiguous.
#pragma once

#include "core/team.h"

namespace tilegrad {

// Output i lies at i * numerator / denominator of the input: in / out where a size was asked for, 1 / factor where a factor
// was. A quotient is rounded once, so that whole positions come out whole.
struct ResizeAxis {
  int64_t in, out;
  double numerator, denominator;
};

struct Resize2d {
  int64_t N, C;
  ResizeAxis row, column;
  bool
      linear;  // bilinear, pixels being squares around their centres; otherwise the pixel that the output's corner is in
};

// What a member's workspace holds: for every output position of an axis the two input positions that it is made of and the
// second one's weight.
template <typename T>
struct ResizeSource {
  int64_t low, high;
  T weight;
};

// Bytes for both axes, of the larger of the two element types.
TILEGRAD_INLINE int64_t resize_workspace(const Resize2d& p) {
  return (p.row.out + p.column.out) * static_cast<int64_t>(sizeof(ResizeSource<double>));
}

}  // namespace tilegrad
