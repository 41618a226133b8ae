// Reductions: which elements go into which output.
#pragma once

#include <cstdint>

#include "params/loop_nest.h"

namespace tilegrad {

// Output number o, row-major and contiguous, is made of the x elements of
// `inner` from where `outer` has its element number o. Both are strides of x;
// `inner` runs over the reduced axes, row-major, which is the order of the
// sequence.
struct Reduce {
  LoopNest<1> outer;
  LoopNest<1> inner;
  double divisor; // of sums: 1, or the count for a mean
};

} // namespace tilegrad
