// Softmax cross-entropy from logits: the losses and, in the same pass, their gradient. cpu/cross_entropy.cpp has the formulas.
#include "cuda/device/labels.cuh"
#include "formulas/logarithm.h"

namespace tilegrad::cuda {
namespace {

// What a row's loss and gradient are made of; its exponentials are exp[c].
template <typename A>
struct RowSums {
  A shift, sum, log_sum, scale;
};

template <typename Group, typename T>
__device__ __forceinline__ Wide<T> label_row(const Group& group, const CrossEntropy& p, const T* x, int64_t label,
                                             const T* weight, const RowSums<Wide<T>>& row, const Wide<T>* exp,
                                             T* gradient) {
  using A = Wide<T>;
  const A smoothing = static_cast<A>(p.smoothing);
  const auto weight_of = [&](int64_t c) { return weight ? widen(weight[c]) : A(1); };
  const A own = weight_of(label);
  A loss = own * (row.log_sum - (widen(x[label]) - row.shift));
  A total = own, each = A(0);
  if (p.smoothing != 0) {
    each = smoothing / static_cast<A>(p.C);
    const A all =
        group.sum(p.C, [&](int64_t c) { return weight_of(c) * (row.log_sum - (widen(x[c]) - row.shift)); }).value();
    const A weight_sum = group.sum(p.C, weight_of).value();
    loss = (A(1) - smoothing) * loss + each * all;
    total = (A(1) - smoothing) * own + each * weight_sum;
  }
  if (gradient) {
    const A factor = total * row.scale / row.sum, taken = each * row.scale;
    const A at_label = (A(1) - smoothing) * own * row.scale;
#pragma unroll(kRowUnroll<A>)
    for (int64_t c = group.thread(); c < p.C; c += group.size()) {
      A slope = exp[c] * factor;
      if (each != A(0)) slope = slope - (weight ? taken * widen(weight[c]) : taken);
      gradient[c] = narrow<T>(c == label ? slope - at_label : slope);
    }
  }
  return loss;
}

template <typename Group, typename T>
__device__ __forceinline__ Wide<T> soft_row(const Group& group, const CrossEntropy& p, const T* x, const T* target,
                                            const T* weight, const RowSums<Wide<T>>& row, const Wide<T>* exp,
                                            T* gradient, T* by_target) {
  using A = Wide<T>;
  const A keep = A(1) - static_cast<A>(p.smoothing), each = static_cast<A>(p.smoothing) / static_cast<A>(p.C);
  const auto weight_of = [&](int64_t c) { return weight ? widen(weight[c]) : A(1); };
  const auto counts = [&](int64_t c) { return weight_of(c) * (keep * widen(target[c]) + each); };
  const A total = group.sum(p.C, counts).value();
  // A class that does not count may have a logit of minus infinity.
  const A loss = group
                     .sum(p.C,
                          [&](int64_t c) {
                            const A a = counts(c);
                            return a == A(0) ? A(0) : a * (row.log_sum - (widen(x[c]) - row.shift));
                          })
                     .value();
  const A factor = total * row.scale / row.sum, by_target_factor = keep * row.scale;
  for (int64_t c = group.thread(); c < p.C; c += group.size()) {
    if (gradient) gradient[c] = narrow<T>(static_cast<A>(exp[c] * factor - counts(c) * row.scale));
    if (by_target) {
      by_target[c] =
          narrow<T>(static_cast<A>(weight_of(c) * by_target_factor * (row.log_sum - (widen(x[c]) - row.shift))));
    }
  }
  return loss;
}

template <typename Group, typename T>
__global__ void __launch_bounds__(kMostRowThreads)
    cross_entropy_rows(CrossEntropy p, Wide<T>* spilled, Divisor divisor, const T* logits, const void* target,
                       const T* weight, RowLosses<T> losses, T* gradient, T* target_gradient, int* error) {
  using A = Wide<T>;
  __shared__ RowRoom<A> room;
  const Group group(&room);
  A* const exp = kept_of(group, p.C, spilled);
  const A scale = static_cast<A>(1.0 / divisor.get());
  for_each_row<Group>(p.N, [&](int64_t n) {
    const T* const x = logits + n * p.C;
    T *const to = gradient ? gradient + n * p.C : nullptr, *const by_target =
                                                               target_gradient ? target_gradient + n * p.C : nullptr;
    const A shift = largest_of<A>(group, p.C, x);
    keep<A>(group, p.C, exp, [&](int64_t c) { return formulas::exp(widen(x[c]) - shift); });
    const A sum = group.sum(p.C, [&](int64_t c) { return exp[c]; }).value();
    const RowSums<A> row{shift, sum, formulas::log(sum), scale};
    A loss = A(0);
    if (p.target == TargetKind::soft) {
      loss = soft_row(group, p, x, static_cast<const T*>(target) + n * p.C, weight, row, exp, to, by_target);
    } else {
      const Label label(p, target, n, error);
      if (label.counts) {
        loss = label_row(group, p, x, label.at, weight, row, exp, to);
      } else if (to) {
        for (int64_t c = group.thread(); c < p.C; c += group.size()) to[c] = narrow<T>(A(0));
      }
    }
    if (group.thread() == 0) losses.put(n, loss);
  });
  finish_losses(p.N, divisor, losses, room);
}

template <typename T>
void cross_entropy(const Stream& stream, const CrossEntropy& p, const T* logits, const void* target, const T* weight,
                   T* loss, T* gradient, T* target_gradient, Workspace) {
  using A = Wide<T>;
  const Divisor divisor = weight_of_rows(stream, p, target, weight);
  const RowLosses<T> losses = row_losses(stream, p.reduction, p.N, loss);
  if (p.N == 0) return reduce_no_rows(stream, divisor, losses);
  RowPlan<A> plan(p.N, p.C);
  A* const spilled = plan.spill(stream, p.C);
  const auto launch = [&](auto kernel) {
    kernel<<<plan.blocks, plan.threads, plan.shared, stream.handle>>>(p, spilled, divisor, logits, target, weight,
                                                                      losses, gradient, target_gradient, stream.error);
  };
  if (plan.warps) {
    launch(&cross_entropy_rows<WarpRow<A>, T>);
  } else {
    launch(&cross_entropy_rows<BlockRow<A>, T>);
  }
}

}  // namespace
DEFINE_KERNEL(cross_entropy, FLOATING, BFloat16, Float16)
}  // namespace tilegrad::cuda
