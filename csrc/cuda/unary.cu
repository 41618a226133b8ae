// Every UNARY and PREDICATE line of elementwise.inc as a kernel.
#include "cuda/device/elementwise.cuh"
#include "formulas/activation.h"
#include "formulas/arithmetic.h"
#include "formulas/error_function.h"
#include "formulas/exponential.h"
#include "formulas/logarithm.h"

namespace tilegrad::cuda {

#define KERNEL(name, DTYPES, ...)
#define CAST(name, To)
#define BINARY(name, DTYPES, formula)
#define COMPARISON(name, DTYPES, formula)
#define TERNARY(name, DTYPES, formula)
#define UNARY(name, DTYPES, formula)                                           \
  namespace {                                                                  \
  struct name##_formula {                                                      \
    template <typename T>                                                      \
    __device__ __forceinline__ T operator()(T x) const {                       \
      return T(formula);                                                       \
    }                                                                          \
  };                                                                           \
  template <typename T>                                                        \
  void name(const Stream& stream, const LoopNest<2>& nest, const T* x, T* y) { \
    map(stream, nest, name##_formula{}, y, x);                                 \
  }                                                                            \
  }                                                                            \
  DEFINE_KERNEL(name, DTYPES, BFloat16, Float16)
#define PREDICATE(name, DTYPES, formula)                                          \
  namespace {                                                                     \
  struct name##_formula {                                                         \
    template <typename T>                                                         \
    __device__ __forceinline__ Bool operator()(T x) const {                       \
      return Bool{static_cast<uint8_t>(formula)};                                 \
    }                                                                             \
  };                                                                              \
  template <typename T>                                                           \
  void name(const Stream& stream, const LoopNest<2>& nest, const T* x, Bool* y) { \
    map(stream, nest, name##_formula{}, y, x);                                    \
  }                                                                               \
  }                                                                               \
  DEFINE_KERNEL(name, DTYPES, BFloat16, Float16)
#include "elementwise.inc"

}  // namespace tilegrad::cuda
