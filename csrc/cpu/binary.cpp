// Every BINARY line of kernels.inc as a kernel.
#include "cpu/elementwise.h"

namespace tilegrad::cpu::TILEGRAD_ISA {

#define KERNEL(name, DTYPES, ...)
#define UNARY(name, DTYPES, formula)
#define BINARY(name, DTYPES, formula)                                                               \
  namespace {                                                                                       \
  template <typename T>                                                                             \
  void name(const Team& team, const LoopNest<3>& nest, const T* a_data, const T* b_data, T* y_data) { \
    map_binary(team, nest, a_data, b_data, y_data, [](T a, T b) { return T(formula); });            \
  }                                                                                                 \
  }                                                                                                 \
  DEFINE_KERNEL(name, DTYPES)
#include "kernels.inc"

}  // namespace tilegrad::cpu::TILEGRAD_ISA
