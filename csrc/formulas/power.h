// x^y for floating numbers. Bounds on the error are in docs/numerics.md.
#pragma once

#include "formulas/arithmetic.h"
#include "formulas/logarithm.h"

namespace tilegrad::formulas {
namespace {

// high + low, unevaluated, where low is below the last place of high.
template <typename T>
TILEGRAD_FORMULA Exact<T> quick_two_sum(T large, T small) {
  const T sum = large + small;
  return {sum, small - (sum - large)};
}

// log(x) of a positive finite x to about 66 bits, in the manner of log_of_parts: log(m) = 2 s + 2/3 s^3 + s^5 P(s^2), s
// the quotient (m - 1) / (m + 1), where the terms that matter are carried in two doubles. P: tools/fit_formulas.py
// pow64.
TILEGRAD_FORMULA Exact<double> log_in_two(double x) {
  const bool subnormal = x < Floating<double>::kSmallestNormal;
  const Split<double> parts = split(subnormal ? x * 0x1p52 : x);
  const double f = parts.mantissa - 1.0;
  const double d = parts.mantissa + 1.0, d_error = f - (d - 2.0);
  const double s = f / d;
  const Exact<double> back = two_product(s, d);
  const double s_low = ((f - back.sum) - back.error - s * d_error) / d;
  const Exact<double> square = two_product(s, s);
  const double z = square.sum, z_low = square.error + 2.0 * s * s_low;
  const Exact<double> cube = two_product(s, z);
  const double cube_low = cube.error + (s * z_low + s_low * z);
  const Exact<double> third = two_product(cube.sum, 0x1.5555555555555p-1);
  const double third_low = third.error + (cube.sum * 0x1.5555555555555p-55 + cube_low * 0x1.5555555555555p-1);
  const double tail =
      cube.sum * z *
      polynomial(z, 0x1.9999999999b3p-2, 0x1.2492492457db5p-2, 0x1.c71c722d5df08p-3, 0x1.745ce9e667439p-3,
                 0x1.3b1eeb7954d87p-3, 0x1.0f7ff738d8becp-3, 0x1.0e422b36604cbp-3);
  // k ln(2) in three parts, of which the first two products are exact.
  const double k = parts.exponent - (subnormal ? 52.0 : 0.0);
  const Exact<double> base = two_sum(k * 0x1.62e42feep-1, k * 0x1.a39ef35790000p-33);
  const Exact<double> upper = two_sum(base.sum, 2.0 * s);
  const Exact<double> all = two_sum(upper.sum, third.sum);
  const double low =
      all.error + (upper.error + (base.error + (k * 0x1.e3b39803f2f6bp-72 + (2.0 * s_low + (third_low + tail)))));
  return quick_two_sum(all.sum, low);
}

// exp(high + low).
TILEGRAD_FORMULA double exp_of_two(double high, double low) {
  using C = ExpConstants<double>;
  const bool within = (high < C::kHighest) & (high > C::kLowest);
  const double bounded = within ? high : high > 0.0 ? C::kHighest : C::kLowest;
  const ExpParts<double> parts = exp_parts(bounded);
  const double rest = parts.low + (within ? low : 0.0) * (1.0 + (parts.high + parts.low));
  const Exact<double> sum = quick_two_sum(1.0, parts.high);
  return scale(sum.sum + (sum.error + rest), parts.n);
}

// a^b for a > 0 finite.
TILEGRAD_FORMULA double power_of_positive(double a, double b) {
  const Exact<double> logarithm = log_in_two(a);
  // The log of a number next to 1 is 2^-53: beyond 2^66 an exponent's size does not matter, and splitting needs a
  // bound.
  const double bounded = b > 0x1p66 ? 0x1p66 : b < -0x1p66 ? -0x1p66 : b;
  const Exact<double> product = two_product(bounded, logarithm.sum);
  return exp_of_two(product.sum, product.error + bounded * logarithm.error);
}

// In double the logarithm of a float has 29 bits to spare, enough for any exponent that does not overflow. (log() itself would
// look for special arguments once more: gcc joins its selections with those of power() and then cannot vectorise them.)
TILEGRAD_FORMULA float power_of_positive(float a, float b) {
  const Split<double> parts = split(static_cast<double>(a));
  return static_cast<float>(exp(static_cast<double>(b) * log_of_parts(parts.exponent, parts.mantissa - 1.0)));
}

template <typename T>
TILEGRAD_FORMULA T power(T x, T y) {
  if constexpr (!kIsFloating<T>) {
    return integer_power(x, y);
  } else {
    const T a = magnitude(x);
    const bool whole = round(y) == y;
    const bool odd = whole & (round(y * T(0.5)) * T(2) != y);
    const bool growing = y > T(0);
    T result = power_of_positive((a > T(0)) & (a < kInfinity<T>) ? a : T(1), y);
    result = a == T(0) ? (growing ? T(0) : kInfinity<T>) : result;
    result = a == kInfinity<T> ? (growing ? kInfinity<T> : T(0)) : result;
    result = ((x < T(0)) & !whole & (a < kInfinity<T>)) ? kNaN<T> : result;
    result = odd ? with_sign_of(result, x) : result;
    result = x == x ? result : x;
    result = y == y ? result : y;
    return ((y == T(0)) | (x == T(1)) | ((a == T(1)) & (magnitude(y) == kInfinity<T>))) ? T(1) : result;
  }
}

// g y x^(y - 1), the gradient of x^y with respect to x: 0 where y is 0.
template <typename T>
TILEGRAD_FORMULA T power_backward_base(T g, T x, T y) {
  return y == T(0) ? T(0) : g * (y * power(x, y - T(1)));
}

// g x^y log(x), the gradient of x^y with respect to y: 0 where x is 0 and y positive, where the limit is 0.
template <typename T>
TILEGRAD_FORMULA T power_backward_exponent(T g, T x, T y) {
  return ((x == T(0)) & (y >= T(0))) ? T(0) : g * (power(x, y) * log(x));
}

}  // namespace
}  // namespace tilegrad::formulas
