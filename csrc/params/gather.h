// Reading and writing at places that index arrays choose. Kernels see offsets, in elements, that csrc/ops has made from
// the indices and checked.
#pragma once

#include <cstdint>

#include "params/loop_nest.h"

namespace tilegrad {

// offsets[i] (+)= place of index[i] * stride, where negative indices count from the end of `size` if they may.
struct IndexOffsets {
  LoopNest<2> nest;  // index, offsets
  int64_t size;
  int64_t stride;
  bool accumulate;
  bool from_end;
};

// For every o of outer, i < count and r of inner: big[o + offsets[i] + r] and small[o + i * small_stride + r] meet.
// Operand 0 of the nests is the big array, which is indexed; operand 1 the small one, which holds one slice per index.
struct Gather {
  LoopNest<2> outer;
  LoopNest<2> inner;
  int64_t count;
  int64_t small_stride;
  int64_t lowest, highest;  // bounds of the offsets
};

// One index per element: line by line along one axis of `count` values.
struct Along {
  LoopNest<3> lines;  // big (without the axis), offsets, small
  int64_t count;
  int64_t offsets_stride, small_stride;
};

// y [count, classes] is zero but for one value a row.
struct OneHot {
  int64_t count;
  int64_t classes;
};

// A mask's true places, scanned in chunks so that threads can share the scan.
inline constexpr int64_t kMaskChunk = 4096;
struct MaskScan {
  int64_t numel;
  int64_t found;  // in the whole mask
  int32_t ndim;
  int64_t shape[kMaxRank];
};

}  // namespace tilegrad
