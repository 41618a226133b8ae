// exp of floats that are not above 0, several vectors at a time. The bits are those of formulas::exp, whose steps these are.
// The steps of one vector wait for each other so long that the scheduler fills up: those of four are written in turn. And
// AVX-512 multiplies by 2^n, subnormal results included, in one instruction.
#pragma once

#include "cpu/math.h"
#include "cpu/prefetch.h"
#include "cpu/sum_order.h"
#include "cpu/vec.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

#if defined(__AVX2__) && !defined(__clang__)

inline constexpr bool kHasExpVectors = true;

#if defined(__AVX512F__)

inline constexpr int kCurrentRounding = 4;
TILEGRAD_INLINE Vec<float> fused(Vec<float> a, Vec<float> b, Vec<float> c) {
  return __builtin_ia32_vfmaddps512_mask(a, b, c, -1, kCurrentRounding);
}
// x * 2^n; rounded is n + kRounder.
TILEGRAD_INLINE Vec<float> scaled(Vec<float> x, Vec<float> n, Vec<float>) {
  return __builtin_ia32_scalefps512_mask(x, n, Vec<float>{}, -1, kCurrentRounding);
}

// Vector v of four that begin `count` elements before their end: which of its lanes these are.
using Lanes = uint16_t;
TILEGRAD_INLINE Lanes lanes_within(int64_t count, int v) {
  return static_cast<Lanes>(~uint64_t{0} >> (4 * kLanes<float> - count) >> (v * kLanes<float>));
}
TILEGRAD_INLINE Vec<float> load_lanes(const float* p, Lanes lanes, Vec<float> others) {
  return __builtin_ia32_loadups512_mask(p, others, lanes);
}
TILEGRAD_INLINE void store_lanes(float* p, Vec<float> x, Lanes lanes) { __builtin_ia32_storeups512_mask(p, x, lanes); }
TILEGRAD_INLINE Vec<float> add_lanes(Vec<float> sum, Vec<float> x, Lanes lanes) {
  return __builtin_ia32_addps512_mask(sum, x, sum, lanes, kCurrentRounding);
}

#else

TILEGRAD_INLINE Vec<float> fused(Vec<float> a, Vec<float> b, Vec<float> c) {
  return __builtin_ia32_vfmaddps256(a, b, c);
}
// formulas::scale_down.
TILEGRAD_INLINE Vec<float> scaled(Vec<float> x, Vec<float>, Vec<float> rounded) {
  constexpr uint32_t kBase = (127 + 60) << 23;
  const auto power = (__builtin_bit_cast(Vec<uint32_t>, rounded) << 23) + kBase;
  return x * __builtin_bit_cast(Vec<float>, power) * 0x1p-60f;
}

using Lanes = Vec<int32_t>;
TILEGRAD_INLINE Lanes lanes_within(int64_t count, int v) {
  return Lanes{0, 1, 2, 3, 4, 5, 6, 7} < broadcast(static_cast<int32_t>(count - v * kLanes<float>));
}
TILEGRAD_INLINE Vec<float> load_lanes(const float* p, Lanes lanes, Vec<float> others) {
  const Vec<float> x = __builtin_ia32_maskloadps256(reinterpret_cast<const Vec<float>*>(p), lanes);
  return lanes ? x : others;
}
TILEGRAD_INLINE void store_lanes(float* p, Vec<float> x, Lanes lanes) {
  // A masked store is microcode on AMD.
  if (lanes[kLanes<float> - 1]) return store(p, x);
  if (lanes[0]) __builtin_ia32_maskstoreps256(reinterpret_cast<Vec<float>*>(p), lanes, x);
}
// The sum is not -0.
TILEGRAD_INLINE Vec<float> add_lanes(Vec<float> sum, Vec<float> x, Lanes lanes) {
  return sum + (lanes ? x : Vec<float>{});
}

#endif

