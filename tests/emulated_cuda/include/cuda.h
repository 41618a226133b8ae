// What of the driver's header csrc/cuda names, for the emulation of cuda_runtime.h: descriptions of matrices that are copied
// in boxes.
#pragma once

#include <cstdint>

using CUresult = int;
using cuuint32_t = uint32_t;
using cuuint64_t = uint64_t;
enum { CUDA_SUCCESS = 0 };
enum CUtensorMapDataType { CU_TENSOR_MAP_DATA_TYPE_FLOAT16, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 };
enum CUtensorMapInterleave { CU_TENSOR_MAP_INTERLEAVE_NONE };
enum CUtensorMapSwizzle { CU_TENSOR_MAP_SWIZZLE_128B };
enum CUtensorMapL2promotion { CU_TENSOR_MAP_L2_PROMOTION_L2_256B };
enum CUtensorMapFloatOOBfill { CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE };
struct CUtensorMap {
  char* data;
  uint64_t sizes[3], steps[2];
  uint32_t box[2];
};
