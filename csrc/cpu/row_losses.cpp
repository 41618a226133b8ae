// Losses of rows of scores or of logarithms of probabilities: the losses and, in the same pass, their gradients.
#include "cpu/labels.h"
#include "cpu/math.h"
#include "params/loss.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

inline constexpr int64_t kRowGrain = 16;  // rows that a member takes at least

// loss = -w_t x_t of the label t. In each kernel here the workspace holds the rows' losses where one number is wanted.
template <typename T>
void nll_loss(const Team& team, const LabelLoss& p, const T* x, const void* target, const T* weight, T* loss,
              T* gradient, Workspace workspace) {
  T* losses = p.reduction == LossReduction::none ? loss : static_cast<T*>(workspace.data);
  const double divisor = weight_of_rows(p, target, weight);
  const T scale = static_cast<T>(1.0 / divisor);
  const Range mine = team.share(p.N, kRowGrain);
  for (int64_t n = mine.begin; n < mine.end; ++n) {
    const int64_t label = label_at(p, target, n);
    const bool counts = !(p.ignores && label == p.ignore_index);
    const T own = counts ? weight ? weight[label] : T(1) : T(0);
    losses[n] = counts ? -own * x[n * p.C + label] : T(0);
    if (!gradient) continue;
    for (int64_t c = 0; c < p.C; ++c) gradient[n * p.C + c] = T(0);
    if (counts) gradient[n * p.C + label] = -own * scale;
  }
  reduce_rows(team, p.reduction, p.N, divisor, losses, loss);
}

// loss = w_t sum over c != t of max(0, x_c - x_t + margin)^power.
template <typename T>
void multi_margin_loss(const Team& team, const MultiMargin& p, const T* x, const void* target, const T* weight, T* loss,
                       T* gradient, Workspace workspace) {
  T* losses = p.reduction == LossReduction::none ? loss : static_cast<T*>(workspace.data);
  const double divisor = p.reduction == LossReduction::mean ? static_cast<double>(p.N) : 1.0;
  const T scale = static_cast<T>(1.0 / divisor), margin = static_cast<T>(p.margin);
  const bool squared = p.power == 2;
  const Range mine = team.share(p.N, kRowGrain);
  for (int64_t n = mine.begin; n < mine.end; ++n) {
    const int64_t label = label_at(p, target, n);
    const T* row = x + n * p.C;
    const T own = row[label], w = weight ? weight[label] : T(1);
    const auto excess = [&](int64_t c) {
      const T z = (row[c] - own) + margin;
      return (c == label) | (z <= T(0)) ? T(0) : z;
    };
    const auto slope = [&](int64_t c) {
      const T z = excess(c);
      return squared ? z + z : z > T(0) ? T(1) : z;
    };
    losses[n] = w * sum_in_order<T>(p.C, [&](int64_t c) {
                      const T z = excess(c);
                      return squared ? z * z : z;
                    }).value();
    if (!gradient) continue;
    const T factor = w * scale;
    T* to = gradient + n * p.C;
#pragma omp simd
    for (int64_t c = 0; c < p.C; ++c) to[c] = slope(c) * factor;
    to[label] = -sum_in_order<T>(p.C, slope).value() * factor;
  }
  reduce_rows(team, p.reduction, p.N, divisor, losses, loss);
}

// loss = sum over c of t_c (log t_c - x_c), where x and, if so given, t are logarithms. What has no probability adds
// nothing, and its target has no gradient.
template <typename T>
void kl_div(const Team& team, const KlDivergence& p, const T* x, const T* target, T* loss, T* gradient,
            T* target_gradient, Workspace workspace) {
  T* losses = p.reduction == LossReduction::none ? loss : static_cast<T*>(workspace.data);
  const T scale = static_cast<T>(1.0 / p.divisor);
  const bool log_target = p.log_target;
  const auto rows = [&](auto probability, auto logarithm) {
    const Range mine = team.share(p.N, kRowGrain);
    for (int64_t n = mine.begin; n < mine.end; ++n) {
      const T *row = x + n * p.C, *t = target + n * p.C;
      losses[n] = sum_in_order<T>(p.C, [&](int64_t c) {
                    const T q = probability(t[c]);
                    return q == T(0) ? T(0) : q * (logarithm(t[c]) - row[c]);
                  }).value();
      if (gradient) {
        T* to = gradient + n * p.C;
#pragma omp simd
        for (int64_t c = 0; c < p.C; ++c) to[c] = -probability(t[c]) * scale;
      }
      if (target_gradient) {
        T* to = target_gradient + n * p.C;
#pragma omp simd
        for (int64_t c = 0; c < p.C; ++c) {
          const T q = probability(t[c]);
          // By a logarithm the chain rule has one factor q more.
          const T slope = (logarithm(t[c]) - row[c] + T(1)) * (log_target ? q * scale : scale);
          to[c] = q == T(0) ? T(0) : slope;
        }
      }
    }
  };
  if (log_target) {
    rows([](T t) { return formulas::exp(t); }, [](T t) { return t; });
  } else {
    rows([](T t) { return t; }, [](T t) { return formulas::log(t); });
  }
  reduce_rows(team, p.reduction, p.N, p.divisor, losses, loss);
}

}  // namespace
DEFINE_KERNEL(nll_loss, FLOATING)
DEFINE_KERNEL(multi_margin_loss, FLOATING)
DEFINE_KERNEL(kl_div, FLOATING)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
