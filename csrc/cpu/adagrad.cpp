// Adagrad over all parameters in one launch.
#include "cpu/optimizer.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

template <typename T>
void adagrad(const Team& team, const Adagrad& p, OperandList operands) {
  const StepOperands<T, 1> all{operands};
  if (all.is_skipped()) return;
  with_gradient_factors<T>(p.gradient, all.rate(), all.clip_factor(), [&](auto common) {
    all.for_each_part(team, [&](int t, int64_t begin, int64_t end) {
      T* __restrict x = all.parameter(t);
      const T* __restrict g = all.gradient(t);
      T* __restrict s = all.state(t, 0);
      const T rate = static_cast<T>(all.rate() / (1 + static_cast<double>(all.steps(t)) * p.lr_decay));
      const T eps = static_cast<T>(p.eps);
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) formulas::adagrad_step(common, rate, eps, x[i], s[i], g[i]);
    });
  });
  all.advance(team);
}

}  // namespace
DEFINE_KERNEL(adagrad, FLOATING)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
