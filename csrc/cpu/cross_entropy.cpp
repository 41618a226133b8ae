// Softmax cross-entropy from logits: the losses and, in the same pass, their gradient.
//
// With p = softmax(x) and a_c what class c counts in a row's loss,
//     loss = sum_c a_c (log sum exp(x) - x_c),    gradient_c = A p_c - a_c,    A = sum_c a_c.
// For a label t: a_c = (1 - smoothing) w_t [c = t] + smoothing / C w_c; for soft targets
// a_c = w_c ((1 - smoothing) target_c + smoothing / C). w is 1 without class weights. The gradient of soft targets is
// w_c (1 - smoothing) (log sum exp(x) - x_c).
#include "cpu/exp_rows.h"
#include "cpu/labels.h"
#include "params/loss.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// One row, whose exponentials are exps (also the gradient's place, or null), their sum `sum` and its logarithm log_sum: its
// loss is returned. `scale` multiplies the gradient.
template <typename T>
TILEGRAD_INLINE T label_row(const CrossEntropy& p, const T* x, int64_t label, const T* weight, T weight_sum, T shift,
                            T sum, T log_sum, T scale, T* exps) {
  const T smoothing = static_cast<T>(p.smoothing);
  const T own = weight ? weight[label] : T(1);
  T loss = own * (log_sum - (x[label] - shift));
  T total = own, each = T(0);
  if (p.smoothing != 0) {
    each = smoothing / static_cast<T>(p.C);
    const T all = sum_in_order<T>(p.C, [&](int64_t c) {
                    return (weight ? weight[c] : T(1)) * (log_sum - (x[c] - shift));
                  }).value();
    loss = (T(1) - smoothing) * loss + each * all;
    total = (T(1) - smoothing) * own + each * weight_sum;
  }
  if (exps) {
    const T factor = total * scale / sum;
    if (each == T(0)) {
#pragma omp simd
      for (int64_t c = 0; c < p.C; ++c) exps[c] = exps[c] * factor;
    } else if (!weight) {
      const T taken = each * scale;
#pragma omp simd
      for (int64_t c = 0; c < p.C; ++c) exps[c] = exps[c] * factor - taken;
    } else {
      const T taken = each * scale;
#pragma omp simd
      for (int64_t c = 0; c < p.C; ++c) exps[c] = exps[c] * factor - taken * weight[c];
    }
    exps[label] = exps[label] - (T(1) - smoothing) * own * scale;
  }
  return loss;
}

template <typename T>
TILEGRAD_INLINE T soft_row(const CrossEntropy& p, const T* x, const T* target, const T* weight, T shift, T sum,
                           T log_sum, T scale, T* exps, T* by_target) {
  const T keep = T(1) - static_cast<T>(p.smoothing), each = static_cast<T>(p.smoothing) / static_cast<T>(p.C);
  const auto counts = [&](int64_t c) { return (weight ? weight[c] : T(1)) * (keep * target[c] + each); };
  const T total = sum_in_order<T>(p.C, counts).value();
  // A class that does not count may have a logit of minus infinity.
  const T loss = sum_in_order<T>(p.C, [&](int64_t c) {
                   const T a = counts(c);
                   return a == T(0) ? T(0) : a * (log_sum - (x[c] - shift));
                 }).value();
  if (exps) {
    const T factor = total * scale / sum;
    for (int64_t c = 0; c < p.C; ++c) exps[c] = exps[c] * factor - counts(c) * scale;
  }
  if (by_target) {
    const T factor = keep * scale;
    for (int64_t c = 0; c < p.C; ++c) {
      by_target[c] = (weight ? weight[c] : T(1)) * factor * (log_sum - (x[c] - shift));
    }
  }
  return loss;
}

// The workspace holds the row's losses where one number is wanted.
template <typename T>
void cross_entropy(const Team& team, const CrossEntropy& p, const T* logits, const void* target, const T* weight,
                   T* loss, T* gradient, T* target_gradient, Workspace workspace) {
  T* losses = p.reduction == LossReduction::none ? loss : static_cast<T*>(workspace.data);
  const double divisor = weight_of_rows(p, target, weight);
  const T scale = static_cast<T>(1.0 / divisor);
  const T weight_sum = p.smoothing == 0 || p.target == TargetKind::soft
                           ? T(0)
                           : sum_in_order<T>(p.C, [&](int64_t c) { return weight ? weight[c] : T(1); }).value();
  const Range mine = team.share(p.N, kRowBlock);
  for (int64_t first = mine.begin; first < mine.end; first += kRowBlock) {
    const int64_t rows = smaller(kRowBlock, mine.end - first);
    T shift[kRowBlock], sum[kRowBlock], log_sum[kRowBlock];
    T* block = gradient ? gradient + first * p.C : nullptr;
    exp_rows(logits + first * p.C, rows, p.C, block, shift, sum);
    for (int64_t r = rows; r < kRowBlock; ++r) sum[r] = T(1);
#pragma omp simd
    for (int64_t r = 0; r < kRowBlock; ++r) log_sum[r] = formulas::log(sum[r]);
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t n = first + r;
      const T* x = logits + n * p.C;
      T* exps = block ? block + r * p.C : nullptr;
      if (p.target == TargetKind::soft) {
        losses[n] = soft_row(p, x, static_cast<const T*>(target) + n * p.C, weight, shift[r], sum[r], log_sum[r], scale,
                             exps, target_gradient ? target_gradient + n * p.C : nullptr);
        continue;
      }
      const int64_t label = label_at(p, target, n);
      if (p.ignores && label == p.ignore_index) {
        losses[n] = T(0);
        for (int64_t c = 0; exps && c < p.C; ++c) exps[c] = T(0);
      } else {
        losses[n] = label_row(p, x, label, weight, weight_sum, shift[r], sum[r], log_sum[r], scale, exps);
      }
    }
  }
  reduce_rows(team, p.reduction, p.N, divisor, losses, loss);
}

}  // namespace
DEFINE_KERNEL(cross_entropy, FLOATING)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
