// Every CAST line of elementwise.inc as a kernel.
#include "cuda/device/elementwise.cuh"

namespace tilegrad::cuda {

#define KERNEL(name, DTYPES, ...)
#define UNARY(name, DTYPES, formula)
#define PREDICATE(name, DTYPES, formula)
#define BINARY(name, DTYPES, formula)
#define COMPARISON(name, DTYPES, formula)
#define TERNARY(name, DTYPES, formula)
#define CAST(name, To)                                                          \
  namespace {                                                                   \
  struct name##_formula {                                                       \
    template <typename T>                                                       \
    __device__ __forceinline__ To operator()(T x) const {                       \
      return formulas::cast<To>(x);                                             \
    }                                                                           \
  };                                                                            \
  template <typename T>                                                         \
  void name(const Stream& stream, const LoopNest<2>& nest, const T* x, To* y) { \
    map(stream, nest, name##_formula{}, y, x);                                  \
  }                                                                             \
  }                                                                             \
  DEFINE_KERNEL(name, ALL)
#include "elementwise.inc"

}  // namespace tilegrad::cuda
