// sin and cos: fast where the argument is reduced by a few multiplications, exact elsewhere too.
#include "cuda/device/elementwise.cuh"
#include "formulas/trigonometric.h"

namespace tilegrad::cuda {
namespace {

struct sin_formula {
  template <typename T>
  __device__ T operator()(T x) const {
    return formulas::magnitude(x) <= formulas::kTrigonometricLimit<T> ? formulas::sin_within(x)
                                                                      : formulas::sin_beyond(x);
  }
};
template <typename T>
void sin(const Stream& stream, const LoopNest<2>& nest, const T* x, T* y) {
  map(stream, nest, sin_formula{}, y, x);
}

struct cos_formula {
  template <typename T>
  __device__ T operator()(T x) const {
    return formulas::magnitude(x) <= formulas::kTrigonometricLimit<T> ? formulas::cos_within(x)
                                                                      : formulas::cos_beyond(x);
  }
};
template <typename T>
void cos(const Stream& stream, const LoopNest<2>& nest, const T* x, T* y) {
  map(stream, nest, cos_formula{}, y, x);
}

}  // namespace
DEFINE_KERNEL(sin, FLOATING)
DEFINE_KERNEL(cos, FLOATING)
}  // namespace tilegrad::cuda