// x[v] becomes exp(x[v]), for x[v] <= 0 and NaN.
template <int kVectors>
TILEGRAD_INLINE void exp_vectors(Vec<float> (&x)[kVectors]) {
  using C = formulas::ExpConstants<float>;
  using V = Vec<float>;
  constexpr float kRounder = formulas::Floating<float>::kRounder;
  const auto each = [](auto step) __attribute__((always_inline)) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) step(v);
  };
  V rounded[kVectors], n[kVectors], low[kVectors], r[kVectors], rest[kVectors], sum[kVectors];
  each([&](int v) { x[v] = x[v] < C::kLowest ? broadcast(C::kLowest) : x[v]; });  // NaN stays NaN
  each([&](int v) { rounded[v] = fused(x[v], broadcast(C::kLog2e), broadcast(kRounder)); });
  each([&](int v) { n[v] = rounded[v] - kRounder; });
  each([&](int v) { x[v] = fused(-n[v], broadcast(C::kLn2High), x[v]); });
  each([&](int v) { low[v] = -n[v] * C::kLn2Low; });
  each([&](int v) { r[v] = x[v] + low[v]; });
  each([&](int v) { rest[v] = fused(r[v], broadcast(C::kRest5), broadcast(C::kRest4)); });
  each([&](int v) { rest[v] = fused(rest[v], r[v], broadcast(C::kRest3)); });
  each([&](int v) { rest[v] = fused(rest[v], r[v], broadcast(C::kRest2)); });
  each([&](int v) { rest[v] = fused(rest[v], r[v], broadcast(C::kRest1)); });
  each([&](int v) { rest[v] = fused(rest[v], r[v], broadcast(C::kRest0)); });
  each([&](int v) { low[v] = fused(r[v] * r[v], rest[v], low[v]); });
  each([&](int v) { sum[v] = 1.0f + x[v]; });
  each([&](int v) { x[v] = sum[v] + ((x[v] - (sum[v] - 1.0f)) + low[v]); });
  each([&](int v) { x[v] = scaled(x[v], n[v], rounded[v]); });
}

// The lanes of a chunk's sum: the sum of to[i] = exp(row[i] - top) for i < count; to may be null.
TILEGRAD_INLINE void exp_chunk(const float* row, int64_t count, float top, float* to, float (&lane)[kFoldLanes]) {
  constexpr int64_t L = kLanes<float>;
  constexpr int kSums = kFoldLanes / L, kLast = 4 / kSums;
  Vec<float> sums[kSums] = {};
  int64_t i = 0;
  for (; i + 4 * L <= count; i += 4 * L) {
    Vec<float> x[4];
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) x[v] = load(row + i + v * L) - top;
    exp_vectors(x);
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) {
      if (to) store(to + i + v * L, x[v]);
      sums[v % kSums] = sums[v % kSums] + x[v];
    }
  }
  for (; i < count; i += kLast * L) {  // vectors of which those behind the end count nothing
    Vec<float> x[kLast];
#pragma GCC unroll 4
    for (int v = 0; v < kLast; ++v) {
      x[v] = load_lanes(row + i + v * L, lanes_within(count - i, v), Vec<float>{}) - top;
    }
    exp_vectors(x);
#pragma GCC unroll 4
    for (int v = 0; v < kLast; ++v) {
      const Lanes here = lanes_within(count - i, v);
      if (to) store_lanes(to + i + v * L, x[v], here);
      sums[v % kSums] = add_lanes(sums[v % kSums], x[v], here);
    }
  }
#pragma GCC unroll 4
  for (int s = 0; s < kSums; ++s) store(lane + s * L, sums[s]);
}

// Rows x[r][0 ... C) of up to 4 vectors, of which kEach are one row's: what exp_rows() says.
template <int kEach>
TILEGRAD_INLINE void exp_rows_of_vectors(const float* x, int64_t rows, int64_t C, float* exps, float* shift,
                                         float* sum) {
  constexpr int64_t L = kLanes<float>;
  constexpr int kRows = 4 / kEach;
  static_assert(kRows * kEach == 4 && L == kFoldLanes);
  for (int64_t first = 0; first < rows; first += kRows) {
    Vec<float> e[4];
    int64_t offset[4];
    Lanes here[4];
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) {  // where there are no more rows, the last one again
      offset[v] = smaller(first + v / kEach, rows - 1) * C + v % kEach * L;
      here[v] = lanes_within(C, v % kEach);
      prefetch(x + offset[v] + kFoldChunk);
      e[v] = load_lanes(x + offset[v], here[v], broadcast(-formulas::kInfinity<float>));
    }
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      Vec<float> top = e[r * kEach];
#pragma GCC unroll 4
      for (int v = 1; v < kEach; ++v) top = formulas::maximum(e[r * kEach + v], top);
      float lane[kFoldLanes];
      store(lane, top);
      shift[first + r] = join_lanes(lane, [](float a, float b) { return formulas::maximum(b, a); });
#pragma GCC unroll 4
      for (int v = 0; v < kEach; ++v) e[r * kEach + v] = e[r * kEach + v] - shift[first + r];
    }
    exp_vectors(e);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      Vec<float> sums{};
#pragma GCC unroll 4
      for (int v = r * kEach; v < (r + 1) * kEach; ++v) {
        sums = add_lanes(sums, e[v], here[v]);
        if (exps) store_lanes(exps + offset[v], e[v], here[v]);
      }
      float lane[kFoldLanes];
      store(lane, sums);
      sum[first + r] = join_lanes(lane, plus<float>);
    }
  }
}

#else

inline constexpr bool kHasExpVectors = false;

#endif

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
