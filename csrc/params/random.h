// Distributions to draw from. All kernels that draw take the generator's state as an operand, int64 [seed, stream].
#pragma once

#include <cstdint>

#include "params/loop_nest.h"

namespace tilegrad {

// Real numbers: uniform in [first, second), or normal of mean `first` and standard deviation `second`.
struct RandomReal {
  int64_t count;
  double first, second;
};

// Integers low, low + 1, ..., low + range - 1 with equal probability; range 0 stands for 2^64.
struct RandomInteger {
  int64_t count;
  int64_t low;
  uint64_t range;
};

// One with probability threshold / 2^32, else zero. 0 <= threshold <= 2^32.
struct RandomChoice {
  int64_t count;
  int64_t threshold;
};

// y = x * scale where the choice is one, else 0.
struct Dropout {
  RandomChoice keep;
  double scale;
};

// y = x * scale + shift where the choice is one, else `dropped`.
struct AlphaDropout {
  RandomChoice keep;
  double scale, shift, dropped;
};

// y = x * scale or 0 with a mask that was drawn before, and may be broadcast: operands x, mask, y.
struct MaskedScale {
  LoopNest<3> nest;
  double scale;
};

}  // namespace tilegrad
