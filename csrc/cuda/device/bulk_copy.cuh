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
__device__ __forceinline__ void bulk_copy(void* to, const CUtensorMap& map, int64_t column, int64_t row,
                                          uint64_t* barrier) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];\n" ::"r"(
          shared_address(to)),
      "l"(reinterpret_cast<uint64_t>(&map)), "r"(static_cast<int>(column)), "r"(static_cast<int>(row)),
      "r"(shared_address(barrier))
      : "memory");
}

// Blocks of a launch in clusters (1 or 2 of them) share what they copy.
__device__ __forceinline__ int block_of_cluster() {
  uint32_t rank;
  asm volatile("mov.u32 %0, %%cluster_ctarank;\n" : "=r"(rank));
  return static_cast<int>(rank);
}
__device__ __forceinline__ int blocks_of_cluster() {
  uint32_t count;
  asm volatile("mov.u32 %0, %%cluster_nctarank;\n" : "=r"(count));
  return static_cast<int>(count);
}
// All threads of all blocks of the cluster.
__device__ __forceinline__ void meet_in_cluster() {
  __syncwarp();  // the instruction is one of whole warps
  asm volatile("barrier.cluster.arrive.release.aligned;\nbarrier.cluster.wait.acquire.aligned;\n" ::: "memory");
}
// At the barrier of the same place in a block of the cluster, this one or another. What was written before is not made visible
// there, as with .release.cluster: that is a fence of the whole device, and those who arrive here have only read.
__device__ __forceinline__ void barrier_arrive_at(uint64_t* barrier, int block) {
  asm volatile(
      "{\n.reg .b32 there;\n"
      "mapa.shared::cluster.u32 there, %0, %1;\n"
      "mbarrier.arrive.shared::cluster.b64 _, [there];\n}\n" ::"r"(shared_address(barrier)),
      "r"(block)
      : "memory");
}
// To the same place in both blocks of a cluster, whose barriers there each count the bytes.
__device__ __forceinline__ void bulk_copy_to_both(void* to, const CUtensorMap& map, int64_t column, int64_t row,
                                                  uint64_t* barrier) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1, {%2, "
      "%3}], [%4], %5;\n" ::"r"(shared_address(to)),
      "l"(reinterpret_cast<uint64_t>(&map)), "r"(static_cast<int>(column)), "r"(static_cast<int>(row)),
      "r"(shared_address(barrier)), "h"(static_cast<uint16_t>(3))
      : "memory");
}
template <typename... Parameters>
void launch_in_clusters(int cluster, unsigned blocks, int threads, int bytes, cudaStream_t stream,
                        void (*kernel)(Parameters...), const Parameters&... given) {
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(blocks), config.blockDim = dim3(static_cast<unsigned>(threads));
  config.dynamicSmemBytes = static_cast<size_t>(bytes), config.stream = stream;
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeClusterDimension;
  attribute.val.clusterDim.x = static_cast<unsigned>(cluster);
  attribute.val.clusterDim.y = attribute.val.clusterDim.z = 1;
  config.attrs = &attribute, config.numAttrs = 1;
  cudaLaunchKernelEx(&config, kernel, given...);
}

// A matrix of 16-bit elements [lines, length], `step` elements from one line to the next, that is copied in boxes of 64
// elements of `box_lines` lines. What lies outside comes as zeros.
template <typename T>
CUtensorMap tensor_map(const T* data, int64_t lines, int64_t length, int64_t step, int box_lines) {
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
  const cuuint64_t sizes[2] = {static_cast<cuuint64_t>(length), static_cast<cuuint64_t>(lines)};
  const cuuint64_t steps[1] = {static_cast<cuuint64_t>(step) * sizeof(T)};
  const cuuint32_t box[2] = {64, static_cast<cuuint32_t>(box_lines)}, every[2] = {1, 1};
  CUtensorMap map;
  if (!encode || encode(&map, kType, 2, const_cast<T*>(data), sizes, steps, box, every, CU_TENSOR_MAP_INTERLEAVE_NONE,
                        CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
                        CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE) != CUDA_SUCCESS) {
    require_success(cudaErrorInvalidValue, "cuTensorMapEncodeTiled");
  }
  return map;
}

}  // namespace
}  // namespace tilegrad::cuda
