// LAMB over all parameters in one launch: Adam's step, brought to the norm of its tensor.
#include "cpu/optimizer.h"
#include "cpu/sum_order.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

template <typename T>
TILEGRAD_INLINE double square(T x) {
  return static_cast<double>(x) * static_cast<double>(x);
}

// Chunks of all tensors, cut tensor by tensor, with two sums each: of the squares of parameters and of their steps.
template <typename T>
struct LambChunks {
  StepOperands<T, 2> all;
  double* sums;

  TILEGRAD_INLINE int64_t chunks(int t) const { return ceil_div(all.numel(t), kSumChunk); }
  TILEGRAD_INLINE int64_t total() const {
    int64_t count = 0;
    for (int t = 0; t < all.tensors(); ++t) count += chunks(t);
    return count;
  }
  // The rate of a tensor relative to its step: the quotient of the norms, 1 where one of them is 0.
  TILEGRAD_INLINE double trust(int64_t first, int64_t count) const {
    SumTotal<double> parameters, steps;
    for (int64_t c = first; c < first + count; ++c) {
      parameters.add(sums[2 * c]);
      steps.add(sums[2 * c + 1]);
    }
    const double size = formulas::square_root(parameters.value()), step = formulas::square_root(steps.value());
    return size == 0 || step == 0 ? 1.0 : size / step;
  }
};

template <typename T>
void lamb(const Team& team, const Lamb& p, OperandList operands, Workspace workspace) {
  const StepOperands<T, 2> all{operands};
  if (all.is_skipped()) return;
  const LambChunks<T> cut{all, static_cast<double*>(workspace.data)};
  // Decay is no part of what the moments see, but of the step made from them.
  GradientOptions plain = p.gradient, decay = p.gradient;
  plain.weight_decay = plain.l1_decay = 0;
  decay.clip_value = __builtin_inf();
  decay.maximize = decay.decoupled = 0;
  const auto common = gradient_factors<T, true>(plain, all.rate(), all.clip_factor());
  const auto penalties = gradient_factors<T, true>(decay, all.rate(), 1.0);
  const auto moment_scale = [&](int64_t now) {
    return static_cast<T>(1 / (1 - formulas::integer_power(p.beta1, now)));
  };

  const Range mine = team.share(cut.total());
  int64_t first = 0;
  for (int t = 0; t < all.tensors(); ++t) {
    const int64_t here = cut.chunks(t), count = all.numel(t), now = all.steps(t) + 1;
    const formulas::Moments<T> f = moments_at<T>(now, p.beta1, p.beta2, p.eps);
    const T scale = moment_scale(now);
    const int64_t begin = larger<int64_t>(mine.begin - first, 0), end = smaller(mine.end - first, here);
    for (int64_t c = begin; c < end; ++c) {
      const int64_t start = c * kSumChunk, length = smaller(kSumChunk, count - start);
      const T* __restrict x = all.parameter(t) + start;
      const T* __restrict g = all.gradient(t) + start;
      T* __restrict m = all.state(t, 0) + start, * __restrict v = all.state(t, 1) + start;
      T step[kSumChunk];
#pragma omp simd
      for (int64_t i = 0; i < length; ++i) {
        formulas::move_moments(f, m[i], v[i], formulas::full_gradient(common, x[i], g[i]));
        step[i] = formulas::lamb_direction(penalties, f, scale, x[i], m[i], v[i]);
      }
      double* sums = cut.sums + 2 * (first + c);
      sums[0] = sum_chunk<double>(length, [&](int64_t i) { return square(x[i]); });
      sums[1] = sum_chunk<double>(length, [&](int64_t i) { return square(step[i]); });
    }
    first += here;
  }
  team.barrier();

  int known = 0;  // the tensor whose first chunk is number `first`
  first = 0;
  all.for_each_part(team, [&](int t, int64_t begin, int64_t end) {
    for (; known < t; ++known) first += cut.chunks(known);
    const int64_t now = all.steps(t) + 1;
    const formulas::Moments<T> f = moments_at<T>(now, p.beta1, p.beta2, p.eps);
    const T scale = moment_scale(now);
    const T rate = static_cast<T>(all.rate() * cut.trust(first, cut.chunks(t)));
    T* __restrict x = all.parameter(t);
    const T* __restrict m = all.state(t, 0), * __restrict v = all.state(t, 1);
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      x[i] -= rate * formulas::lamb_direction(penalties, f, scale, x[i], m[i], v[i]);
    }
  });
  all.advance(team);
}

}  // namespace
DEFINE_KERNEL(lamb, FLOATING)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
