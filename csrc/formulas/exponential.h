// exp, expm1 and what follows from them: sigmoid, tanh. Bounds on their errors are in docs/numerics.md.
#pragma once

#include "formulas/floating.h"

namespace tilegrad::formulas {
namespace {

template <typename T>
struct ExpConstants;
template <>
struct ExpConstants<float> {
  static constexpr float kLog2e = 0x1.715476p+0f;
  static constexpr float kLn2High = 0x1.62e430p-1f, kLn2Low = -0x1.05c610p-29f;  // fma makes n * high exact
  static constexpr float kHighest = 89.0f, kLowest = -104.0f;                    // beyond them: infinity, and zero
  static constexpr float kLowestMinusOne = -18.0f;                               // beyond it: -1
  // (exp(r) - 1 - r) / r^2 for |r| <= ln(2) / 2: tools/fit_formulas.py exp32.
  static constexpr float kRest0 = 0x1p-1f, kRest1 = 0x1.555556p-3f, kRest2 = 0x1.5554aep-5f, kRest3 = 0x1.11109p-7f,
                         kRest4 = 0x1.6d7526p-10f, kRest5 = 0x1.a1a21cp-13f;
};
template <>
struct ExpConstants<double> {
  static constexpr double kLog2e = 0x1.71547652b82fep+0;
  static constexpr double kLn2High = 0x1.62e42feep-1, kLn2Low = 0x1.a39ef35793c76p-33;  // n * high is exact
  static constexpr double kHighest = 710.0, kLowest = -746.0;
  static constexpr double kLowestMinusOne = -38.0;
};

// exp(x) = 2^n (1 + high + low), with |high| <= 0.35 exact and low much smaller.
template <typename T>
struct ExpParts {
  T n, high, low;
  T rounded;  // n + kRounder
};

TILEGRAD_FORMULA float exp_rest(float r) {
  using C = ExpConstants<float>;
  return polynomial(r, C::kRest0, C::kRest1, C::kRest2, C::kRest3, C::kRest4, C::kRest5);
}
// The same in double: tools/fit_formulas.py exp64.
TILEGRAD_FORMULA double exp_rest(double r) {
  return polynomial(r, 0x1p-1, 0x1.5555555555559p-3, 0x1.555555555555ap-5, 0x1.111111110f67ep-7, 0x1.6c16c16c1441dp-10,
                    0x1.a01a01affb0adp-13, 0x1.a01a01b0c6b15p-16, 0x1.71ddf816acdfp-19, 0x1.27e4c57fad37ep-22,
                    0x1.af5f328bd1afp-26, 0x1.1f95963dd065ap-29);
}

template <typename T>
TILEGRAD_FORMULA ExpParts<T> exp_parts(T x) {
  using C = ExpConstants<T>;
  const T rounded = mul_add(x, C::kLog2e, Floating<T>::kRounder), n = rounded - Floating<T>::kRounder;
  const T high = mul_add(-n, C::kLn2High, x);  // exact
  const T low = -n * C::kLn2Low;
  const T r = high + low;
  return {n, high, mul_add(r * r, exp_rest(r), low), rounded};
}

// exp(x) / 2^n.
template <typename T>
TILEGRAD_FORMULA T exp_fraction(const ExpParts<T>& parts) {
  const T sum = T(1) + parts.high;
  const T error = parts.high - (sum - T(1));  // exact
  return sum + (error + parts.low);
}

template <typename T>
TILEGRAD_FORMULA T exp(T x) {
  using C = ExpConstants<T>;
  T bounded = x > C::kHighest ? C::kHighest : x;  // NaN stays NaN
  bounded = bounded < C::kLowest ? C::kLowest : bounded;
  const ExpParts<T> parts = exp_parts(bounded);
  return scale_near(exp_fraction(parts), parts.n);
}

// exp(x) for x <= 0, with the same bits.
template <typename T>
TILEGRAD_FORMULA T exp_of_negative(T x) {
  const ExpParts<T> parts = exp_parts(x < ExpConstants<T>::kLowest ? ExpConstants<T>::kLowest : x);
  return scale_down(exp_fraction(parts), parts.rounded);
}

template <typename T>
TILEGRAD_FORMULA T expm1(T x) {
  using C = ExpConstants<T>;
  T bounded = x > C::kHighest ? C::kHighest : x;
  bounded = bounded < C::kLowestMinusOne ? C::kLowestMinusOne : bounded;
  const ExpParts<T> parts = exp_parts(bounded);
  // 2^n (1 + high + low) - 1 = 2^n ((1 - 2^-n) + high + low), where 1 - 2^-n is exact for all n that matter, and so is
  // its sum with `high` where the two cancel.
  const T n = parts.n > T(100) ? T(100) : parts.n;
  const T result = scale(((T(1) - power_of_two(-n)) + parts.high) + parts.low, parts.n);
  return magnitude(x) < Floating<T>::kSmallestNormal ? x : result;  // keeps -0
}

// 1 / (1 + exp(-x)), as 1 / (1 + e) or e / (1 + e) with e = exp(-|x|), which cannot overflow.
TILEGRAD_FORMULA float sigmoid(float x) {
  const float a = -magnitude(x);
  const ExpParts<float> parts = exp_parts(a < ExpConstants<float>::kLowest ? ExpConstants<float>::kLowest : a);
  const float e = scale_down(1.0f + (parts.high + parts.low), parts.rounded);
  return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}

// In double, what the roundings of e and of 1 + e lost is put back at the end.
TILEGRAD_FORMULA double sigmoid(double x) {
  const double a = -magnitude(x);
  const ExpParts<double> parts = exp_parts(a < ExpConstants<double>::kLowest ? ExpConstants<double>::kLowest : a);
  const double rest = parts.high + parts.low;
  const double rounded = 1.0 + rest;
  const double e = scale_down(rounded, parts.rounded), e_error = scale_down(rest - (rounded - 1.0), parts.rounded);
  const double sum = 1.0 + e;
  const double sum_error = (e - (sum - 1.0)) + e_error;
  const bool negative = x < 0.0;
  const double q = (negative ? e : 1.0) / sum;
  const double inverse = negative ? 1.0 - q : q;  // 1 / sum
  return q + ((negative ? e_error : 0.0) - q * sum_error) * inverse;
}

// (tanh(x) - x) / x^3 as a function of x^2, for |x| <= 0.625: tools/fit_formulas.py tanh32.
TILEGRAD_FORMULA float tanh(float x) {
  const float a = magnitude(x), z = x * x;
  const float near = fma(
      a * z,
      polynomial(z, -0x1.555554p-2f, 0x1.11106cp-3f, -0x1.b9ef7cp-5f, 0x1.6394dap-6f, -0x1.0c2148p-7f, 0x1.197b8p-9f),
      a);
  // tanh(a) = 1 - 2 / (exp(2 a) + 1), and 1 from 9.02 on.
  const float bounded = a > 10.0f ? 10.0f : a;
  const ExpParts<float> parts = exp_parts(bounded + bounded);
  const float far = 1.0f - 2.0f / (exp_fraction(parts) * power_of_rounded<0>(parts.rounded) + 1.0f);
  return with_sign_of(a < 0.625f ? near : a != a ? a : far, x);
}

TILEGRAD_FORMULA double tanh(double x) {
  // Lambert's continued fraction a / (1 + z / (3 + z / (5 + ... z / 15))), less a.
  const double a = magnitude(x), z = x * x;
  const double near = a + a * (z * polynomial(z, -675675.0, -45045.0, -594.0, -1.0) /
                               polynomial(z, 2027025.0, 945945.0, 51975.0, 630.0, 1.0));
  // tanh(a) = expm1(2 a) / (expm1(2 a) + 2), and 1 from 19.1 on.
  const double bounded = a > 20.0 ? 20.0 : a;
  const double e = expm1(bounded + bounded);
  return with_sign_of(a < 0.55 ? near : e / (e + 2.0), x);
}

}  // namespace
}  // namespace tilegrad::formulas
