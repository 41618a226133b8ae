// exp of floats that are not above 0, several vectors at a time. The bits are those of formulas::exp, whose steps these are.
// The steps of one vector wait for each other so long that the scheduler fills up: those of four are written in turn. And
// AVX-512 multiplies by 2^n, subnormal results included, in one instruction.
#pragma once

#include "cpu/math.h"
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

// across[c][...] becomes exp(across[c][...] - top[...]).
template <int64_t kRows>
TILEGRAD_INLINE void exp_columns(float (*across)[kRows], int64_t C, const float* top) {
  static_assert(kRows == kLanes<float>);
  const Vec<float> largest = load(top);
  int64_t c = 0;
  for (; c + 4 <= C; c += 4) {
    Vec<float> x[4];
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) x[v] = load(across[c + v]) - largest;
    exp_vectors(x);
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) store(across[c + v], x[v]);
  }
  for (; c < C; ++c) {
    Vec<float> x[1] = {load(across[c]) - largest};
    exp_vectors(x);
    store(across[c], x[0]);
  }
}

#else

inline constexpr bool kHasExpVectors = false;

#endif

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
