// Every TERNARY line of elementwise.inc as a kernel, and the selections of three and more operands.
#include "cuda/device/elementwise.cuh"
#include "formulas/activation.h"
#include "formulas/arithmetic.h"
#include "formulas/error_function.h"
#include "formulas/exponential.h"
#include "formulas/logarithm.h"
#include "formulas/power.h"

namespace tilegrad::cuda {
namespace {

// Selections move elements as they are.
struct where_formula {
  template <typename T>
  __device__ __forceinline__ T operator()(Bool condition, T if_true, T if_false) const {
    return condition.value ? if_true : if_false;
  }
};
template <typename T>
void where(const Stream& stream, const LoopNest<4>& nest, const Bool* condition, const T* a, const T* b, T* y) {
  map(stream, nest, where_formula{}, y, condition, a, b);
}

struct clip_formula {
  template <typename T>
  __device__ __forceinline__ T operator()(T x, T low, T high) const {
    return formulas::clip(x, low, high);
  }
};
template <typename T>
void clip(const Stream& stream, const LoopNest<4>& nest, const T* x, const T* low, const T* high, T* y) {
  map(stream, nest, clip_formula{}, y, x, low, high);
}

struct clip_backward_formula {
  template <typename T>
  __device__ __forceinline__ T operator()(T g, T x, T low, T high) const {
    return formulas::clip_backward(g, x, low, high);
  }
};
template <typename T>
void clip_backward(const Stream& stream, const LoopNest<5>& nest, const T* g, const T* x, const T* low, const T* high,
                   T* y) {
  map(stream, nest, clip_backward_formula{}, y, g, x, low, high);
}

}  // namespace
DEFINE_KERNEL(where, ALL)
DEFINE_KERNEL(clip, COMPARABLE, BFloat16, Float16)
DEFINE_KERNEL(clip_backward, FLOATING, BFloat16, Float16)

#define KERNEL(name, DTYPES, ...)
#define UNARY(name, DTYPES, formula)
#define PREDICATE(name, DTYPES, formula)
#define CAST(name, To)
#define BINARY(name, DTYPES, formula)
#define COMPARISON(name, DTYPES, formula)
#define TERNARY(name, DTYPES, formula)                                                                 \
  namespace {                                                                                          \
  struct name##_formula {                                                                              \
    template <typename T>                                                                              \
    __device__ __forceinline__ T operator()(T a, T b, T c) const {                                     \
      return T(formula);                                                                               \
    }                                                                                                  \
  };                                                                                                   \
  template <typename T>                                                                                \
  void name(const Stream& stream, const LoopNest<4>& nest, const T* a, const T* b, const T* c, T* y) { \
    map(stream, nest, name##_formula{}, y, a, b, c);                                                   \
  }                                                                                                    \
  }                                                                                                    \
  DEFINE_KERNEL(name, DTYPES, BFloat16, Float16)
#include "elementwise.inc"

}  // namespace tilegrad::cuda
