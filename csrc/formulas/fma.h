// fma(a, b, c): a * b + c rounded once, with the same bits on every ISA. Where the hardware has no such instruction it
// is emulated from IEEE additions and multiplications alone, in a form that vectorises.
//
// The emulations follow Boldo and Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms using
// rounding to odd", IEEE Transactions on Computers 57 (4), 2008.
#pragma once

#include "formulas/formula.h"

namespace tilegrad::formulas {
namespace {

// a + b = sum + error exactly (Knuth). Error is NaN where the sum is not finite.
template <typename V>
struct Exact {
  V sum, error;
};
template <typename V>
TILEGRAD_FORMULA Exact<V> two_sum(V a, V b) {
  const V sum = a + b;
  const V b_part = sum - a;
  return {sum, (a - (sum - b_part)) + (b - b_part)};
}

// a * b = sum + error exactly (Dekker, with Veltkamp's splitting of each factor into 26 bits and the rest).
template <typename D>
TILEGRAD_FORMULA Exact<D> two_product(D a, D b) {
  const D product = a * b;
  const D a_scaled = a * 134217729.0, b_scaled = b * 134217729.0;  // 2^27 + 1
  const D a_high = a_scaled - (a_scaled - a), b_high = b_scaled - (b_scaled - b);
  const D a_low = a - a_high, b_low = b - b_high;
  return {product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low};
}

#if defined(__FMA__) || defined(__aarch64__) || defined(__CUDA_ARCH__)
#define TILEGRAD_HAS_FMA 1
#else
#define TILEGRAD_HAS_FMA 0
#endif

#if TILEGRAD_HAS_FMA

TILEGRAD_FORMULA float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
TILEGRAD_FORMULA double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }

#else

// Rounds the exact value sum + error to odd: towards zero, with the last bit set where anything was cut off. Rounding
// the result again, to at least two bits fewer, then gives what rounding once would have given. D is double or a vector
// of doubles, I the integers of the same shape. A NaN error counts as none.
template <typename D, typename I>
TILEGRAD_FORMULA D round_to_odd(Exact<D> exact) {
  const I sum_bits = __builtin_bit_cast(I, exact.sum), error_bits = __builtin_bit_cast(I, exact.error);
  // 1 where the error is neither zero nor NaN, by a selection between doubles: of 64-bit integers SSE2 can make none.
  const D magnitude = __builtin_bit_cast(D, error_bits & 0x7fffffffffffffff);
  const I inexact = __builtin_bit_cast(I, magnitude > 0 ? D{} + 0x1p-1074 : D{});
  // A sum that was rounded away from zero has an error of the other sign: one step back.
  const I step_back = static_cast<I>((sum_bits ^ error_bits) >> 63) & inexact;
  return __builtin_bit_cast(D, (sum_bits - step_back) | inexact);
}

// The product of two floats is exact in double, and no sum of it with a third overflows or underflows there.
TILEGRAD_FORMULA float fma(float a, float b, float c) {
  const double product = static_cast<double>(a) * static_cast<double>(b);
  return static_cast<float>(round_to_odd<double, uint64_t>(two_sum(product, static_cast<double>(c))));
}

// a * b + c rounded once, for arguments where fma_is_safe.
template <typename D, typename I>
TILEGRAD_FORMULA D fma_in_range(D a, D b, D c) {
  const Exact<D> product = two_product(a, b);
  const Exact<D> low = two_sum(c, product.error);
  const Exact<D> high = two_sum(product.sum, low.sum);
  const D result = high.sum + round_to_odd<D, I>(two_sum(low.error, high.error));
  // A zero is exact here; its sign is the one that adding c to the product gives.
  return result == 0 ? product.sum + c : result;
}

// Whether no step of fma_in_range can overflow and no part of the product can underflow. NaN and infinities are not
// safe.
TILEGRAD_FORMULA bool fma_is_safe(double a, double b, double c) {
  const double product = a * b;
  return (__builtin_fabs(a) < 0x1p995) & (__builtin_fabs(b) < 0x1p995) & (__builtin_fabs(c) < 0x1p1021) &
         (__builtin_fabs(product) < 0x1p1021) & ((__builtin_fabs(product) >= 0x1p-967) | (a == 0) | (b == 0));
}

// (The call keeps a loop around it from vectorising: vector code has cpu/vec.h's fma_lanes.)
TILEGRAD_FORMULA double fma(double a, double b, double c) {
  if (__builtin_expect(fma_is_safe(a, b, c), 1)) return fma_in_range<double, uint64_t>(a, b, c);
  return __builtin_fma(a, b, c);  // the C library's: slow and exact
}

#endif

}  // namespace
}  // namespace tilegrad::formulas
