// The loops under every elementwise kernel: a functor of scalars over a LoopNest, shared out to the team.
#pragma once

#include "cpu/isa.h"
#include "cpu/math.h"
#include "params/loop_nest.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// Calls row(count, offsets) for runs along the innermost loop; offsets[o] is where operand o's run begins. The team shares
// the innermost loop when it is the only one, and otherwise the runs.
template <int kOperands, typename Row>
TILEGRAD_INLINE void for_each_row(const Team& team, const LoopNest<kOperands>& nest, int64_t grain, Row row) {
  if (nest.numel == 0) return;
  int64_t offsets[kOperands] = {};
  if (nest.ndim <= 1) {
    const Range mine = team.share(nest.ndim == 0 ? 1 : nest.shape[0], grain);
    if (mine.begin == mine.end) return;
    for (int o = 0; o < kOperands; ++o) offsets[o] = nest.ndim == 0 ? 0 : mine.begin * nest.stride[o][0];
    row(mine.end - mine.begin, offsets);
    return;
  }
  const int inner = nest.ndim - 1;
  const int64_t length = nest.shape[inner];
  const Range mine = team.share(nest.numel / length);
  if (mine.begin == mine.end) return;
  int64_t index[kMaxRank];
  int64_t rest = mine.begin;
  for (int d = inner - 1; d >= 0; --d) {
    index[d] = rest % nest.shape[d];
    rest /= nest.shape[d];
    for (int o = 0; o < kOperands; ++o) offsets[o] += index[d] * nest.stride[o][d];
  }
  for (int64_t r = mine.begin; r < mine.end; ++r) {
    row(length, offsets);
    for (int d = inner - 1; d >= 0; --d) {
      for (int o = 0; o < kOperands; ++o) offsets[o] += nest.stride[o][d];
      if (++index[d] < nest.shape[d]) break;
      for (int o = 0; o < kOperands; ++o) offsets[o] -= nest.shape[d] * nest.stride[o][d];
      index[d] = 0;
    }
  }
}

// Elements a member takes at least: two cache lines of the widest type, so that members do not share lines.
inline constexpr int64_t kElementGrain = 128;

// y = op(x). Contiguous runs are vectorised by the compiler; the others walk element by element.
template <typename Op, typename X, typename Y>
TILEGRAD_INLINE void map_unary(const Team& team, const LoopNest<2>& nest, const X* x, Y* y, Op op) {
  const int64_t dx = nest.ndim ? nest.stride[0][nest.ndim - 1] : 1, dy = nest.ndim ? nest.stride[1][nest.ndim - 1] : 1;
  for_each_row(team, nest, kElementGrain, [&](int64_t count, const int64_t* offsets) {
    const X* from = x + offsets[0];
    Y* to = y + offsets[1];
    if (dx == 1 && dy == 1) {
#pragma omp simd
      for (int64_t i = 0; i < count; ++i) to[i] = op(from[i]);
    } else {
      for (int64_t i = 0; i < count; ++i) to[i * dy] = op(from[i * dx]);
    }
  });
}

// y = op(a, b). Contiguous runs, and runs where one side is a broadcast scalar, are vectorised by the compiler.
template <typename Op, typename X, typename Y>
TILEGRAD_INLINE void map_binary(const Team& team, const LoopNest<3>& nest, const X* a, const X* b, Y* y, Op op) {
  const int inner = nest.ndim - 1;
  const int64_t da = nest.ndim ? nest.stride[0][inner] : 1, db = nest.ndim ? nest.stride[1][inner] : 1,
                dy = nest.ndim ? nest.stride[2][inner] : 1;
  for_each_row(team, nest, kElementGrain, [&](int64_t count, const int64_t* offsets) {
    const X* left = a + offsets[0];
    const X* right = b + offsets[1];
    Y* to = y + offsets[2];
    if (dy == 1 && da == 1 && db == 1) {
#pragma omp simd
      for (int64_t i = 0; i < count; ++i) to[i] = op(left[i], right[i]);
    } else if (dy == 1 && da == 1 && db == 0) {
      const X scalar = *right;
#pragma omp simd
      for (int64_t i = 0; i < count; ++i) to[i] = op(left[i], scalar);
    } else if (dy == 1 && da == 0 && db == 1) {
      const X scalar = *left;
#pragma omp simd
      for (int64_t i = 0; i < count; ++i) to[i] = op(scalar, right[i]);
    } else {
      for (int64_t i = 0; i < count; ++i) to[i * dy] = op(left[i * da], right[i * db]);
    }
  });
}

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
