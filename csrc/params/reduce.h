// Reductions: which elements go into which output.
#pragma once

#include <cstdint>

#include "params/loop_nest.h"

namespace tilegrad {

// Output number o, row-major and contiguous, is made of the x elements of `inner` from where `outer` has its element
// number o. Both are strides of x; `inner` runs over the reduced axes, row-major, which is the order of the sequence.
struct Reduce {
  LoopNest<1> outer;
  LoopNest<1> inner;
  double divisor;  // of sums: 1, or the count for a mean
  int32_t root;    // sums of squares: whether the root is wanted
};

// A contiguous array seen as [before, length, after]: what works along one axis.
struct AxisBlocks {
  int64_t before, length, after;
  int32_t reverse;  // cumulative sums: from the end
};

}  // namespace tilegrad
