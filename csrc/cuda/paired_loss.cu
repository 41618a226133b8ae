// Losses of elements against targets of the same shape: the losses and, in the same pass, their gradients.
#include "cuda/device/folds.cuh"
#include "cuda/device/last_block.cuh"
#include "formulas/activation.h"
#include "params/loss.h"

namespace tilegrad::cuda {
namespace {

// A loss and its derivatives by x and by the target.
template <typename T>
struct LossOf {
  T loss, by_x, by_target;
};

template <typename T>
__device__ __forceinline__ T sign_of(T d) {
  return d > T(0) ? T(1) : d < T(0) ? T(-1) : d;  // 0, and NaN, as they are
}

template <typename T>
struct Squared {
  __device__ __forceinline__ LossOf<T> operator()(T a, T b, T) const {
    const T d = a - b;
    return {d * d, d + d, -(d + d)};
  }
};
template <typename T>
struct Absolute {
  __device__ __forceinline__ LossOf<T> operator()(T a, T b, T) const {
    const T d = a - b;
    const T sign = sign_of(d);
    return {formulas::magnitude(d), sign, -sign};
  }
};
// Where d = x - target lies: beyond delta a loss is a line.
template <typename T>
struct Huber {
  T delta;
  __device__ __forceinline__ LossOf<T> operator()(T a, T b, T) const {
    const T d = a - b, size = formulas::magnitude(d);
    const bool far = size > delta;
    const T slope = far ? formulas::with_sign_of(delta, d) : d;
    return {far ? delta * (size - T(0.5) * delta) : T(0.5) * d * d, slope, -slope};
  }
};
template <typename T>
struct SmoothAbsolute {
  T delta;
  __device__ __forceinline__ LossOf<T> operator()(T a, T b, T) const {
    const T d = a - b, size = formulas::magnitude(d);
    const bool far = size > delta;
    const T slope = far ? sign_of(d) : d / delta;
    return {far ? size - T(0.5) * delta : T(0.5) * d * slope, slope, -slope};
  }
};
template <typename T>
struct Hinge {
  T delta;
  __device__ __forceinline__ LossOf<T> operator()(T a, T t, T) const {
    const T short_of = delta - a * t;
    const bool met = short_of <= T(0);
    return {met ? T(0) : short_of, met ? T(0) : -t, met ? T(0) : -a};
  }
};
template <typename T>
struct SquaredHinge {
  T delta;
  __device__ __forceinline__ LossOf<T> operator()(T a, T t, T) const {
    const T short_of = delta - a * t;
    const T missing = short_of <= T(0) ? T(0) : short_of, twice = missing + missing;
    return {missing * missing, -t * twice, -a * twice};
  }
};
// Logarithms end at -100, and the slope at 1e12.
template <typename T>
struct BinaryCrossEntropy {
  __device__ __forceinline__ LossOf<T> operator()(T a, T t, T) const {
    const T log_yes = formulas::log(a), log_no = formulas::log1p(-a);
    const T yes = log_yes < T(-100) ? T(-100) : log_yes, no = log_no < T(-100) ? T(-100) : log_no;
    const T spread = (T(1) - a) * a;
    return {(t - T(1)) * no - t * yes, (a - t) / (spread < T(1e-12) ? T(1e-12) : spread), no - yes};
  }
};
// max(x, 0) - x t + log(1 + exp(-|x|))
template <typename T>
struct SigmoidCrossEntropy {
  __device__ __forceinline__ LossOf<T> operator()(T a, T t, T) const {
    const T positive = a < T(0) ? T(0) : a;
    const T rest = formulas::log1p(formulas::exp(-formulas::magnitude(a)));
    return {(positive - a * t) + rest, formulas::sigmoid(a) - t, -a};
  }
};
// (1 - t) x + (1 + (w - 1) t) (max(-x, 0) + log(1 + exp(-|x|))) with the positive weight w.
template <typename T>
struct WeightedCrossEntropy {
  __device__ __forceinline__ LossOf<T> operator()(T a, T t, T w) const {
    const T rest = formulas::log1p(formulas::exp(-formulas::magnitude(a)));
    const T missed = (a < T(0) ? -a : T(0)) + rest;
    const T counts = T(1) + (w - T(1)) * t;
    return {(T(1) - t) * a + counts * missed, counts * formulas::sigmoid(a) - w * t, (w - T(1)) * missed - a};
  }
};

template <typename T>
struct Operands {
  const T *x, *target, *weight, *positive_weight;
  T *loss, *gradient, *target_gradient, *parts;
};

__device__ unsigned arrivals;

// A block takes a chunk; where the losses are reduced its first team then makes the chunk's sum, and, if it is to `join`, the
// last block's first team the sum of the chunks.
template <typename T, typename Formula>
__global__ void __launch_bounds__(kThreads)
    paired_losses(PairedLoss p, Formula formula, Operands<T> to, SumFold<T> fold, bool joins) {
  __shared__ T losses[kSumChunk];
  const T scale = p.reduction == LossReduction::mean ? static_cast<T>(1.0 / static_cast<double>(p.numel)) : T(1);
  const int64_t chunks = ceil_div(p.numel, kSumChunk);
  for (int64_t chunk = blockIdx.x; chunk < chunks; chunk += gridDim.x) {
    const int64_t begin = chunk * kSumChunk;
    const int count = static_cast<int>(smaller<int64_t>(kSumChunk, p.numel - begin));
    // All is loaded before anything is stored, as a store might change what is loaded after it.
    constexpr int kEach = kSumChunk / kThreads;
    T x[kEach], target[kEach];
#pragma unroll
    for (int k = 0; k < kEach; ++k) {
      const int i = k * kThreads + static_cast<int>(threadIdx.x);
      x[k] = i < count ? to.x[begin + i] : T(0);
      target[k] = i < count ? to.target[begin + i] : T(0);
    }
    // Not unrolled, as formulas are long: the first is next, and the others move up.
#pragma unroll 1
    for (int k = 0; k < kEach; ++k) {
      const int i = k * kThreads + static_cast<int>(threadIdx.x);
      if (i >= count) break;
      const int64_t at = begin + i;
      const T positive = to.positive_weight ? to.positive_weight[at % p.positive_weights] : T(1);
      LossOf<T> one = formula(x[0], target[0], positive);
#pragma unroll
      for (int next = 1; next < kEach; ++next) x[next - 1] = x[next], target[next - 1] = target[next];
      one.by_x *= scale;
      one.by_target *= scale;
      if (to.weight) {
        const T w = to.weight[at % p.weights];
        one.loss *= w;
        one.by_x *= w;
        one.by_target *= w;
      }
      if (to.gradient) to.gradient[at] = one.by_x;
      if (to.target_gradient) to.target_gradient[at] = one.by_target;
      if (p.reduction == LossReduction::none) {
        to.loss[at] = one.loss;
      } else {
        losses[i] = one.loss;
      }
    }
    if (p.reduction == LossReduction::none) continue;
    __syncthreads();
    if (threadIdx.x < kLanes) {
      const T sum = sum_chunk<T>(count, [&](int i) { return losses[i]; });
      if (threadIdx.x == 0) to.parts[chunk] = sum;
    }
    __syncthreads();
  }
  if (!joins || !is_last_block(&arrivals, gridDim.x) || threadIdx.x >= kLanes) return;
  SumTotal<T> mine;
#pragma unroll 4
  for (int64_t b = team_lane(); b < chunks; b += kLanes) mine.add(fresh(to.parts + b));
  const SumTotal<T> total = join_accumulators(mine);
  if (threadIdx.x == 0) fold.finish(0, total);
}

template <typename T>
void paired_loss(const Stream& stream, const PairedLoss& p, const T* x, const T* target, const T* weight,
                 const T* positive_weight, T* loss, T* gradient, T* target_gradient, Workspace) {
  const int64_t chunks = ceil_div(p.numel, kSumChunk);
  T* const parts = p.reduction == LossReduction::none ? nullptr : stream.scratch_of<T>(larger<int64_t>(chunks, 1));
  const Operands<T> operands{x, target, weight, positive_weight, loss, gradient, target_gradient, parts};
  const SumFold<T> fold{loss, p.reduction == LossReduction::mean ? static_cast<double>(p.numel) : 1.0};
  const bool reduces = p.reduction != LossReduction::none, joins = reduces && chunks > 0 && chunks <= kManyChunks;
  const auto with = [&](auto formula) {
    if (chunks == 0) return;
    paired_losses<<<blocks_for(chunks, 1, 1), kThreads, 0, stream.handle>>>(p, formula, operands, fold, joins);
  };
  const T delta = static_cast<T>(p.delta);
  switch (p.kind) {
    case PairedLossKind::squared:
      with(Squared<T>{});
      break;
    case PairedLossKind::absolute:
      with(Absolute<T>{});
      break;
    case PairedLossKind::huber:
      with(Huber<T>{delta});
      break;
    case PairedLossKind::smooth_absolute:
      with(SmoothAbsolute<T>{delta});
      break;
    case PairedLossKind::hinge:
      with(Hinge<T>{delta});
      break;
    case PairedLossKind::squared_hinge:
      with(SquaredHinge<T>{delta});
      break;
    case PairedLossKind::binary_cross_entropy:
      with(BinaryCrossEntropy<T>{});
      break;
    case PairedLossKind::sigmoid_cross_entropy:
      if (positive_weight) {
        with(WeightedCrossEntropy<T>{});
      } else {
        with(SigmoidCrossEntropy<T>{});
      }
      break;
  }
  if (reduces && !joins) join_parts(stream, 1, chunks, parts, fold);
}

}  // namespace
DEFINE_KERNEL(paired_loss, FLOATING)
}  // namespace tilegrad::cuda
