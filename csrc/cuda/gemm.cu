// The matrix product.
#include "cuda/device/product.cuh"
#include "cuda/hopper/contractions.h"

namespace tilegrad::cuda {
namespace {

template <typename T>
void gemm(const Stream& stream, const Gemm& g, const T* a, const T* b, const T* bias, T* c, Workspace) {
  with_product(g, a, b, bias, c, [&](const auto& problem) {
    run_contraction(stream, problem, wide_operands(g, a, b), [&] { hopper::gemm(stream, g, a, b, bias, c); });
  });
}

}  // namespace
DEFINE_KERNEL(gemm, FLOATING, BFloat16, Float16)
}  // namespace tilegrad::cuda
