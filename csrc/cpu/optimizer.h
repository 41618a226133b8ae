// What all optimizers share: how a team shares the elements of many tensors, and the operands of a step.
#pragma once

#include "cpu/isa.h"
#include "formulas/optimizer_steps.h"
#include "params/optimizer.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// Members share the elements of all tensors as if these lay end to end, in whole lines of the cache. Calls
// run(tensor, begin, end) for the parts of tensors that are this member's; tensor t has numel(t) elements.
template <typename Numel, typename Run>
TILEGRAD_INLINE void for_each_part(const Team& team, int tensors, Numel numel, Run run) {
  constexpr int64_t kGrain = 64;
  int64_t total = 0;
  for (int t = 0; t < tensors; ++t) total += round_up(numel(t), kGrain);
  const Range mine = team.share(total, kGrain);
  int64_t start = 0;
  for (int t = 0; t < tensors && start < mine.end; ++t) {
    const int64_t count = numel(t);
    const int64_t begin = larger<int64_t>(mine.begin - start, 0), end = smaller(mine.end - start, count);
    if (begin < end) run(t, begin, end);
    start += round_up(count, kGrain);
  }
}

// The operands of a step: rate, clip, then for each parameter p, gradient, kStates pieces of state, step.
template <typename T, int kStates>
struct StepOperands {
  static constexpr int kFirst = 2, kEach = kStates + 3;
  OperandList operands;

  TILEGRAD_INLINE int tensors() const { return (operands.count - kFirst) / kEach; }
  TILEGRAD_INLINE int64_t numel(int t) const { return operands.numel[kFirst + kEach * t]; }
  TILEGRAD_INLINE void* at(int t, int which) const { return operands.data[kFirst + kEach * t + which]; }
  TILEGRAD_INLINE T* parameter(int t) const { return static_cast<T*>(at(t, 0)); }
  TILEGRAD_INLINE const T* gradient(int t) const { return static_cast<const T*>(at(t, 1)); }
  TILEGRAD_INLINE T* state(int t, int which) const { return static_cast<T*>(at(t, 2 + which)); }
  TILEGRAD_INLINE int64_t& steps(int t) const { return *static_cast<int64_t*>(at(t, kEach - 1)); }
  TILEGRAD_INLINE double rate() const { return *static_cast<const double*>(operands.data[0]); }
  TILEGRAD_INLINE double clip_factor() const {
    const double* clip = static_cast<const double*>(operands.data[1]);
    return clip ? clip[1] : 1.0;
  }

  // Gradients that are not finite, under loss scaling: nothing is to be written, counters neither.
  TILEGRAD_INLINE bool is_skipped() const { return clip_factor() < 0; }

  template <typename Run>
  TILEGRAD_INLINE void for_each_part(const Team& team, Run run) const {
    cpu::TILEGRAD_ISA::for_each_part(team, tensors(), [this](int t) { return numel(t); }, run);
  }

  // Every parameter has a step counter of its own, because it may join later than others: the last thing in a launch
  // is to move them on.
  TILEGRAD_INLINE void advance(const Team& team) const {
    team.barrier();  // everybody has read them
    if (team.rank != 0) return;
    for (int t = 0; t < tensors(); ++t) steps(t) += 1;
  }
};

using formulas::gradient_factors;
using formulas::moments_at;

// Calls run(factors) with what the options ask for.
template <typename T, typename Run>
TILEGRAD_INLINE void with_gradient_factors(const GradientOptions& p, double rate, double clip_factor, Run run) {
  if (p.l1_decay != 0 || p.clip_value < __builtin_inf()) {
    run(gradient_factors<T, true>(p, rate, clip_factor));
  } else {
    run(gradient_factors<T, false>(p, rate, clip_factor));
  }
}

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
