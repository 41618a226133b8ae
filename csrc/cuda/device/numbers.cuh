// Element types on the device: 16-bit floats are computed with as float, and rounded once to be stored.
#pragma once

#include <type_traits>

#include "formulas/cast.h"

namespace tilegrad::cuda {
namespace {

template <typename T>
using Wide = std::conditional_t<formulas::kIsHalf<T>, float, T>;

template <typename T>
__device__ __forceinline__ Wide<T> widen(T x) {
  if constexpr (formulas::kIsHalf<T>) {
    return formulas::widen(x);
  } else {
    return x;
  }
}

// A value on its way into an element of T.
template <typename T, typename V>
__device__ __forceinline__ T narrow(V value) {
  if constexpr (std::is_same_v<T, V>) {
    return value;
  } else {
    return formulas::cast<T>(value);
  }
}

// kCount elements that are loaded and stored as one: 16 bytes at most.
template <typename T, int kCount>
struct alignas(sizeof(T) * kCount) Pack {
  T at[kCount];
};

// Elements as plain bits: a copy only sees their size.
template <int kBytes>
using Raw =
    std::conditional_t<kBytes == 1, uint8_t,
                       std::conditional_t<kBytes == 2, uint16_t, std::conditional_t<kBytes == 4, uint32_t, uint64_t>>>;

}  // namespace
}  // namespace tilegrad::cuda
