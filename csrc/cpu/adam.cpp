// Adam, AMSGrad and NAdam over all parameters in one launch.
#include "cpu/math.h"
#include "cpu/optimizer.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

template <typename T>
void adam(const Team& team, const Adam& p, OperandList operands) {
  const StepOperands<T, 3> all{operands};
  if (all.is_skipped()) return;
  with_gradient_factors<T>(p.gradient, all.rate(), all.clip_factor(), [&](auto common) {
    all.for_each_part(team, [&](int t, int64_t begin, int64_t end) {
      T* __restrict x = all.parameter(t);
      const T* __restrict g = all.gradient(t);
      T* __restrict m = all.state(t, 0), * __restrict v = all.state(t, 1), * __restrict largest = all.state(t, 2);
      const int64_t now = all.steps(t) + 1;
      const formulas::Moments<T> f = moments_at<T>(now, p.beta1, p.beta2, p.eps);
      const T rate = static_cast<T>(all.rate() / (1 - formulas::integer_power(p.beta1, now)));
      if (!largest) {
#pragma omp simd
        for (int64_t i = begin; i < end; ++i) formulas::adam_step(common, f, rate, x[i], m[i], v[i], g[i]);
      } else {
#pragma omp simd
        for (int64_t i = begin; i < end; ++i) {
          formulas::amsgrad_step(common, f, rate, x[i], m[i], v[i], largest[i], g[i]);
        }
      }
    });
  });
  all.advance(team);
}

template <typename T>
void nadam(const Team& team, const Nadam& p, OperandList operands) {
  const StepOperands<T, 3> all{operands};
  if (all.is_skipped()) return;
  const auto product_of = [&](int t) { return static_cast<double*>(all.at(t, 4)); };
  with_gradient_factors<T>(p.gradient, all.rate(), all.clip_factor(), [&](auto common) {
    all.for_each_part(team, [&](int t, int64_t begin, int64_t end) {
      T* __restrict x = all.parameter(t);
      const T* __restrict g = all.gradient(t);
      T* __restrict m = all.state(t, 0), * __restrict v = all.state(t, 1);
      const int64_t now = all.steps(t) + 1;
      const formulas::Moments<T> f = moments_at<T>(now, p.beta1, p.beta2, p.eps);
      const double momentum = formulas::nadam_momentum(p, now), next = formulas::nadam_momentum(p, now + 1);
      const double product = *product_of(t) * momentum;
      const T gradient_rate = static_cast<T>(all.rate() * (1 - momentum) / (1 - product));
      const T moment_rate = static_cast<T>(all.rate() * next / (1 - product * next));
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) {
        formulas::nadam_step(common, f, gradient_rate, moment_rate, x[i], m[i], v[i], g[i]);
      }
    });
  });
  team.barrier();  // everybody has read the products
  if (team.rank == 0) {
    for (int t = 0; t < all.tensors(); ++t) *product_of(t) *= formulas::nadam_momentum(p, all.steps(t) + 1);
  }
  all.advance(team);
}

}  // namespace
DEFINE_KERNEL(adam, FLOATING)
DEFINE_KERNEL(nadam, FLOATING)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
