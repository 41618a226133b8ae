// Every UNARY and PREDICATE line of elementwise.inc as a kernel.
#include "cpu/elementwise.h"

namespace tilegrad::cpu::TILEGRAD_ISA {

#define KERNEL(name, DTYPES, ...)
#define CAST(name, To)
#define BINARY(name, DTYPES, formula)
#define COMPARISON(name, DTYPES, formula)
#define TERNARY(name, DTYPES, formula)
#define UNARY(name, DTYPES, formula)                                                 \
  namespace {                                                                        \
  template <typename T>                                                              \
  void name(const Team& team, const LoopNest<2>& nest, const T* x_data, T* y_data) { \
    map(team, nest, [](T x) { return T(formula); }, y_data, x_data);                 \
  }                                                                                  \
  }                                                                                  \
  DEFINE_KERNEL(name, DTYPES)
#define PREDICATE(name, DTYPES, formula)                                                      \
  namespace {                                                                                 \
  template <typename T>                                                                       \
  void name(const Team& team, const LoopNest<2>& nest, const T* x_data, Bool* y_data) {       \
    map(team, nest, [](T x) { return Bool{static_cast<uint8_t>(formula)}; }, y_data, x_data); \
  }                                                                                           \
  }                                                                                           \
  DEFINE_KERNEL(name, DTYPES)
#include "elementwise.inc"

}  // namespace tilegrad::cpu::TILEGRAD_ISA
