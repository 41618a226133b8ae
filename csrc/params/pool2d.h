// Sizes of 2-D pooling: x [N, H, W, C], y [N, P, Q, C], windows of R x S pixels, all contiguous.
#pragma once

#include "core/team.h"

namespace tilegrad {

// The windows along one axis; csrc/ops makes sure that every one has at least one position inside the image. I is the type
// of positions: on a GPU 32 bits are a third less code.
template <typename I>
struct PoolAxisOf {
  I in, out, kernel, stride, before, after;
  bool
      adaptive;  // window i goes from floor(i in / out) to ceil((i + 1) in / out); kernel is the longest, the rest unused

  // The first position of window i: before the image's where that is negative.
  TILEGRAD_INLINE constexpr I first(I i) const { return adaptive ? I(int64_t{i} * in / out) : i * stride - before; }
  // The part of window i that is inside the image.
  TILEGRAD_INLINE constexpr Range inside(I i) const {
    if (adaptive) return {int64_t{i} * in / out, (int64_t{i + 1} * in + out - 1) / out};
    const I begin = i * stride - before, end = begin + kernel;
    return {begin > 0 ? begin : 0, end < in ? end : in};
  }
  // How many positions window i has where padding counts; what lies behind the padding never does.
  TILEGRAD_INLINE constexpr I padded(I i) const {
    const I begin = i * stride - before, end = begin + kernel, last = in + after;
    return (end < last ? end : last) - begin;
  }
  // The windows that cover position `at`.
  TILEGRAD_INLINE constexpr Range over(I at) const {
    if (adaptive) return {int64_t{at} * out / in, (int64_t{at + 1} * out + in - 1) / in};
    const I begin = at + before, end = begin / stride + 1;
    return {begin < kernel ? 0 : (begin - kernel) / stride + 1, end < out ? end : out};
  }
};

template <typename I>
struct Pool2dOf {
  int64_t N, C;
  PoolAxisOf<I> row, column;
  bool count_padding;  // of averages
};

using PoolAxis = PoolAxisOf<int64_t>;
using Pool2d = Pool2dOf<int64_t>;

}  // namespace tilegrad
