// Optimizer steps over all parameters in one launch.
#include "params/optimizer.h"
#include "cpu/sum_order.h"
#include "formulas/optimizer_steps.h"

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

// Every parameter has a step counter of its own, because it may join later than others: the last thing in a launch is
// to move them on.
template <typename Step>
TILEGRAD_INLINE void advance_steps(const Team& team, int tensors, Step step) {
  team.barrier();  // everybody has read them
  if (team.rank != 0) return;
  for (int t = 0; t < tensors; ++t) *step(t) += 1;
}

TILEGRAD_INLINE double clip_factor(const OperandList& operands) {
  const double* clip = static_cast<const double*>(operands.data[1]);
  return clip ? clip[1] : 1.0;
}

template <typename T>
void sgd(const Team& team, const Sgd& p, OperandList operands) {
  constexpr int kFirst = 2, kEach = 4;
  const int tensors = (operands.count - kFirst) / kEach;
  const auto operand = [&](int t, int which) { return operands.data[kFirst + kEach * t + which]; };
  const auto step = [&](int t) { return static_cast<int64_t*>(operand(t, 3)); };
  formulas::SgdFactors<T> factors;
  factors.gradient_scale = static_cast<T>(clip_factor(operands));
  factors.weight_decay = static_cast<T>(p.weight_decay);
  factors.rate = static_cast<T>(*static_cast<const double*>(operands.data[0]));
  factors.momentum = static_cast<T>(p.momentum);
  for_each_part(
      team, tensors, [&](int t) { return operands.numel[kFirst + kEach * t]; },
      [&](int t, int64_t begin, int64_t end) {
        T* __restrict x = static_cast<T*>(operand(t, 0));
        const T* __restrict g = static_cast<const T*>(operand(t, 1));
        T* __restrict v = static_cast<T*>(operand(t, 2));
        const bool first = *step(t) == 0;
        formulas::SgdFactors<T> f = factors;
        f.retain = first ? T(0) : f.momentum;
        f.share = first ? T(1) : static_cast<T>(1 - p.dampening);
        if (!v) {
#pragma omp simd
          for (int64_t i = begin; i < end; ++i) formulas::sgd_step(f, x[i], g[i]);
        } else if (p.nesterov) {
#pragma omp simd
          for (int64_t i = begin; i < end; ++i) formulas::sgd_momentum_step<true>(f, x[i], v[i], g[i]);
        } else {
#pragma omp simd
          for (int64_t i = begin; i < end; ++i) formulas::sgd_momentum_step<false>(f, x[i], v[i], g[i]);
        }
      });
  advance_steps(team, tensors, step);
}

template <typename T>
void adam(const Team& team, const Adam& p, OperandList operands) {
  constexpr int kFirst = 2, kEach = 5;
  const int tensors = (operands.count - kFirst) / kEach;
  const auto operand = [&](int t, int which) { return operands.data[kFirst + kEach * t + which]; };
  const auto step = [&](int t) { return static_cast<int64_t*>(operand(t, 4)); };
  const double rate = *static_cast<const double*>(operands.data[0]);
  formulas::AdamFactors<T> factors;
  factors.gradient_scale = static_cast<T>(clip_factor(operands));
  factors.weight_decay = p.decoupled ? T(0) : static_cast<T>(p.weight_decay);
  factors.shrink = p.decoupled ? static_cast<T>(1 - rate * p.weight_decay) : T(1);
  factors.beta1 = static_cast<T>(p.beta1);
  factors.one_minus_beta1 = static_cast<T>(1 - p.beta1);
  factors.beta2 = static_cast<T>(p.beta2);
  factors.one_minus_beta2 = static_cast<T>(1 - p.beta2);
  factors.eps = static_cast<T>(p.eps);
  for_each_part(
      team, tensors, [&](int t) { return operands.numel[kFirst + kEach * t]; },
      [&](int t, int64_t begin, int64_t end) {
        T* __restrict x = static_cast<T*>(operand(t, 0));
        const T* __restrict g = static_cast<const T*>(operand(t, 1));
        T* __restrict m = static_cast<T*>(operand(t, 2));
        T* __restrict v = static_cast<T*>(operand(t, 3));
        const int64_t now = *step(t) + 1;
        formulas::AdamFactors<T> f = factors;
        f.rate = static_cast<T>(rate / (1 - formulas::integer_power(p.beta1, now)));
        f.root_scale = static_cast<T>(1 / formulas::square_root(1 - formulas::integer_power(p.beta2, now)));
#pragma omp simd
        for (int64_t i = begin; i < end; ++i) formulas::adam_step(f, x[i], m[i], v[i], g[i]);
      });
  advance_steps(team, tensors, step);
}

