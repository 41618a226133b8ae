// Every BINARY and COMPARISON line of elementwise.inc as a kernel.
#include "cuda/device/elementwise.cuh"
#include "formulas/activation.h"
#include "formulas/arithmetic.h"
#include "formulas/error_function.h"
#include "formulas/exponential.h"
#include "formulas/logarithm.h"
#include "formulas/power.h"

namespace tilegrad::cuda {

#define KERNEL(name, DTYPES, ...)
#define UNARY(name, DTYPES, formula)
#define PREDICATE(name, DTYPES, formula)
#define CAST(name, To)
#define TERNARY(name, DTYPES, formula)
#define BINARY(name, DTYPES, formula)                                                      \
  namespace {                                                                              \
  struct name##_formula {                                                                  \
    template <typename T>                                                                  \
    __device__ __forceinline__ T operator()(T a, T b) const {                              \
      return T(formula);                                                                   \
    }                                                                                      \
  };                                                                                       \
  template <typename T>                                                                    \
  void name(const Stream& stream, const LoopNest<3>& nest, const T* a, const T* b, T* y) { \
    map(stream, nest, name##_formula{}, y, a, b);                                          \
  }                                                                                        \
  }                                                                                        \
  DEFINE_KERNEL(name, DTYPES, BFloat16, Float16)
#define COMPARISON(name, DTYPES, formula)                                                     \
  namespace {                                                                                 \
  struct name##_formula {                                                                     \
    template <typename T>                                                                     \
    __device__ __forceinline__ Bool operator()(T a, T b) const {                              \
      return Bool{static_cast<uint8_t>(formula)};                                             \
    }                                                                                         \
  };                                                                                          \
  template <typename T>                                                                       \
  void name(const Stream& stream, const LoopNest<3>& nest, const T* a, const T* b, Bool* y) { \
    map(stream, nest, name##_formula{}, y, a, b);                                             \
  }                                                                                           \
  }                                                                                           \
  DEFINE_KERNEL(name, DTYPES, BFloat16, Float16)
#include "elementwise.inc"

}  // namespace tilegrad::cuda
