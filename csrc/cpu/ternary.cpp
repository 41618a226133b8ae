// Every TERNARY line of elementwise.inc as a kernel, and the selections of three and more operands.
#include "cpu/elementwise.h"
#include "formulas/power.h"

namespace tilegrad::cpu::TILEGRAD_ISA {

namespace {

template <typename T>
void where(const Team& team, const LoopNest<4>& nest, const Bool* condition, const T* a, const T* b, T* y) {
  map(team, nest, [](Bool c, T if_true, T if_false) { return c.value ? if_true : if_false; }, y, condition, a, b);
}

template <typename T>
void clip(const Team& team, const LoopNest<4>& nest, const T* x, const T* low, const T* high, T* y) {
  map(team, nest, [](T v, T l, T h) { return formulas::clip(v, l, h); }, y, x, low, high);
}

template <typename T>
void clip_backward(const Team& team, const LoopNest<5>& nest, const T* g, const T* x, const T* low, const T* high,
                   T* y) {
  map(team, nest, [](T g_, T x_, T l, T h) { return formulas::clip_backward(g_, x_, l, h); }, y, g, x, low, high);
}

}  // namespace
DEFINE_KERNEL(where, ALL)
DEFINE_KERNEL(clip, COMPARABLE)
DEFINE_KERNEL(clip_backward, FLOATING)

#define KERNEL(name, DTYPES, ...)
#define UNARY(name, DTYPES, formula)
#define PREDICATE(name, DTYPES, formula)
#define CAST(name, To)
#define BINARY(name, DTYPES, formula)
#define COMPARISON(name, DTYPES, formula)
#define TERNARY(name, DTYPES, formula)                                                                                 \
  namespace {                                                                                                          \
  template <typename T>                                                                                                \
  void name(const Team& team, const LoopNest<4>& nest, const T* a_data, const T* b_data, const T* c_data, T* y_data) { \
    map(team, nest, [](T a, T b, T c) { return T(formula); }, y_data, a_data, b_data, c_data);                         \
  }                                                                                                                    \
  }                                                                                                                    \
  DEFINE_KERNEL(name, DTYPES)
#include "elementwise.inc"

}  // namespace tilegrad::cpu::TILEGRAD_ISA
