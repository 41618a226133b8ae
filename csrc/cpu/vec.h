// One vector register of the ISA this file is compiled for, in GCC/Clang vector extensions: arithmetic operators work
// on whole vectors, and only what the language lacks is defined here.
#pragma once

#include "cpu/fma.h"
#include "cpu/isa.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

#if defined(__AVX512F__)
inline constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
inline constexpr int kVectorBytes = 32;
#else
inline constexpr int kVectorBytes = 16;
#endif

// How many vector registers there are: what a GEMM tile may hold.
#if defined(__AVX512F__) || defined(__aarch64__)
inline constexpr int kVectorRegisters = 32;
#else
inline constexpr int kVectorRegisters = 16;
#endif

template <typename T>
struct VectorOf {
  typedef T type __attribute__((vector_size(kVectorBytes)));
  typedef T unaligned __attribute__((vector_size(kVectorBytes), aligned(alignof(T)), may_alias));
};
template <typename T>
using Vec = typename VectorOf<T>::type;

template <typename T>
inline constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(T));

template <typename T>
TILEGRAD_INLINE Vec<T> load(const T* p) {
  return *reinterpret_cast<const typename VectorOf<T>::unaligned*>(p);
}

template <typename T>
TILEGRAD_INLINE void store(T* p, Vec<T> v) {
  *reinterpret_cast<typename VectorOf<T>::unaligned*>(p) = v;
}

template <typename T>
TILEGRAD_INLINE Vec<T> broadcast(T value) {
  return value - Vec<T>{};  // not {} + value, which would turn -0 into 0
}

// Copies `count` < 2 * kHalf elements in pieces of halving sizes: a few moves instead of a loop.
template <int kHalf, typename T>
TILEGRAD_INLINE void copy_few(const T* from, T* to, int64_t count) {
  if (count & kHalf) {
    __builtin_memcpy(to, from, kHalf * sizeof(T));
    from += kHalf;
    to += kHalf;
  }
  if constexpr (kHalf > 1) copy_few<kHalf / 2>(from, to, count);
}

// The first `count` lanes from memory, zeros behind them: never reads past the end.
template <typename T>
TILEGRAD_INLINE Vec<T> load_partial(const T* p, int64_t count) {
  if (count >= kLanes<T>) return load(p);
  T lanes[kLanes<T>] = {};
  copy_few<kLanes<T> / 2>(p, lanes, count);
  return load(lanes);
}

template <typename T>
TILEGRAD_INLINE void store_partial(T* p, Vec<T> v, int64_t count) {
  if (count >= kLanes<T>) return store(p, v);
  T lanes[kLanes<T>];
  store(lanes, v);
  copy_few<kLanes<T> / 2>(lanes, p, count);
}

// a * b + c, rounded once, in every lane.
template <typename V>
TILEGRAD_INLINE V fma_lanes(V a, V b, V c) {
#if TILEGRAD_HAS_FMA
  V result;
#pragma GCC unroll 64
  for (unsigned i = 0; i < sizeof(V) / sizeof(a[0]); ++i) result[i] = fma(a[i], b[i], c[i]);
  return result;
#else
  return emulated_fma(a, b, c);
#endif
}

// sum = fma(a, b, sum), in the register where the sum is. Where sums fill the registers and a loop's body adds to each of
// them twice, gcc 12 gives every other result another register, and moves them back through memory.
template <typename V>
TILEGRAD_INLINE void add_product(V& sum, V a, V b) {
#if defined(__AVX2__) && !defined(__AVX512F__) && TILEGRAD_HAS_FMA
  V here = sum;  // an element of an array would be memory to gcc
  if constexpr (sizeof(a[0]) == 4) {
    asm("vfmadd231ps %2, %1, %0" : "+x"(here) : "x"(a), "x"(b));
  } else {
    asm("vfmadd231pd %2, %1, %0" : "+x"(here) : "x"(a), "x"(b));
  }
  sum = here;
#else
  sum = fma_lanes(a, b, sum);
#endif
}

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
