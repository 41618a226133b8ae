// log, log1p and softplus. Bounds on their errors are in docs/numerics.md.
#pragma once

#include "formulas/exponential.h"

namespace tilegrad::formulas {
namespace {

// k ln(2) + log(1 + f) for an integer k and sqrt(1/2) <= 1 + f < sqrt(2), f given without rounding where k is 0. The
// polynomial is (log(1 + f) - f + f^2 / 2) / f^3: tools/fit_formulas.py log32.
TILEGRAD_FORMULA float log_of_parts(float k, float f) {
  const float rest = polynomial(f, 0x1.55554ap-2f, -0x1.00022p-2f, 0x1.99a596p-3f, -0x1.54788cp-3f, 0x1.226e4cp-3f,
                                -0x1.0ce076p-3f, 0x1.07d0e4p-3f, -0x1.41ee1p-4f);
  const float tail = fma(f * f, fma(f, rest, -0.5f), k * 0x1.7f7d1cp-20f);
  return fma(k, 0x1.62e4p-1f, f + tail);
}

// With s = f / (2 + f), log(1 + f) = 2 atanh(s) = f - (f^2 / 2 - s (f^2 / 2 + s^2 P(s^2))): f, which is exact, comes
// last. P is (2 atanh(s) - 2 s) / s^3 as a function of s^2: tools/fit_formulas.py log64.
TILEGRAD_FORMULA double log_of_parts(double k, double f) {
  const double s = f / (2.0 + f);
  const double z = s * s;
  const double rest =
      z * polynomial(z, 0x1.5555555555592p-1, 0x1.999999997fdb9p-2, 0x1.24924941f1174p-2, 0x1.c71c52096918ap-3,
                     0x1.74663ee589dep-3, 0x1.39a1bb0e98322p-3, 0x1.2f055f9818ab5p-3);
  const double half_square = 0.5 * f * f;
  const double tail = half_square - (s * (half_square + rest) + k * 0x1.a39ef35793c76p-33);
  return k * 0x1.62e42feep-1 - (tail - f);
}

// x = 2^exponent * mantissa, sqrt(1/2) <= mantissa < sqrt(2), for positive normal x.
template <typename T>
struct Split {
  T exponent, mantissa;
};
template <typename T>
TILEGRAD_FORMULA Split<T> split(T x) {
  using Bits = typename Floating<T>::Bits;
  constexpr int kShift = Floating<T>::kMantissaBits;
  constexpr Bits kOne = __builtin_bit_cast(Bits, T(1)), kRootHalf = __builtin_bit_cast(Bits, T(0.70710678118654752440));
  // Counted from sqrt(1/2) instead of 1, the exponent field steps where the mantissa does. 2^kShift + field is a number
  // whose bits are those of 2^kShift with the field in its last place.
  const Bits shifted = bits_of(x) + (kOne - kRootHalf);
  constexpr T kWhole = sizeof(T) == 4 ? T(0x1p23) : T(0x1p52);
  const T field = from_bits<T>((shifted >> kShift) | bits_of(kWhole));
  constexpr Bits kMantissa = (Bits{1} << kShift) - 1;
  return {field - (kWhole + T(kOne >> kShift)), from_bits<T>((shifted & kMantissa) + kRootHalf)};
}

template <typename T>
TILEGRAD_FORMULA T log(T x) {
  constexpr T kLift = sizeof(T) == 4 ? T(0x1p23) : T(0x1p52);  // makes every subnormal number normal
  constexpr T kLifted = Floating<T>::kMantissaBits;
  const bool subnormal = x < Floating<T>::kSmallestNormal;
  const Split<T> parts = split(subnormal ? x * kLift : x);
  const T result = log_of_parts(parts.exponent - (subnormal ? kLifted : T(0)), parts.mantissa - T(1));
  const T special = x == T(0) ? -kInfinity<T> : x < T(0) ? kNaN<T> : x;
  return ((x > T(0)) & (x < kInfinity<T>)) ? result : special;
}

// log(1 + x): of the rounded sum, with the rounding error put back into its mantissa, which is all of x for small x.
template <typename T>
TILEGRAD_FORMULA T log1p(T x) {
  const Exact<T> sum = two_sum(T(1), x);
  const Split<T> parts = split(sum.sum);
  const T k = parts.exponent > T(64) ? T(64) : parts.exponent;  // beyond it the error does not count
  const T result = log_of_parts(parts.exponent, (parts.mantissa - T(1)) + sum.error * power_of_two(-k));
  const T special = x == T(-1) ? -kInfinity<T> : x < T(-1) ? kNaN<T> : x;
  return ((x > T(-1)) & (x < kInfinity<T>)&(magnitude(x) >= Floating<T>::kSmallestNormal)) ? result : special;
}

// log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|)).
template <typename T>
TILEGRAD_FORMULA T softplus(T x) {
  const T positive = x < T(0) ? T(0) : x;
  return positive + log1p(exp(-magnitude(x)));
}

}  // namespace
}  // namespace tilegrad::formulas
