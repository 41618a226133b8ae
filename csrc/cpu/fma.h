// fma(a, b, c): a * b + c rounded once, with the same bits on every ISA.
#pragma once

#include "cpu/isa.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

#if defined(__FMA__) || defined(__aarch64__)

inline constexpr bool kHasFma = true;  // one instruction

TILEGRAD_INLINE float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
TILEGRAD_INLINE double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }

#else

inline constexpr bool kHasFma = false;

// The product of two floats is exact in double. Adding c rounds once, and rounding that sum to float a second time could
// differ from rounding once; unless the double sum is rounded to odd: then no double lies on a tie between two floats that
// the exact sum does not lie on (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums", 2008).
TILEGRAD_INLINE float fma(float a, float b, float c) {
  const double product = static_cast<double>(a) * static_cast<double>(b);
  const double addend = c;
  const double sum = product + addend;
  // Knuth's two-sum: sum + error is exact. error is NaN where sum is not finite, and both comparisons below are false.
  const double b_part = sum - product;
  const double error = (product - (sum - b_part)) + (addend - b_part);
  int64_t bits = __builtin_bit_cast(int64_t, sum);
  const bool inexact = (error > 0) | (error < 0);
  const int64_t away = ((error > 0) == (sum > 0)) ? 1 : -1;
  bits += (inexact & ((bits & 1) == 0)) ? away : 0;
  return static_cast<float>(__builtin_bit_cast(double, bits));
}

TILEGRAD_INLINE double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }

#endif

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
