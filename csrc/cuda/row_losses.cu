// Losses of rows of scores or of logarithms of probabilities: the losses and, in the same pass, their gradients.
#include "cuda/device/labels.cuh"
#include "formulas/logarithm.h"

namespace tilegrad::cuda {
namespace {

template <typename T>
__global__ void __launch_bounds__(kThreads) nll_losses(LabelLoss p, Divisor divisor, const T* x, const void* target,
                                                       const T* weight, RowLosses<T> losses, int* error) {
  __shared__ RowRoom<T> room;
  const int64_t step = int64_t{gridDim.x} * kThreads;
  for (int64_t n = int64_t{blockIdx.x} * kThreads + threadIdx.x; n < p.N; n += step) {
    const Label label(p, target, n, error);
    const T own = label.counts ? weight ? weight[label.at] : T(1) : T(0);
    losses.put(n, label.counts ? -own * x[n * p.C + label.at] : T(0));
  }
  finish_losses(p.N, divisor, losses, room);
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    nll_gradients(LabelLoss p, Divisor divisor, const void* target, const T* weight, T* gradient, int* error) {
  const T scale = static_cast<T>(1.0 / divisor.get());
  const int64_t step = int64_t{gridDim.x} * kThreads, count = p.N * p.C;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < count; i += step) {
    const int64_t n = i / p.C;
    const Label label(p, target, n, error);
    const T own = label.counts && weight ? weight[label.at] : T(1);
    gradient[i] = label.counts && i - n * p.C == label.at ? -own * scale : T(0);
  }
}

// loss = -w_t x_t of the label t.
template <typename T>
void nll_loss(const Stream& stream, const LabelLoss& p, const T* x, const void* target, const T* weight, T* loss,
              T* gradient, Workspace) {
  const Divisor divisor = weight_of_rows(stream, p, target, weight);
  const RowLosses<T> losses = row_losses(stream, p.reduction, p.N, loss);
  if (p.N == 0) return reduce_no_rows(stream, divisor, losses);
  nll_losses<<<blocks_for(p.N), kThreads, 0, stream.handle>>>(p, divisor, x, target, weight, losses, stream.error);
  if (gradient) {
    nll_gradients<<<blocks_for(p.N * p.C, 4), kThreads, 0, stream.handle>>>(p, divisor, target, weight, gradient,
                                                                            stream.error);
  }
}

// loss = w_t sum over c != t of max(0, x_c - x_t + margin)^power.
template <typename Group, typename T>
__global__ void __launch_bounds__(kMostRowThreads)
    margin_rows(MultiMargin p, Divisor divisor, const T* x, const void* target, const T* weight, RowLosses<T> losses,
                T* gradient, int* error) {
  __shared__ RowRoom<T> room;
  const Group group(&room);
  const T scale = static_cast<T>(1.0 / divisor.get()), margin = static_cast<T>(p.margin);
  const bool squared = p.power == 2;
  for_each_row<Group>(p.N, [&](int64_t n) {
    const Label label(p, target, n, error);
    const T* const row = x + n * p.C;
    const T own = row[label.at], w = !label.counts ? T(0) : weight ? weight[label.at] : T(1);
    const auto excess = [&](int64_t c) {
      const T z = (row[c] - own) + margin;
      return (c == label.at) | (z <= T(0)) ? T(0) : z;
    };
    const auto slope = [&](int64_t c) {
      const T z = excess(c);
      return squared ? z + z : z > T(0) ? T(1) : z;
    };
    const T sum = group
                      .sum(p.C,
                           [&](int64_t c) {
                             const T z = excess(c);
                             return squared ? z * z : z;
                           })
                      .value();
    if (group.thread() == 0) losses.put(n, w * sum);
    if (!gradient) return;
    const T factor = w * scale, slopes = group.sum(p.C, slope).value();
    for (int64_t c = group.thread(); c < p.C; c += group.size()) {
      gradient[n * p.C + c] = c == label.at ? -slopes * factor : slope(c) * factor;
    }
  });
  finish_losses(p.N, divisor, losses, room);
}

template <typename T>
void multi_margin_loss(const Stream& stream, const MultiMargin& p, const T* x, const void* target, const T* weight,
                       T* loss, T* gradient, Workspace) {
  const Divisor divisor{p.reduction == LossReduction::mean ? static_cast<double>(p.N) : 1.0, nullptr};
  const RowLosses<T> losses = row_losses(stream, p.reduction, p.N, loss);
  const RowPlan<T> plan(p.N, p.C);
  if (p.N == 0) return reduce_no_rows(stream, divisor, losses);
  const auto launch = [&](auto kernel) {
    kernel<<<plan.blocks, plan.threads, 0, stream.handle>>>(p, divisor, x, target, weight, losses, gradient,
                                                            stream.error);
  };
  if (plan.warps) {
    launch(&margin_rows<WarpRow<T>, T>);
  } else {
    launch(&margin_rows<BlockRow<T>, T>);
  }
}

// loss = sum over c of t_c (log t_c - x_c), where x and, if so given, t are logarithms. What has no probability adds
// nothing, and its target has no gradient.
template <typename Group, typename T>
__global__ void __launch_bounds__(kMostRowThreads)
    divergence_rows(KlDivergence p, const T* x, const T* target, RowLosses<T> losses, T* gradient, T* target_gradient) {
  __shared__ RowRoom<T> room;
  const Group group(&room);
  const T scale = static_cast<T>(1.0 / p.divisor);
  const bool is_log = p.log_target;
  const auto probability = [=](T t) { return is_log ? formulas::exp(t) : t; };
  const auto logarithm = [=](T t) { return is_log ? t : formulas::log(t); };
  for_each_row<Group>(p.N, [&](int64_t n) {
    const T *const row = x + n * p.C, *const t = target + n * p.C;
    const T loss = group
                       .sum(p.C,
                            [&](int64_t c) {
                              const T q = probability(t[c]);
                              return q == T(0) ? T(0) : q * (logarithm(t[c]) - row[c]);
                            })
                       .value();
    if (group.thread() == 0) losses.put(n, loss);
    if (!gradient && !target_gradient) return;
    for (int64_t c = group.thread(); c < p.C; c += group.size()) {
      const T q = probability(t[c]);
      if (gradient) gradient[n * p.C + c] = -q * scale;
      if (!target_gradient) continue;
      // By a logarithm the chain rule has one factor q more.
      const T slope = (logarithm(t[c]) - row[c] + T(1)) * (is_log ? q * scale : scale);
      target_gradient[n * p.C + c] = q == T(0) ? T(0) : slope;
    }
  });
  finish_losses(p.N, Divisor{p.divisor, nullptr}, losses, room);
}

template <typename T>
void kl_div(const Stream& stream, const KlDivergence& p, const T* x, const T* target, T* loss, T* gradient,
            T* target_gradient, Workspace) {
  const RowLosses<T> losses = row_losses(stream, p.reduction, p.N, loss);
  const RowPlan<T> plan(p.N, p.C);
  if (p.N == 0) return reduce_no_rows(stream, Divisor{p.divisor, nullptr}, losses);
  const auto launch = [&](auto kernel) {
    kernel<<<plan.blocks, plan.threads, 0, stream.handle>>>(p, x, target, losses, gradient, target_gradient);
  };
  if (plan.warps) {
    launch(&divergence_rows<WarpRow<T>, T>);
  } else {
    launch(&divergence_rows<BlockRow<T>, T>);
  }
}

}  // namespace
DEFINE_KERNEL(nll_loss, FLOATING)
DEFINE_KERNEL(multi_margin_loss, FLOATING)
DEFINE_KERNEL(kl_div, FLOATING)
}  // namespace tilegrad::cuda
