// Adadelta over all parameters in one launch.
#include "cpu/optimizer.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

template <typename T>
void adadelta(const Team& team, const Adadelta& p, OperandList operands) {
  const StepOperands<T, 2> all{operands};
  if (all.is_skipped()) return;
  formulas::AdadeltaFactors<T> f;
  f.rate = static_cast<T>(all.rate());
  f.rho = static_cast<T>(p.rho);
  f.one_minus_rho = static_cast<T>(1 - p.rho);
  f.eps = static_cast<T>(p.eps);
  with_gradient_factors<T>(p.gradient, all.rate(), all.clip_factor(), [&](auto common) {
    all.for_each_part(team, [&](int t, int64_t begin, int64_t end) {
      T* __restrict x = all.parameter(t);
      const T* __restrict g = all.gradient(t);
      T* __restrict s = all.state(t, 0), * __restrict u = all.state(t, 1);
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) formulas::adadelta_step(common, f, x[i], s[i], u[i], g[i]);
    });
  });
  all.advance(team);
}

}  // namespace
DEFINE_KERNEL(adadelta, FLOATING)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
