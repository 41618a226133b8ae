// RMSprop over all parameters in one launch.
#include "cpu/optimizer.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// A part of one tensor. State that is not wanted is null and never touched.
template <bool kCentered, bool kMomentum, typename T, bool kRare>
TILEGRAD_INLINE void rmsprop_part(const formulas::GradientFactors<T, kRare>& common,
                                  const formulas::RmsPropFactors<T>& f, const StepOperands<T, 3>& all, int t,
                                  int64_t begin, int64_t end) {
  T* __restrict x = all.parameter(t);
  const T* __restrict g = all.gradient(t);
  T* __restrict s = all.state(t, 0), * __restrict a = all.state(t, 1), * __restrict v = all.state(t, 2);
#pragma omp simd
  for (int64_t i = begin; i < end; ++i) {
    T mean = kCentered ? a[i] : T(0), velocity = kMomentum ? v[i] : T(0);
    formulas::rmsprop_step<kCentered, kMomentum>(common, f, x[i], s[i], mean, velocity, g[i]);
    if constexpr (kCentered) a[i] = mean;
    if constexpr (kMomentum) v[i] = velocity;
  }
}

template <typename T>
void rmsprop(const Team& team, const RmsProp& p, OperandList operands) {
  const StepOperands<T, 3> all{operands};
  if (all.is_skipped()) return;
  formulas::RmsPropFactors<T> f;
  f.rate = static_cast<T>(all.rate());
  f.alpha = static_cast<T>(p.alpha);
  f.one_minus_alpha = static_cast<T>(1 - p.alpha);
  f.eps = static_cast<T>(p.eps);
  f.momentum = static_cast<T>(p.momentum);
  with_gradient_factors<T>(p.gradient, all.rate(), all.clip_factor(), [&](auto common) {
    all.for_each_part(team, [&](int t, int64_t begin, int64_t end) {
      const bool centered = all.state(t, 1) != nullptr, momentum = all.state(t, 2) != nullptr;
      if (centered && momentum) {
        rmsprop_part<true, true>(common, f, all, t, begin, end);
      } else if (centered) {
        rmsprop_part<true, false>(common, f, all, t, begin, end);
      } else if (momentum) {
        rmsprop_part<false, true>(common, f, all, t, begin, end);
      } else {
        rmsprop_part<false, false>(common, f, all, t, begin, end);
      }
    });
  });
  all.advance(team);
}

}  // namespace
DEFINE_KERNEL(rmsprop, FLOATING)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
