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

// Elements [begin, begin + count) of `repeats` numbers that go on repeating, in `room`.
template <typename T>
TILEGRAD_INLINE const T* repeated(const T* numbers, int64_t repeats, int64_t begin, int64_t count, T* room) {
  if (!numbers) return nullptr;
  int64_t at = begin % repeats;
  if (at + count <= repeats) return numbers + at;
  for (int64_t i = 0; i < count; ++i) {
    room[i] = numbers[at];
    if (++at == repeats) at = 0;
  }
  return room;
}

// Elements, and where their losses and the gradients times `scale` go; a gradient that is null is not wanted.
template <typename T>
struct PairedElements {
  const T *x, *target, *positive_weight;
  T *losses, *gradient, *target_gradient;
  T scale;
};

// A formula's loop behind a pointer: the walk over chunks, weights and sums below is one copy for all of them.
template <typename T>
struct LossLoop {
  void (*run)(const void* formula, int64_t count, const PairedElements<T>& of);
  const void* formula;
};

// What is not wanted is not computed: that is decided outside the loops. The formula is one of the element and its target, or
// of these and its positive weight.
template <typename T, bool kGradient, bool kTargetGradient, typename Formula>
void loop(const Formula& formula, int64_t count, const PairedElements<T>& of) {
  const T *const x = of.x, *const target = of.target, *const positive = of.positive_weight;
  T *const losses = of.losses, *const gradient = of.gradient, *const target_gradient = of.target_gradient;
  const T scale = of.scale;
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    LossOf<T> one;
    if constexpr (requires { formula(T(0), T(0), T(0)); }) {
      one = formula(x[i], target[i], positive[i]);
    } else {
      one = formula(x[i], target[i]);
    }
    losses[i] = one.loss;
    if constexpr (kGradient) gradient[i] = one.by_x * scale;
    if constexpr (kTargetGradient) target_gradient[i] = one.by_target * scale;
  }
}
template <typename T, typename Formula>
void any_loop(const void* any, int64_t count, const PairedElements<T>& of) {
  const Formula& formula = *static_cast<const Formula*>(any);
  if (of.target_gradient) return loop<T, true, true>(formula, count, of);
  if (of.gradient) return loop<T, true, false>(formula, count, of);
  loop<T, false, false>(formula, count, of);
}

template <typename T>
[[gnu::noinline]] void weigh(int64_t count, const T* weight, T* values) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) values[i] *= weight[i];
}

template <typename T>
void run(const Team& team, const PairedLoss& p, const T* x, const T* target, const T* weight, const T* positive_weight,
         T* loss, T* gradient, T* target_gradient, T* partial, LossLoop<T> loop_of) {
  const T scale = p.reduction == LossReduction::mean ? static_cast<T>(1.0 / static_cast<double>(p.numel)) : T(1);
  const int64_t chunks = ceil_div(p.numel, kSumChunk);
  const Range mine = team.share(chunks);
  for (int64_t chunk = mine.begin; chunk < mine.end; ++chunk) {
    const int64_t begin = chunk * kSumChunk, count = smaller(kSumChunk, p.numel - begin);
    T room[kSumChunk], weight_room[kSumChunk], positive_room[kSumChunk], unwanted[kSumChunk];
    PairedElements<T> of;
    of.x = x + begin, of.target = target + begin;
    of.positive_weight = repeated(positive_weight, p.positive_weights, begin, count, positive_room);
    of.losses = p.reduction == LossReduction::none ? loss + begin : room;
    of.target_gradient = target_gradient ? target_gradient + begin : nullptr;
    of.gradient = gradient ? gradient + begin : target_gradient ? unwanted : nullptr;
    of.scale = scale;
    loop_of.run(loop_of.formula, count, of);
    if (const T* const w = repeated(weight, p.weights, begin, count, weight_room)) {
      weigh(count, w, of.losses);
      if (gradient) weigh(count, w, of.gradient);
      if (target_gradient) weigh(count, w, of.target_gradient);
    }
    if (p.reduction != LossReduction::none) {
      partial[chunk] = sum_chunk<T>(count, [&](int64_t i) { return of.losses[i]; });
    }
  }
  if (p.reduction == LossReduction::none) return;
  team.barrier();
  if (team.rank != 0) return;
  SumTotal<T> total;
  for (int64_t chunk = 0; chunk < chunks; ++chunk) total.add(partial[chunk]);
  *loss = total.quotient(p.reduction == LossReduction::mean ? static_cast<double>(p.numel) : 1.0);
}

