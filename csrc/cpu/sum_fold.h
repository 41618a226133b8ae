// The fold of a sum over axes: what sums, sums of squares and of exponentials share.
#pragma once

#include "cpu/sum_order.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

template <typename T>
struct SumFold {
  using Part = T;
  using Total = SumTotal<T>;
  T* y;
  double divisor;
  TILEGRAD_INLINE static T identity() { return T(0); }
  TILEGRAD_INLINE static T join(T a, T b) { return a + b; }
  TILEGRAD_INLINE T map(T x, int64_t) const { return x; }
  TILEGRAD_INLINE void finish(int64_t o, const Total& total) const { y[o] = total.quotient(divisor); }
};

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
