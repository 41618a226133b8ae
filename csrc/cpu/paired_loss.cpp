// Losses of elements against targets of the same shape: the losses and, in the same pass, their gradients.
#include "cpu/math.h"
#include "cpu/sum_order.h"
#include "params/loss.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// A loss and its derivatives by x and by the target.
template <typename T>
struct LossOf {
  T loss, by_x, by_target;
};

// What is not wanted is not computed: the stores behind `gradient` decide, outside the loops.
template <typename T, bool kGradient, bool kTargetGradient, typename Formula>
TILEGRAD_INLINE void run(const Team& team, const PairedLoss& p, const T* x, const T* target, T* loss, T* gradient,
                         T* target_gradient, T* partial, Formula formula) {
  const T scale = p.reduction == LossReduction::mean ? static_cast<T>(1.0 / static_cast<double>(p.numel)) : T(1);
  const int64_t chunks = ceil_div(p.numel, kSumChunk);
  const Range mine = team.share(chunks);
  for (int64_t chunk = mine.begin; chunk < mine.end; ++chunk) {
    const int64_t begin = chunk * kSumChunk, count = smaller(kSumChunk, p.numel - begin);
    T room[kSumChunk];
    T* losses = p.reduction == LossReduction::none ? loss + begin : room;
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) {
      const LossOf<T> one = formula(x[begin + i], target[begin + i]);
      losses[i] = one.loss;
      if constexpr (kGradient) gradient[begin + i] = one.by_x * scale;
      if constexpr (kTargetGradient) target_gradient[begin + i] = one.by_target * scale;
    }
    if (p.reduction != LossReduction::none) partial[chunk] = sum_chunk<T>(count, [&](int64_t i) { return losses[i]; });
  }
  if (p.reduction == LossReduction::none) return;
  team.barrier();
  if (team.rank != 0) return;
  SumTotal<T> total;
  for (int64_t chunk = 0; chunk < chunks; ++chunk) total.add(partial[chunk]);
  *loss = total.quotient(p.reduction == LossReduction::mean ? static_cast<double>(p.numel) : 1.0);
}

template <typename T>
void paired_loss(const Team& team, const PairedLoss& p, const T* x, const T* target, T* loss, T* gradient,
                 T* target_gradient, Workspace workspace) {
  T* partial = static_cast<T*>(workspace.data);
  const auto with = [&](auto formula) {
    if (target_gradient && gradient) {
      run<T, true, true>(team, p, x, target, loss, gradient, target_gradient, partial, formula);
    } else if (target_gradient) {
      run<T, false, true>(team, p, x, target, loss, gradient, target_gradient, partial, formula);
    } else if (gradient) {
      run<T, true, false>(team, p, x, target, loss, gradient, target_gradient, partial, formula);
    } else {
      run<T, false, false>(team, p, x, target, loss, gradient, target_gradient, partial, formula);
    }
  };
  switch (p.kind) {
    case PairedLossKind::squared:
      with([](T a, T b) {
        const T d = a - b;
        return LossOf<T>{d * d, d + d, -(d + d)};
      });
      break;
    case PairedLossKind::absolute:
      with([](T a, T b) {
        const T d = a - b;
        const T sign = d > T(0) ? T(1) : d < T(0) ? T(-1) : d;  // 0, and NaN, as they are
        return LossOf<T>{formulas::magnitude(d), sign, -sign};
      });
      break;
    case PairedLossKind::huber: {
      const T delta = static_cast<T>(p.delta);
      with([delta](T a, T b) {
        const T d = a - b, size = formulas::magnitude(d);
        const bool far = size > delta;
        const T slope = far ? formulas::with_sign_of(delta, d) : d;
        return LossOf<T>{far ? delta * (size - T(0.5) * delta) : T(0.5) * d * d, slope, -slope};
      });
      break;
    }
    case PairedLossKind::sigmoid_cross_entropy:
      // max(x, 0) - x t + log(1 + exp(-|x|))
      with([](T a, T t) {
        const T positive = a < T(0) ? T(0) : a;
        const T rest = formulas::log1p(formulas::exp(-formulas::magnitude(a)));
        return LossOf<T>{(positive - a * t) + rest, formulas::sigmoid(a) - t, -a};
      });
      break;
  }
}

}  // namespace
DEFINE_KERNEL(paired_loss, FLOATING)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
