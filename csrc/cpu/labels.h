// What losses of rows against labels share.
#pragma once

#include "cpu/sum_order.h"
#include "params/loss.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

TILEGRAD_INLINE int64_t label_at(const LabelLoss& p, const void* target, int64_t n) {
  switch (p.target) {
    case TargetKind::int32:
      return static_cast<const int32_t*>(target)[n];
    case TargetKind::uint8:
      return static_cast<const uint8_t*>(target)[n];
    default:
      return static_cast<const int64_t*>(target)[n];
  }
}

// What losses and gradients are divided by: the weights of the rows that count. Every member computes it.
template <typename T>
TILEGRAD_INLINE double weight_of_rows(const LabelLoss& p, const void* target, const T* weight) {
  if (p.reduction != LossReduction::mean) return 1;
  if (p.target == TargetKind::soft || (!weight && !p.ignores)) return static_cast<double>(p.N);
  const SumTotal<T> total = sum_in_order<T>(p.N, [&](int64_t n) {
    const int64_t label = label_at(p, target, n);
    return p.ignores && label == p.ignore_index ? T(0) : weight ? weight[label] : T(1);
  });
  return static_cast<double>(total.value());
}

// The loss of all rows, once all members have written theirs.
template <typename T>
TILEGRAD_INLINE void reduce_rows(const Team& team, LossReduction reduction, int64_t rows, double divisor,
                                 const T* losses, T* loss) {
  if (reduction == LossReduction::none) return;
  team.barrier();
  if (team.rank == 0) *loss = sum_in_order<T>(rows, [&](int64_t n) { return losses[n]; }).quotient(divisor);
}

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