// Where d = x - target lies: beyond delta a loss is a line.
template <typename T>
TILEGRAD_INLINE T sign_of(T d) {
  return d > T(0) ? T(1) : d < T(0) ? T(-1) : d;  // 0, and NaN, as they are
}

template <typename T>
void paired_loss(const Team& team, const PairedLoss& p, const T* x, const T* target, const T* weight,
                 const T* positive_weight, T* loss, T* gradient, T* target_gradient, Workspace workspace) {
  T* partial = static_cast<T*>(workspace.data);
  const auto with = [&](const auto& formula) {
    run(team, p, x, target, weight, positive_weight, loss, gradient, target_gradient, partial,
        LossLoop<T>{&any_loop<T, std::remove_cvref_t<decltype(formula)>>, &formula});
  };
  const T delta = static_cast<T>(p.delta);
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
        const T sign = sign_of(d);
        return LossOf<T>{formulas::magnitude(d), sign, -sign};
      });
      break;
    case PairedLossKind::huber:
      with([delta](T a, T b) {
        const T d = a - b, size = formulas::magnitude(d);
        const bool far = size > delta;
        const T slope = far ? formulas::with_sign_of(delta, d) : d;
        return LossOf<T>{far ? delta * (size - T(0.5) * delta) : T(0.5) * d * d, slope, -slope};
      });
      break;
    case PairedLossKind::smooth_absolute:
      with([delta](T a, T b) {
        const T d = a - b, size = formulas::magnitude(d);
        const bool far = size > delta;
        const T slope = far ? sign_of(d) : d / delta;
        return LossOf<T>{far ? size - T(0.5) * delta : T(0.5) * d * slope, slope, -slope};
      });
      break;
    case PairedLossKind::hinge:
      with([delta](T a, T t) {
        const T short_of = delta - a * t;
        const bool met = short_of <= T(0);
        return LossOf<T>{met ? T(0) : short_of, met ? T(0) : -t, met ? T(0) : -a};
      });
      break;
    case PairedLossKind::squared_hinge:
      with([delta](T a, T t) {
        const T short_of = delta - a * t;
        const T missing = short_of <= T(0) ? T(0) : short_of, twice = missing + missing;
        return LossOf<T>{missing * missing, -t * twice, -a * twice};
      });
      break;
    case PairedLossKind::binary_cross_entropy:
      // Logarithms end at -100, and the slope at 1e12.
      with([](T a, T t) {
        const T log_yes = formulas::log(a), log_no = formulas::log1p(-a);
        const T yes = log_yes < T(-100) ? T(-100) : log_yes, no = log_no < T(-100) ? T(-100) : log_no;
        const T spread = (T(1) - a) * a;
        return LossOf<T>{(t - T(1)) * no - t * yes, (a - t) / (spread < T(1e-12) ? T(1e-12) : spread), no - yes};
      });
      break;
    case PairedLossKind::sigmoid_cross_entropy:
      if (positive_weight) {
        // (1 - t) x + (1 + (w - 1) t) (max(-x, 0) + log(1 + exp(-|x|)))
        with([](T a, T t, T w) {
          const T rest = formulas::log1p(formulas::exp_of_negative(-formulas::magnitude(a)));
          const T missed = (a < T(0) ? -a : T(0)) + rest;
          const T counts = T(1) + (w - T(1)) * t;
          return LossOf<T>{(T(1) - t) * a + counts * missed, counts * formulas::sigmoid(a) - w * t,
                           (w - T(1)) * missed - a};
        });
      } else {
        // max(x, 0) - x t + log(1 + exp(-|x|))
        with([](T a, T t) {
          const T positive = a < T(0) ? T(0) : a;
          const T rest = formulas::log1p(formulas::exp_of_negative(-formulas::magnitude(a)));
          return LossOf<T>{(positive - a * t) + rest, formulas::sigmoid(a) - t, -a};
        });
      }
      break;
  }
}

}  // namespace
DEFINE_KERNEL(paired_loss, FLOATING)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
