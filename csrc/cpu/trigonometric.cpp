// sin and cos: fast where the argument is reduced by a few multiplications, exact elsewhere too.
#include "formulas/trigonometric.h"
#include "cpu/elementwise.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// An object, not a function: a pointer to one would be called for every element.
inline constexpr auto is_within = [](auto x) {
  return formulas::magnitude(x) <= formulas::kTrigonometricLimit<decltype(x)>;
};

template <typename T>
void sin(const Team& team, const LoopNest<2>& nest, const T* x, T* y) {
  map_with_exceptions(
      team, nest, is_within, [](T v) { return formulas::sin_within(v); }, [](T v) { return formulas::sin_beyond(v); },
      y, x);
}

template <typename T>
void cos(const Team& team, const LoopNest<2>& nest, const T* x, T* y) {
  map_with_exceptions(
      team, nest, is_within, [](T v) { return formulas::cos_within(v); }, [](T v) { return formulas::cos_beyond(v); },
      y, x);
}

}  // namespace
DEFINE_KERNEL(sin, FLOATING)
DEFINE_KERNEL(cos, FLOATING)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
