// A bitonic sort of words in vectors: no branch depends on them, and steps of many vectors do not wait for each other.
//
// Lane l of all vectors is a column; the sequence is one column after the other. A step of the network compares words
// whose numbers in the sequence differ in given bits. But for 1 to 10 steps (by the number of lanes) these are bits of
// a vector's number: two vectors meet, lane by lane. Blocks of a power of two are merged into blocks twice as long. The
// first step compares each word with its mirror image in the block, so that all steps go one way and what fills up the
// end stays there.
#pragma once

#include "cpu/transpose.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// Vectors that pass through several steps in registers.
inline constexpr int kSortTogether = 8;

// What words of 64 bits are to the network: doubles where only those have a minimum and a maximum, so words must look
// like positive, finite and normal numbers. (With AVX-512 gcc makes three instructions of theirs.)
#if defined(__AVX512F__)
using SortedWord = uint64_t;
#else
using SortedWord = double;
#endif

// T: SortedWord or uint32_t.
template <typename T>
struct SortNetwork {
  using V = Vec<T>;
  static constexpr int kWide = kLanes<T>;
  // What a network is made for is a multiple of this many vectors.
  static constexpr int64_t kLeast = kWide > kSortTogether ? kWide : kSortTogether;
  T* words;

  TILEGRAD_INLINE V get(int64_t i) const { return load(words + i * kWide); }
  TILEGRAD_INLINE void put(int64_t i, V v) const { store(words + i * kWide, v); }
  TILEGRAD_INLINE static V lower(V a, V b) { return a < b ? a : b; }
  TILEGRAD_INLINE static V upper(V a, V b) { return a < b ? b : a; }
  TILEGRAD_INLINE static void order(V& a, V& b) {
    const V low = lower(a, b);
    b = upper(a, b);
    a = low;
  }

  // Compares i and i + kDistance, i + kDistance / 2, ... i + 1 in turn, within blocks of 2 kDistance.
  template <int kDistance>
  TILEGRAD_INLINE static void clean_few(V (&v)[kSortTogether]) {
#pragma GCC unroll 8
    for (int i = 0; i < kSortTogether; ++i) {
      if ((i & kDistance) == 0) order(v[i], v[i + kDistance]);
    }
    if constexpr (kDistance > 1) clean_few<kDistance / 2>(v);
  }
  template <int kSize = 2>
  TILEGRAD_INLINE static void sort_few(V (&v)[kSortTogether]) {
#pragma GCC unroll 8
    for (int i = 0; i < kSortTogether; ++i) {
      if ((i & kSize / 2) == 0) order(v[i], v[i ^ (kSize - 1)]);
    }
    if constexpr (kSize > 2) clean_few<kSize / 4>(v);
    if constexpr (kSize < kSortTogether) sort_few<2 * kSize>(v);
  }
  template <typename Steps>
  TILEGRAD_INLINE void for_each_few(int64_t count, Steps steps) const {
    for (int64_t first = 0; first < count; first += kSortTogether) {
      V v[kSortTogether];
#pragma GCC unroll 8
      for (int i = 0; i < kSortTogether; ++i) v[i] = get(first + i);
      steps(v);
#pragma GCC unroll 8
      for (int i = 0; i < kSortTogether; ++i) put(first + i, v[i]);
    }
  }

  // clean_few() for any distance: two steps in one pass through memory.
  TILEGRAD_INLINE void clean(int64_t count, int64_t distance) const {
    for (; distance > kSortTogether; distance /= 4) {
      const int64_t half = distance / 2;
      for (int64_t first = 0; first < count; first += 2 * distance) {
        for (int64_t i = first; i < first + half; ++i) {
          V a = get(i), b = get(i + half), c = get(i + distance), d = get(i + distance + half);
          order(a, c);
          order(b, d);
          order(a, b);
          order(c, d);
          put(i, a);
          put(i + half, b);
          put(i + distance, c);
          put(i + distance + half, d);
        }
      }
    }
    if (distance == kSortTogether) {
      for (int64_t first = 0; first < count; first += 2 * kSortTogether) {
        for (int64_t i = first; i < first + kSortTogether; ++i) {
          V a = get(i), b = get(i + kSortTogether);
          order(a, b);
          put(i, a);
          put(i + kSortTogether, b);
        }
      }
    }
    for_each_few(count, [](V(&v)[kSortTogether]) __attribute__((always_inline)) { clean_few<kSortTogether / 2>(v); });
  }

