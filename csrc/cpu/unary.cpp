// Every UNARY line of kernels.inc as a kernel.
#include "cpu/elementwise.h"

namespace tilegrad::cpu::TILEGRAD_ISA {

#define KERNEL(name, DTYPES, ...)
#define BINARY(name, DTYPES, formula)
#define UNARY(name, DTYPES, formula)                                               \
  namespace {                                                                      \
  template <typename T>                                                            \
  void name(const Team& team, const LoopNest<2>& nest, const T* x_data, T* y_data) { \
    map_unary(team, nest, x_data, y_data, [](T x) { return T(formula); });         \
  }                                                                                \
  }                                                                                \
  DEFINE_KERNEL(name, DTYPES)
#include "kernels.inc"

}  // namespace tilegrad::cpu::TILEGRAD_ISA
