// Stochastic gradient descent over all parameters in one launch.
#include "cpu/optimizer.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

template <typename T>
void sgd(const Team& team, const Sgd& p, OperandList operands) {
  const StepOperands<T, 1> all{operands};
  if (all.is_skipped()) return;
  with_gradient_factors<T>(p.gradient, all.rate(), all.clip_factor(), [&](auto common) {
    all.for_each_part(team, [&](int t, int64_t begin, int64_t end) {
      T* __restrict x = all.parameter(t);
      const T* __restrict g = all.gradient(t);
      T* __restrict v = all.state(t, 0);
      const bool first = all.steps(t) == 0;
      formulas::SgdFactors<T> f;
      f.rate = static_cast<T>(all.rate());
      f.momentum = static_cast<T>(p.momentum);
      f.retain = first ? T(0) : f.momentum;
      f.share = first ? T(1) : static_cast<T>(1 - p.dampening);
      if (!v) {
#pragma omp simd
        for (int64_t i = begin; i < end; ++i) formulas::sgd_step(common, f, x[i], g[i]);
      } else if (p.nesterov) {
#pragma omp simd
        for (int64_t i = begin; i < end; ++i) formulas::sgd_momentum_step<true>(common, f, x[i], v[i], g[i]);
      } else {
#pragma omp simd
        for (int64_t i = begin; i < end; ++i) formulas::sgd_momentum_step<false>(common, f, x[i], v[i], g[i]);
      }
    });
  });
  all.advance(team);
}

}  // namespace
DEFINE_KERNEL(sgd, FLOATING)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
