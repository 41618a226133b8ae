// sin and cos: fast where the argument is reduced by a few multiplications, exact elsewhere too.
#include "formulas/trigonometric.h"
#include "cpu/elementwise.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// The formula `within` of every element, which vectorises, and then `beyond` of the few that it is not good for.
template <typename T, typename Within, typename Beyond>
TILEGRAD_INLINE void map_with_exceptions(const Team& team, const LoopNest<2>& nest, Within within, Beyond beyond, T* y,
                                         const T* x) {
  for_each_block(
      team, nest,
      [&](int64_t count, T* out, const T* in) {
        T kept[kBlock];  // the output may be the input
        for (int64_t first = 0; first < count; first += kBlock) {
          const int64_t n = smaller(count - first, kBlock);
          bool all_within = true;
          for (int64_t i = 0; i < n; ++i) {
            kept[i] = in[first + i];
            all_within &= formulas::magnitude(kept[i]) <= formulas::kTrigonometricLimit<T>;
          }
#pragma omp simd
          for (int64_t i = 0; i < n; ++i) out[first + i] = within(kept[i]);
          if (all_within) continue;
          for (int64_t i = 0; i < n; ++i) {
            if (!(formulas::magnitude(kept[i]) <= formulas::kTrigonometricLimit<T>)) out[first + i] = beyond(kept[i]);
          }
        }
      },
      y, x);
}

template <typename T>
void sin(const Team& team, const LoopNest<2>& nest, const T* x, T* y) {
  map_with_exceptions(
      team, nest, [](T v) { return formulas::sin_within(v); }, [](T v) { return formulas::sin_beyond(v); }, y, x);
}

template <typename T>
void cos(const Team& team, const LoopNest<2>& nest, const T* x, T* y) {
  map_with_exceptions(
      team, nest, [](T v) { return formulas::cos_within(v); }, [](T v) { return formulas::cos_beyond(v); }, y, x);
}

}  // namespace
DEFINE_KERNEL(sin, FLOATING)
DEFINE_KERNEL(cos, FLOATING)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
