// Every BINARY and COMPARISON line of elementwise.inc as a kernel.
#include "cpu/elementwise.h"
#include "formulas/power.h"

namespace tilegrad::cpu::TILEGRAD_ISA {

#define KERNEL(name, DTYPES, ...)
#define UNARY(name, DTYPES, formula)
#define PREDICATE(name, DTYPES, formula)
#define CAST(name, To)
#define TERNARY(name, DTYPES, formula)
#define BINARY(name, DTYPES, formula)                                                                 \
  namespace {                                                                                         \
  template <typename T>                                                                               \
  void name(const Team& team, const LoopNest<3>& nest, const T* a_data, const T* b_data, T* y_data) { \
    map(team, nest, [](T a, T b) { return T(formula); }, y_data, a_data, b_data);                     \
  }                                                                                                   \
  }                                                                                                   \
  DEFINE_KERNEL(name, DTYPES)
#define COMPARISON(name, DTYPES, formula)                                                                  \
  namespace {                                                                                              \
  template <typename T>                                                                                    \
  void name(const Team& team, const LoopNest<3>& nest, const T* a_data, const T* b_data, Bool* y_data) {   \
    map(team, nest, [](T a, T b) { return Bool{static_cast<uint8_t>(formula)}; }, y_data, a_data, b_data); \
  }                                                                                                        \
  }                                                                                                        \
  DEFINE_KERNEL(name, DTYPES)
#include "elementwise.inc"

}  // namespace tilegrad::cpu::TILEGRAD_ISA
