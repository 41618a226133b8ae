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

#if defined(__AVX512F__) && !defined(__clang__)

inline constexpr bool kHasExpVectors = true;

// x[v] becomes exp(x[v]), for x[v] <= 0 and NaN.
template <int kVectors>
TILEGRAD_INLINE void exp_vectors(Vec<float> (&x)[kVectors]) {
  using C = formulas::ExpConstants<float>;
  using V = Vec<float>;
  constexpr int kCurrentRounding = 4;
  constexpr float kRounder = formulas::Floating<float>::kRounder;
  const auto fused = [](V a, V b, V c) __attribute__((always_inline)) -> V {
    return __builtin_ia32_vfmaddps512_mask(a, b, c, -1, kCurrentRounding);
  };
  const auto each = [](auto step) __attribute__((always_inline)) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) step(v);
  };
  V n[kVectors], low[kVectors], r[kVectors], rest[kVectors], sum[kVectors];
  each([&](int v) { x[v] = x[v] < C::kLowest ? broadcast(C::kLowest) : x[v]; });  // NaN stays NaN
  each([&](int v) { n[v] = fused(x[v], broadcast(C::kLog2e), broadcast(kRounder)) - kRounder; });
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
  each([&](int v) { x[v] = __builtin_ia32_scalefps512_mask(x[v], n[v], V{}, -1, kCurrentRounding); });
}

// The lanes of a chunk's sum: the sum of to[i] = exp(row[i] - top) for i < count; to may be null.
TILEGRAD_INLINE Vec<float> exp_chunk(const float* row, int64_t count, float top, float* to) {
  constexpr int64_t L = kLanes<float>;
  Vec<float> lanes{};
  int64_t i = 0;
  for (; i + 4 * L <= count; i += 4 * L) {
    Vec<float> x[4];
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) x[v] = load(row + i + v * L) - top;
    exp_vectors(x);
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) {
      if (to) store(to + i + v * L, x[v]);
      lanes = lanes + x[v];
    }
  }
  if (i < count) {  // up to four vectors more, of which those behind the end count nothing
    const uint64_t within = ~uint64_t{0} >> (4 * L - (count - i));
    Vec<float> x[4];
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) {
      x[v] = static_cast<Vec<float>>(__builtin_ia32_loadups512_mask(row + i + v * L, Vec<float>{},
                                                                    static_cast<uint16_t>(within >> (v * L)))) -
             top;
    }
    exp_vectors(x);
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) {
      const uint16_t here = static_cast<uint16_t>(within >> (v * L));
      if (to) __builtin_ia32_storeups512_mask(to + i + v * L, x[v], here);
      lanes = __builtin_ia32_addps512_mask(lanes, x[v], lanes, here, 4);
    }
  }
  return lanes;
}

// Rows x[r][0 ... C) of up to 4 vectors, of which kEach are one row's: what exp_rows() says.
template <int kEach>
TILEGRAD_INLINE void exp_rows_of_vectors(const float* x, int64_t rows, int64_t C, float* exps, float* shift,
                                         float* sum) {
  constexpr int64_t L = kLanes<float>;
  static_assert(L == kFoldLanes);
  constexpr int kRows = 4 / kEach;
  const uint64_t within = ~uint64_t{0} >> (4 * L - C);
  for (int64_t first = 0; first < rows; first += kRows) {
    Vec<float> e[4];
    int64_t offset[4];
    uint16_t here[4];
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) {  // where there are no more rows, the last one again
      offset[v] = smaller(first + v / kEach, rows - 1) * C + v % kEach * L;
      here[v] = static_cast<uint16_t>(within >> (v % kEach * L));
      prefetch(x + offset[v] + kFoldChunk);
      e[v] = __builtin_ia32_loadups512_mask(x + offset[v], broadcast(-formulas::kInfinity<float>), here[v]);
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
      Vec<float> lanes{};
#pragma GCC unroll 4
      for (int v = r * kEach; v < (r + 1) * kEach; ++v) {
        lanes = __builtin_ia32_addps512_mask(lanes, e[v], lanes, here[v], 4);
        if (exps) __builtin_ia32_storeups512_mask(exps + offset[v], e[v], here[v]);
      }
      float lane[kFoldLanes];
      store(lane, lanes);
      sum[first + r] = join_lanes(lane, plus<float>);
    }
  }
}

#else

inline constexpr bool kHasExpVectors = false;

#endif

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
