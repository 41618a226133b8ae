// Walking a strided operand in row-major order.
#pragma once

#include "cpu/isa.h"
#include "params/loop_nest.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// Where element number `start`, `start` + 1, ... of a nest lies.
struct Walk {
  const LoopNest<1>& nest;
  int64_t index[kMaxRank];
  int64_t offset = 0;

  TILEGRAD_INLINE Walk(const LoopNest<1>& nest, int64_t start) : nest(nest) {
    for (int d = nest.ndim - 1; d >= 0; --d) {
      index[d] = start % nest.shape[d];
      start /= nest.shape[d];
      offset += index[d] * nest.stride[0][d];
    }
  }
  // `count` steps along the innermost loop, which has as many left.
  TILEGRAD_INLINE void advance_in_run(int64_t count) {
    index[nest.ndim - 1] += count;
    offset += count * nest.stride[0][nest.ndim - 1];
  }
  TILEGRAD_INLINE void next() {
    for (int d = nest.ndim - 1; d >= 0; --d) {
      offset += nest.stride[0][d];
      if (++index[d] < nest.shape[d]) return;
      offset -= nest.shape[d] * nest.stride[0][d];
      index[d] = 0;
    }
  }
};

// Whether the nest's elements lie one after the other.
TILEGRAD_INLINE bool is_dense(const LoopNest<1>& nest) {
  return nest.ndim == 0 || (nest.ndim == 1 && nest.stride[0][0] == 1);
}

// The largest offset of an element: how far behind the first memory goes.
TILEGRAD_INLINE int64_t last_offset(const LoopNest<1>& nest) {
  int64_t offset = 0;
  for (int d = 0; d < nest.ndim; ++d) {
    offset += larger<int64_t>(nest.stride[0][d], 0) * (nest.shape[d] - 1);
  }
  return offset;
}

// The offsets of elements [begin, begin + count).
TILEGRAD_INLINE void offsets_of(const LoopNest<1>& nest, int64_t begin, int64_t count, int64_t* offsets) {
  if (nest.ndim <= 1) {
    const int64_t step = nest.ndim ? nest.stride[0][0] : 0;
    for (int64_t i = 0; i < count; ++i) offsets[i] = (begin + i) * step;
    return;
  }
  Walk walk(nest, begin);
  for (int64_t i = 0; i < count; ++i, walk.next()) offsets[i] = walk.offset;
}

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
