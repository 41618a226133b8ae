// Sizes of 2-D pooling: x [N, H, W, C], y [N, P, Q, C], windows of R x S pixels, all contiguous.
#pragma once

#include "core/team.h"

namespace tilegrad {

// The windows along one axis; csrc/ops makes sure that every one has at least one position inside the image.
struct PoolAxis {
  int64_t in, out, kernel, stride, before, after;
  bool
      adaptive;  // window i goes from floor(i in / out) to ceil((i + 1) in / out); kernel is the longest, the rest unused

  // The first position of window i: before the image's where that is negative.
  TILEGRAD_INLINE constexpr int64_t first(int64_t i) const { return adaptive ? i * in / out : i * stride - before; }
  // The part of window i that is inside the image.
  TILEGRAD_INLINE constexpr Range inside(int64_t i) const {
    if (adaptive) return {i * in / out, ((i + 1) * in + out - 1) / out};
    const int64_t begin = i * stride - before, end = begin + kernel;
    return {begin > 0 ? begin : 0, end < in ? end : in};
  }
  // How many positions window i has where padding counts; what lies behind the padding never does.
  TILEGRAD_INLINE constexpr int64_t padded(int64_t i) const {
    const int64_t begin = i * stride - before, end = begin + kernel, last = in + after;
    return (end < last ? end : last) - begin;
  }
  // The windows that cover position `at`.
  TILEGRAD_INLINE constexpr Range over(int64_t at) const {
    if (adaptive) return {at * out / in, ((at + 1) * out + in - 1) / in};
    const int64_t begin = at + before, end = begin / stride + 1;
    return {begin < kernel ? 0 : (begin - kernel) / stride + 1, end < out ? end : out};
  }
};

struct Pool2d {
  int64_t N, C;
  PoolAxis row, column;
  bool count_padding;  // of averages
};

}  // namespace tilegrad
