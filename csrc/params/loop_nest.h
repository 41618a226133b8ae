// Nested loops over strided operands: what elementwise kernels run on.
#pragma once

#include <cstdint>

namespace tilegrad {

inline constexpr int kMaxRank = 32;

// shape[ndim - 1] is the innermost loop. stride[o][d] is operand o's step, in elements, along loop d; 0 broadcasts.
// csrc/ops coalesces: neighbouring loops that every operand walks evenly come in as one, so a contiguous operand is one
// loop of stride 1 whatever its rank was. ndim 0 is a single element; a zero in shape is no element at all.
template <int kOperands, int kRank = kMaxRank>
struct LoopNest {
  int32_t ndim;
  int64_t numel;
  int64_t shape[kRank];
  int64_t stride[kOperands][kRank];
};

}  // namespace tilegrad
