// LAMB over all parameters: Adam's step, brought to the norm of its tensor. One launch moves the moments and sums squares of
// parameters and steps, block by block; one joins the sums of each tensor; the last takes the steps.
#include "cuda/device/block_sum.cuh"
#include "cuda/device/optimizer.cuh"

namespace tilegrad::cuda {
namespace {

// Decay is no part of what the moments see, but of the step made from them.
struct LambStep {
  static constexpr int kOperands = 2;
  Lamb p;
  GradientOptions decay;

  template <typename T>
  struct Factors {
    formulas::GradientFactors<T, true> penalties;
    formulas::Moments<T> moments;
    T moment_scale;
  };

  template <typename T>
  __device__ Factors<T> factors(void* const*, double rate, int64_t now) const {
    return {formulas::gradient_factors<T, true>(decay, rate, 1.0),
            formulas::moments_at<T>(now, p.beta1, p.beta2, p.eps),
            static_cast<T>(1 / (1 - formulas::integer_power(p.beta1, now)))};
  }
};

template <typename T>
__device__ __forceinline__ T direction(const LambStep::Factors<T>& f, T x, T m, T v) {
  return formulas::lamb_direction(f.penalties, f.moments, f.moment_scale, x, m, v);
}

template <typename T>
struct LambTensor {
  T* x;
  const T* g;
  T *m, *v;
  __device__ __forceinline__ explicit LambTensor(void* const* at)
      : x(static_cast<T*>(at[0])),
        g(static_cast<const T*>(at[1])),
        m(static_cast<T*>(at[2])),
        v(static_cast<T*>(at[3])) {}
};

// sums[2 b], sums[2 b + 1]: the squares of parameters and of steps in block b's part, in double: thread t of 256 adds
// elements t, t + 256, ... in ascending order, then the threads' sums are added as a tree.
template <typename T, typename List>
__global__ void __launch_bounds__(kThreads) move_lamb_moments(const __grid_constant__ List list, StepScalars scalars,
                                                              const StepFactors<T, LambStep>* prepared, double* sums) {
  if (scalars.is_skipped()) return;
  const TensorPart part = list.part(static_cast<int>(blockIdx.x), kStepChunk);
  const StepFactors<T, LambStep> factors = prepared[part.tensor];
  const LambTensor<T> tensor(list.tensor[part.tensor].at);
  double squares[2] = {0, 0};
  for (int64_t i = part.begin + threadIdx.x; i < part.end; i += kThreads) {
    const T x = tensor.x[i];
    T m = tensor.m[i], v = tensor.v[i];
    formulas::move_moments(factors.own.moments, m, v, formulas::full_gradient(factors.gradient, x, tensor.g[i]));
    tensor.m[i] = m;
    tensor.v[i] = v;
    const double size = static_cast<double>(x), step = static_cast<double>(direction(factors.own, x, m, v));
    squares[0] += size * size;
    squares[1] += step * step;
  }
  sum_over_block<kThreads>(squares);
  if (threadIdx.x == 0) {
    sums[2 * blockIdx.x] = squares[0];
    sums[2 * blockIdx.x + 1] = squares[1];
  }
}

// The rate of each tensor: the quotient of the norms, 1 where one of them is 0, times the learning rate. A block for a
// tensor: thread t of 256 adds sums t, t + 256, ..., then a tree.
template <typename T, typename List>
__global__ void __launch_bounds__(kThreads)
    find_lamb_rates(const __grid_constant__ List list, StepScalars scalars, const double* sums, T* rates) {
  if (scalars.is_skipped()) return;
  const int t = static_cast<int>(blockIdx.x);
  double squares[2] = {0, 0};
  for (int64_t b = list.first_block[t] + static_cast<int>(threadIdx.x); b < list.first_block[t + 1]; b += kThreads) {
    squares[0] += sums[2 * b];
    squares[1] += sums[2 * b + 1];
  }
  sum_over_block<kThreads>(squares);
  if (threadIdx.x != 0) return;
  const double size = formulas::square_root(squares[0]), step = formulas::square_root(squares[1]);
  rates[t] = static_cast<T>(*scalars.rate * (size == 0 || step == 0 ? 1.0 : size / step));
}

template <typename T, typename List>
__global__ void __launch_bounds__(kThreads) take_lamb_step(const __grid_constant__ List list, StepScalars scalars,
                                                           const StepFactors<T, LambStep>* prepared, const T* rates) {
  if (scalars.is_skipped()) return;
  const TensorPart part = list.part(static_cast<int>(blockIdx.x), kStepChunk);
  const LambStep::Factors<T> f = prepared[part.tensor].own;
  const T rate = rates[part.tensor];
  const LambTensor<T> tensor(list.tensor[part.tensor].at);
  for (int64_t i = part.begin + threadIdx.x; i < part.end; i += kThreads) {
    const T x = tensor.x[i];
    tensor.x[i] = x - rate * direction(f, x, tensor.m[i], tensor.v[i]);
  }
}

template <typename T>
void lamb(const Stream& stream, const Lamb& p, OperandList operands, Workspace) {
  GradientOptions plain = p.gradient, decay = p.gradient;
  plain.weight_decay = plain.l1_decay = 0;
  decay.clip_value = __builtin_inf();
  decay.maximize = decay.decoupled = 0;
  const LambStep step{p, decay};
  for_each_list<LambStep::kOperands + 3>(operands, 2, kStepChunk, [&](const auto& list) {
    const StepFactors<T, LambStep>* const prepared = prepare<T>(stream, list, plain, step, operands);
    const unsigned blocks = static_cast<unsigned>(list.first_block[list.count]);
    if (blocks == 0) return;
    double* const sums = stream.scratch_of<double>(2 * int64_t{blocks});
    T* const rates = stream.scratch_of<T>(list.count);
    move_lamb_moments<T><<<blocks, kThreads, 0, stream.handle>>>(list, scalars_of(stream, operands), prepared, sums);
    find_lamb_rates<T><<<static_cast<unsigned>(list.count), kThreads, 0, stream.handle>>>(
        list, scalars_of(stream, operands), sums, rates);
    take_lamb_step<T><<<blocks, kThreads, 0, stream.handle>>>(list, scalars_of(stream, operands), prepared, rates);
  });
}

}  // namespace
DEFINE_KERNEL(lamb, FLOATING)
}  // namespace tilegrad::cuda
