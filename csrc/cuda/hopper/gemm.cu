#include "cuda/device/bulk_product.cuh"
#include "cuda/device/choose_warpgroup_tile.cuh"
#include "cuda/device/product.cuh"
#include "cuda/hopper/contractions.h"

namespace tilegrad::cuda::hopper {

template <typename T>
void gemm(const Stream& stream, const Gemm& g, const T* a, const T* b, const T* bias, T* c) {
  with_product(g, a, b, bias, c, [&]<typename Problem>(const Problem& problem) {
    if constexpr (Problem::kWide) {
      if (is_large(problem)) return multiply_large(stream, problem);
      run_on_warpgroups(stream, problem);
    }
  });
}

template void gemm(const Stream&, const Gemm&, const BFloat16*, const BFloat16*, const BFloat16*, BFloat16*);
template void gemm(const Stream&, const Gemm&, const Float16*, const Float16*, const Float16*, Float16*);

}  // namespace tilegrad::cuda::hopper
