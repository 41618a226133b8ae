// What kernels over indexed elements share.
#pragma once

#include "cuda/device/locate.cuh"
#include "cuda/device/numbers.cuh"
#include "params/gather.h"

namespace tilegrad::cuda {
namespace {

// The offset of an index out of range: nothing is read there, zero comes in its place, and nothing is written.
inline constexpr int64_t kNowhere = INT64_MIN;

// Elements as plain bits.
template <typename T>
using RawOf = Raw<static_cast<int>(sizeof(T))>;

template <typename T>
RawOf<T>* raw(T* data) {
  return reinterpret_cast<RawOf<T>*>(data);
}
template <typename T>
const RawOf<T>* raw(const T* data) {
  return reinterpret_cast<const RawOf<T>*>(data);
}

// Calls run(i) for i < count, a thread for each.
template <typename Run>
__device__ __forceinline__ void for_each_element(int64_t count, Run run) {
  const int64_t step = int64_t{gridDim.x} * kThreads;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < count; i += step) run(i);
}

}  // namespace
}  // namespace tilegrad::cuda
