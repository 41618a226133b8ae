// Every CAST line of elementwise.inc as a kernel.
#include "formulas/cast.h"
#include "cpu/elementwise.h"

namespace tilegrad::cpu::TILEGRAD_ISA {

#define KERNEL(name, DTYPES, ...)
#define UNARY(name, DTYPES, formula)
#define PREDICATE(name, DTYPES, formula)
#define BINARY(name, DTYPES, formula)
#define COMPARISON(name, DTYPES, formula)
#define TERNARY(name, DTYPES, formula)
#define CAST(name, To)                                                                \
  namespace {                                                                         \
  template <typename T>                                                               \
  void name(const Team& team, const LoopNest<2>& nest, const T* x_data, To* y_data) { \
    map(team, nest, [](T x) { return formulas::cast<To>(x); }, y_data, x_data);       \
  }                                                                                   \
  }                                                                                   \
  DEFINE_KERNEL(name, ALL)
#include "elementwise.inc"

}  // namespace tilegrad::cpu::TILEGRAD_ISA
