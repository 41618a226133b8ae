// Fused multiply-adds between registers and nothing else: the peak that other kernels are measured against.
#include "params/fma_peak.h"
#include "cpu/vec.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

template <typename T>
void fma_peak(const Team& team, const FmaPeak& params, T* sums) {
  constexpr int kChains = kVectorRegisters == 32 ? 24 : 12;  // enough to hide the latency of two units
  Vec<T> chain[kChains];
#pragma GCC unroll 32
  for (int i = 0; i < kChains; ++i) chain[i] = broadcast(T(i));
  Vec<T> factor = broadcast(T(0.5)), addend = broadcast(T(1));
  asm volatile("" : "+m"(factor), "+m"(addend));  // values that the compiler cannot know
  const int64_t rounds = ceil_div(params.multiply_adds, kChains * kLanes<T>);
  for (int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 32
    for (int i = 0; i < kChains; ++i) chain[i] = fma_lanes(chain[i], factor, addend);
  }
  T sum = 0;
  for (int i = 0; i < kChains; ++i) sum = sum + chain[i][0];
  sums[team.rank] = sum;
}

}  // namespace
DEFINE_KERNEL(fma_peak, FLOATING)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
