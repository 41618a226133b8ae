// The fused multiply-add by itself.
#include "cuda/device/elementwise.cuh"
#include "formulas/fma.h"

namespace tilegrad::cuda {
namespace {

struct fma_formula {
  template <typename T>
  __device__ __forceinline__ T operator()(T a, T b, T c) const {
    return formulas::fma(a, b, c);
  }
};
template <typename T>
void fused_multiply_add(const Stream& stream, const LoopNest<4>& nest, const T* a, const T* b, const T* c, T* y) {
  map(stream, nest, fma_formula{}, y, a, b, c);
}

}  // namespace
DEFINE_KERNEL(fused_multiply_add, FLOATING)
}  // namespace tilegrad::cuda
