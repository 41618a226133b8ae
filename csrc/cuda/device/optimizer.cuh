// The launches of an optimizer's step (cpu/optimizer.h is the twin). A first kernel works out what all elements of a tensor
// share, in double, once for each tensor, and moves its step counter on; a second one takes the step.
//
// An optimizer is a struct of its options that says
//
//     kOperands, kStates           pieces of state among its operands, and how many of these are like the parameter;
//     Variants                     which of those may be there: sets of bits, as std::integer_sequence<unsigned, ...>;
//     Factors<T>, factors<T>(...)  what the elements of a tensor share, besides GradientFactors;
//     apply<kPresent>(...)         the step of one element.
//
// After a kernel has met a bad label or index nothing is written, neither parameters nor counters.
#pragma once

#include "cuda/device/elementwise.cuh"
#include "cuda/device/tensor_list.cuh"
#include "formulas/optimizer_steps.h"

namespace tilegrad::cuda {
namespace {

// Elements that a block takes: few enough that small networks are spread over the device, too.
inline constexpr int kStepChunk = 2048;

// The operands of a step: rate, clip, then for each parameter p, gradient, kOperands pieces of state, step.
struct StepScalars {
  const double *rate, *clip;
  const int* error;

  // After a bad label or index, or, under loss scaling, with gradients that are not finite.
  __device__ __forceinline__ bool is_skipped() const { return *error != 0 || (clip && clip[1] < 0); }
};

template <typename T, typename Step>
struct StepFactors {
  formulas::GradientFactors<T, true> gradient;
  typename Step::template Factors<T> own;
};

template <typename T, typename Step, typename List>
__global__ void prepare_step(const __grid_constant__ List list, StepScalars scalars, GradientOptions options, Step step,
                             StepFactors<T, Step>* prepared) {
  const int t = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (t >= list.count || scalars.is_skipped()) return;
  const auto& tensor = list.tensor[t];
  int64_t* const counter = static_cast<int64_t*>(tensor.at[Step::kOperands + 2]);
  const int64_t now = *counter + 1;
  const double rate = *scalars.rate;
  prepared[t].gradient = formulas::gradient_factors<T, true>(options, rate, scalars.clip ? scalars.clip[1] : 1.0);
  prepared[t].own = step.template factors<T>(tensor.at + 2, rate, now);
  *counter = now;
}

// A rare option costs nothing where it is not wanted.
template <bool kRare, typename T>
__device__ __forceinline__ formulas::GradientFactors<T, kRare> as_wanted(const formulas::GradientFactors<T, true>& f) {
  return {f.scale, f.weight_decay, f.shrink, f.bound, f.l1_decay, f.l1_cut};
}

// kCount elements from number `i` on. State that is not there is never touched.
template <unsigned kPresent, int kCount, typename Step, bool kRare, typename T, typename Tensor>
__device__ __forceinline__ void step_elements(const formulas::GradientFactors<T, kRare>& common,
                                              const typename Step::template Factors<T>& own, const Tensor& tensor,
                                              int64_t i) {
  using Elements = Pack<T, kCount>;
  const auto place = [&](int which) { return reinterpret_cast<Elements*>(static_cast<T*>(tensor.at[which]) + i); };
  Elements x = *place(0), states[Step::kStates];
  const Elements g = *place(1);
#pragma unroll
  for (int k = 0; k < Step::kStates; ++k) {
    if (kPresent >> k & 1) states[k] = *place(2 + k);
  }
#pragma unroll
  for (int e = 0; e < kCount; ++e) {
    T state[Step::kStates];
#pragma unroll
    for (int k = 0; k < Step::kStates; ++k) state[k] = kPresent >> k & 1 ? states[k].at[e] : T(0);
    Step::template apply<kPresent>(common, own, x.at[e], state, g.at[e]);
#pragma unroll
    for (int k = 0; k < Step::kStates; ++k) states[k].at[e] = state[k];
  }
  *place(0) = x;
#pragma unroll
  for (int k = 0; k < Step::kStates; ++k) {
    if (kPresent >> k & 1) *place(2 + k) = states[k];
  }
}

template <unsigned kPresent, typename Step, bool kRare, typename T, typename Tensor>
__device__ __forceinline__ void step_part(const formulas::GradientFactors<T, kRare>& common,
                                          const typename Step::template Factors<T>& own, const Tensor& tensor,
                                          TensorPart part) {
  constexpr int kVector = kVectorOf<T>;
  uintptr_t bits = reinterpret_cast<uintptr_t>(tensor.at[0]) | reinterpret_cast<uintptr_t>(tensor.at[1]);
#pragma unroll
  for (int k = 0; k < Step::kStates; ++k) {
    if (kPresent >> k & 1) bits |= reinterpret_cast<uintptr_t>(tensor.at[2 + k]);
  }
  if (bits % 16 != 0) {
    for (int64_t i = part.begin + threadIdx.x; i < part.end; i += kThreads) {
      step_elements<kPresent, 1, Step>(common, own, tensor, i);
    }
    return;
  }
  for (int64_t i = part.begin + kVector * threadIdx.x; i < part.end; i += kVector * kThreads) {
    if (i + kVector <= part.end) {
      step_elements<kPresent, kVector, Step>(common, own, tensor, i);
    } else {
      for (int64_t k = i; k < part.end; ++k) step_elements<kPresent, 1, Step>(common, own, tensor, k);
    }
  }
}

template <typename Step, bool kRare, typename T, typename Tensor, unsigned... kVariant>
__device__ __forceinline__ void step_variant(std::integer_sequence<unsigned, kVariant...>, unsigned present,
                                             const formulas::GradientFactors<T, kRare>& common,
                                             const typename Step::template Factors<T>& own, const Tensor& tensor,
                                             TensorPart part) {
  ((present == kVariant ? step_part<kVariant, Step>(common, own, tensor, part) : void()), ...);
}

template <bool kRare, typename T, typename Step, typename List>
__global__ void __launch_bounds__(kThreads)
    take_step(const __grid_constant__ List list, StepScalars scalars, const StepFactors<T, Step>* prepared) {
  if (scalars.is_skipped()) return;
  const TensorPart part = list.part(static_cast<int>(blockIdx.x), kStepChunk);
  const auto& tensor = list.tensor[part.tensor];
  unsigned present = 0;
#pragma unroll
  for (int k = 0; k < Step::kStates; ++k) present |= (tensor.at[2 + k] ? 1u : 0u) << k;
  const StepFactors<T, Step> factors = prepared[part.tensor];
  step_variant<Step, kRare>(typename Step::Variants{}, present, as_wanted<kRare>(factors.gradient), factors.own, tensor,
                            part);
}

inline StepScalars scalars_of(const Stream& stream, OperandList operands) {
  return {static_cast<const double*>(operands.data[0]), static_cast<const double*>(operands.data[1]), stream.error};
}

template <typename T, typename Step, typename List>
StepFactors<T, Step>* prepare(const Stream& stream, const List& list, const GradientOptions& options, const Step& step,
                              OperandList operands) {
  constexpr int kSmall = 32;  // a thread for each tensor, spread over multiprocessors: it is all latency
  auto* const prepared = stream.scratch_of<StepFactors<T, Step>>(list.count);
  prepare_step<T><<<blocks_for(list.count, 1, kSmall), kSmall, 0, stream.handle>>>(list, scalars_of(stream, operands),
                                                                                   options, step, prepared);
  return prepared;
}

inline bool has_rare(const GradientOptions& options) {
  return options.l1_decay != 0 || options.clip_value < __builtin_inf();
}

template <typename T, typename Step>
void run_steps(const Stream& stream, const GradientOptions& options, const Step& step, OperandList operands) {
  for_each_list<Step::kOperands + 3>(operands, 2, kStepChunk, [&](const auto& list) {
    const StepFactors<T, Step>* const prepared = prepare<T>(stream, list, options, step, operands);
    const unsigned blocks = static_cast<unsigned>(list.first_block[list.count]);
    if (blocks == 0) return;
    if (has_rare(options)) {
      take_step<true, T><<<blocks, kThreads, 0, stream.handle>>>(list, scalars_of(stream, operands), prepared);
    } else {
      take_step<false, T><<<blocks, kThreads, 0, stream.handle>>>(list, scalars_of(stream, operands), prepared);
    }
  });
}

}  // namespace
}  // namespace tilegrad::cuda