// The norm of all gradients as one vector. Squares are summed in double, so that those of floats cannot overflow, in
// chunks that are cut tensor by tensor (cpu/sum_order.h); any member may make any chunk's sum.
template <typename T>
void gradient_norm(const Team& team, const GradientNorm& p, OperandList operands, Workspace workspace) {
  double* sums = static_cast<double*>(workspace.data);
  int64_t chunks = 0;
  for (int t = 1; t < operands.count; ++t) chunks += ceil_div(operands.numel[t], kSumChunk);
  const Range mine = team.share(chunks);
  int64_t first = 0;
  for (int t = 1; t < operands.count; ++t) {
    const int64_t count = operands.numel[t], here = ceil_div(count, kSumChunk);
    const T* x = static_cast<const T*>(operands.data[t]);
    const int64_t begin = larger<int64_t>(mine.begin - first, 0), end = smaller(mine.end - first, here);
    for (int64_t c = begin; c < end; ++c) {
      const T* chunk = x + c * kSumChunk;
      sums[first + c] = sum_chunk<double>(smaller(kSumChunk, count - c * kSumChunk), [&](int64_t i) {
        return static_cast<double>(chunk[i]) * static_cast<double>(chunk[i]);
      });
    }
    first += here;
  }
  team.barrier();
  if (team.rank != 0) return;
  SumTotal<double> total;
  for (int64_t c = 0; c < chunks; ++c) total.add(sums[c]);
  const double norm = formulas::square_root(total.value());
  double* clip = static_cast<double*>(operands.data[0]);
  clip[0] = norm;
  clip[1] = norm > p.most ? p.most / norm : norm != norm ? norm : 1.0;
}

// Every tensor after the first times the second number of the first.
template <typename T>
void scale_all(const Team& team, const NoParams&, OperandList operands) {
  const T factor = static_cast<T>(static_cast<const double*>(operands.data[0])[1]);
  for_each_part(
      team, operands.count - 1, [&](int t) { return operands.numel[1 + t]; },
      [&](int t, int64_t begin, int64_t end) {
        T* x = static_cast<T*>(operands.data[1 + t]);
#pragma omp simd
        for (int64_t i = begin; i < end; ++i) x[i] *= factor;
      });
}

template <typename T>
void clip_all(const Team& team, const ClipValues& p, OperandList operands) {
  const T bound = static_cast<T>(p.bound);
  for_each_part(
      team, operands.count, [&](int t) { return operands.numel[t]; },
      [&](int t, int64_t begin, int64_t end) {
        T* x = static_cast<T*>(operands.data[t]);
#pragma omp simd
        for (int64_t i = begin; i < end; ++i) {
          const T upper = x[i] > bound ? bound : x[i];  // NaN stays
          x[i] = upper < -bound ? -bound : upper;
        }
      });
}

template <typename T>
void zero_all(const Team& team, const NoParams&, OperandList operands) {
  for_each_part(
      team, operands.count, [&](int t) { return operands.numel[t]; },
      [&](int t, int64_t begin, int64_t end) {
        T* x = static_cast<T*>(operands.data[t]);
#pragma omp simd
        for (int64_t i = begin; i < end; ++i) x[i] = T(0);
      });
}

}  // namespace
DEFINE_KERNEL(sgd, FLOATING)
DEFINE_KERNEL(adam, FLOATING)
DEFINE_KERNEL(gradient_norm, FLOATING)
DEFINE_KERNEL(scale_all, FLOATING)
DEFINE_KERNEL(clip_all, FLOATING)
DEFINE_KERNEL(zero_all, FLOATING)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
