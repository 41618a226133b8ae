// Copies between strided layouts, and fills.
#include "cpu/elementwise.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

template <typename T>
void copy(const Team& team, const LoopNest<2>& nest, const T* x, T* y) {
  map_unary(team, nest, x, y, [](T value) { return value; });
}

// The value is an operand with strides of 0.
template <typename T>
void fill(const Team& team, const LoopNest<2>& nest, const T* value, T* y) {
  map_unary(team, nest, value, y, [](T v) { return v; });
}

}  // namespace
DEFINE_KERNEL(copy, ALL)
DEFINE_KERNEL(fill, ALL)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