  // Lane l ^ kFlipped in lane l.
  template <int kFlipped, int... kLane>
  TILEGRAD_INLINE static V flip(V v, std::integer_sequence<int, kLane...>) {
    return __builtin_shufflevector(v, v, (kLane ^ kFlipped)...);
  }
  template <int kFlipped>
  TILEGRAD_INLINE static V flip(V v) {
    return flip<kFlipped>(v, std::make_integer_sequence<int, kWide>{});
  }
  // b where kBit is set in the lane's number, a elsewhere.
  template <int kBit, int... kLane>
  TILEGRAD_INLINE static V choose(V a, V b, std::integer_sequence<int, kLane...>) {
    return __builtin_shufflevector(a, b, (kLane & kBit ? kLane + kWide : kLane)...);
  }
  template <int kBit>
  TILEGRAD_INLINE static V choose(V a, V b) {
    return choose<kBit>(a, b, std::make_integer_sequence<int, kWide>{});
  }
  // Compares lanes kBit apart, kBit / 2, ... 1.
  template <int kBit>
  TILEGRAD_INLINE static void clean_lanes(V& v) {
    if constexpr (kBit > 0) {
      const V other = flip<kBit>(v);
      v = choose<kBit>(lower(v, other), upper(v, other));
      clean_lanes<kBit / 2>(v);
    }
  }

  // Merges neighbouring columns, kColumns into one.
  template <int kColumns>
  TILEGRAD_INLINE void merge_columns(int64_t count) const {
    for (int64_t i = 0, k = count - 1; i < k; ++i, --k) {
      V a = get(i), b = flip<kColumns - 1>(get(k));
      const V low = lower(a, b), high = upper(a, b);
      a = choose<kColumns / 2>(low, high);
      b = flip<kColumns - 1>(choose<kColumns / 2>(high, low));
      clean_lanes<kColumns / 4>(a);
      clean_lanes<kColumns / 4>(b);
      put(i, a);
      put(k, b);
    }
    clean(count, count / 2);
    if constexpr (kColumns < kWide) merge_columns<2 * kColumns>(count);
  }

  // Sorts `count` vectors, a power of two; those from `used`, a multiple of kSortTogether, on hold the largest words.
  [[gnu::noinline]] static void sort(T* words, int64_t count, int64_t used) {
    const SortNetwork network{words};
    network.sort_here(count, used);
  }
  TILEGRAD_INLINE void sort_here(int64_t count, int64_t used) const {
    for_each_few(used, [](V(&v)[kSortTogether]) __attribute__((always_inline)) { sort_few(v); });
    for (int64_t size = 2 * kSortTogether; size <= count; size *= 2) {
      const int64_t quarter = size / 4;
      for (int64_t first = 0; first < used; first += size) {
        const int64_t last = first + size - 1;
        for (int64_t i = 0; i < quarter; ++i) {  // the mirror images, and the step after that
          V a = get(first + i), b = get(first + quarter + i), c = get(last - quarter - i), d = get(last - i);
          order(a, d);
          order(b, c);
          order(a, b);
          order(c, d);
          put(first + i, a);
          put(first + quarter + i, b);
          put(last - quarter - i, c);
          put(last - i, d);
        }
      }
      clean(used, quarter / 2);
    }
    merge_columns<2>(count);
  }

  // The sequence: columns one after the other.
  TILEGRAD_INLINE void write(int64_t count, T* to) const {
    for (int64_t i = 0; i < count; i += kWide) {
      V v[kWide];
#pragma GCC unroll 16
      for (int k = 0; k < kWide; ++k) v[k] = get(i + k);
      transpose_square(v);
#pragma GCC unroll 16
      for (int k = 0; k < kWide; ++k) store(to + k * count + i, v[k]);
    }
  }
};

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
