// Hopper's bulk copies (sm_90): one thread has a tile of a matrix copied into shared memory, swizzled on the way, and a
// barrier in shared memory tells when all of its bytes are there.
#pragma once

#include <cuda.h>

#include "cuda/device/mma.cuh"
#include "cuda/runtime.h"

namespace tilegrad::cuda {
namespace {

__device__ __forceinline__ void barrier_init(uint64_t* barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;\n" ::"r"(shared_address(barrier)), "r"(arrivals) : "memory");
}
// What was initialised can be seen by the copies.
__device__ __forceinline__ void fence_barriers() {
  asm volatile("fence.mbarrier_init.release.cluster;\n" ::: "memory");
}
__device__ __forceinline__ void barrier_arrive(uint64_t* barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];\n" ::"r"(shared_address(barrier)) : "memory");
}
// The arrival of the thread that has these bytes copied.
__device__ __forceinline__ void barrier_expect(uint64_t* barrier, int bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;\n" ::"r"(shared_address(barrier)), "r"(bytes)
               : "memory");
}
// Until the phase of this parity has ended.
__device__ __forceinline__ void barrier_wait(uint64_t* barrier, int parity) {
  asm volatile(
      "{\n.reg .pred done;\n"
      "wait:\nmbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
      "@!done bra wait;\n}\n" ::"r"(shared_address(barrier)),
      "r"(parity)
      : "memory");
}
// Has the map fetched before the first copy asks for it.
__device__ __forceinline__ void prefetch_map(const CUtensorMap& map) {
  asm volatile("prefetch.tensormap [%0];\n" ::"l"(reinterpret_cast<uint64_t>(&map)) : "memory");
}
__device__ __forceinline__ void bulk_copy(void* to, const CUtensorMap& map, int64_t column, int64_t row, uint32_t item,
                                          uint64_t* barrier) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3, %4}], [%5];\n" ::
          "r"(shared_address(to)),
      "l"(reinterpret_cast<uint64_t>(&map)), "r"(static_cast<int>(column)), "r"(static_cast<int>(row)), "r"(item),
      "r"(shared_address(barrier))
      : "memory");
}

// Matrices of 16-bit elements [lines, length], `step` elements from one line to the next and `item_step` from one matrix to
// the next, that are copied in boxes of 64 elements of `box_lines` lines of one matrix. What lies outside comes as zeros.
template <typename T>
CUtensorMap tensor_map(const T* data, int64_t items, int64_t item_step, int64_t lines, int64_t length, int64_t step,
                       int box_lines) {
  using Encode = CUresult (*)(CUtensorMap*, CUtensorMapDataType, cuuint32_t, void*, const cuuint64_t*,
                              const cuuint64_t*, const cuuint32_t*, const cuuint32_t*, CUtensorMapInterleave,
                              CUtensorMapSwizzle, CUtensorMapL2promotion, CUtensorMapFloatOOBfill);
  static const Encode encode = [] {  // of the driver, which is not linked
    void* found = nullptr;
    cudaDriverEntryPointQueryResult result{};
    TILEGRAD_CUDA_CALL(
        cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &found, 12000, cudaEnableDefault, &result));
    return reinterpret_cast<Encode>(found);
  }();
  constexpr auto kType =
      std::is_same_v<T, BFloat16> ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 : CU_TENSOR_MAP_DATA_TYPE_FLOAT16;
  const cuuint64_t sizes[3] = {static_cast<cuuint64_t>(length), static_cast<cuuint64_t>(lines),
                               static_cast<cuuint64_t>(items)};
  const cuuint64_t steps[2] = {static_cast<cuuint64_t>(step) * sizeof(T),
                               static_cast<cuuint64_t>(item_step) * sizeof(T)};
  const cuuint32_t box[3] = {64, static_cast<cuuint32_t>(box_lines), 1}, every[3] = {1, 1, 1};
  CUtensorMap map;
  if (!encode || encode(&map, kType, 3, const_cast<T*>(data), sizes, steps, box, every, CU_TENSOR_MAP_INTERLEAVE_NONE,
                        CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
                        CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE) != CUDA_SUCCESS) {
    require_success(cudaErrorInvalidValue, "cuTensorMapEncodeTiled");
  }
  return map;
}

}  // namespace
}  // namespace tilegrad::cuda
