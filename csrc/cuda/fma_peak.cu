// Fused multiply-adds between registers and nothing else: the peak that other kernels are measured against.
#include "cuda/device/numbers.cuh"
#include "cuda/kernel.cuh"
#include "formulas/fma.h"
#include "params/fma_peak.h"

namespace tilegrad::cuda {
namespace {

inline constexpr int kChains = 16;  // enough to hide the latency of the units with 8 warps of each scheduler

template <typename T>
__global__ void __launch_bounds__(kThreads) chains(int64_t rounds, T factor, T addend, T* sums) {
  T chain[kChains];
#pragma unroll
  for (int i = 0; i < kChains; ++i) chain[i] = T(i) + static_cast<T>(threadIdx.x);
  for (int64_t r = 0; r < rounds; ++r) {
#pragma unroll
    for (int i = 0; i < kChains; ++i) chain[i] = formulas::fma(chain[i], factor, addend);
  }
  T sum = 0;
#pragma unroll
  for (int i = 0; i < kChains; ++i) sum = sum + chain[i];
  // All threads' chains end near the same number; one that does not (NaN) keeps the others from being left out.
  if ((blockIdx.x == 0 && threadIdx.x == 0) || sum != sum) sums[0] = sum;
}

// The device as a whole is the one member that runs the multiply-adds.
template <typename T>
void fma_peak(const Stream& stream, const FmaPeak& params, T* sums) {
  const int64_t blocks = int64_t{stream.multiprocessors} * 8;
  const int64_t rounds = ceil_div(params.multiply_adds, blocks * kThreads * kChains);
  chains<T><<<static_cast<unsigned>(blocks), kThreads, 0, stream.handle>>>(rounds, T(0.5), T(1), sums);
}

}  // namespace
DEFINE_KERNEL(fma_peak, FLOATING)
}  // namespace tilegrad::cuda
