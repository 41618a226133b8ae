// What the functions of this folder are built from: the bits of floating-point numbers, rounding to integers, powers of
// two and polynomials, for float and double alike.
//
// Loops must vectorise on every ISA, SSE2 included, which has neither a rounding instruction nor 64-bit comparisons,
// arithmetic shifts or conversions: hence selections between floating-point values only, and additions of `kRounder` in
// place of conversions.
#pragma once

#include "formulas/fma.h"

namespace tilegrad::formulas {
namespace {

template <typename T>
struct Floating;
template <>
struct Floating<float> {
  using Bits = uint32_t;
  static constexpr int kMantissaBits = 23;
  static constexpr float kSmallestNormal = 0x1p-126f;
  static constexpr float kRounder = 0x1.8p23f;  // the numbers around it are the integers
  static constexpr float kTiny = 0x1p-13f;      // squared, it is half the last bit of 1
};
template <>
struct Floating<double> {
  using Bits = uint64_t;
  static constexpr int kMantissaBits = 52;
  static constexpr double kSmallestNormal = 0x1p-1022;
  static constexpr double kRounder = 0x1.8p52;
  static constexpr double kTiny = 0x1p-27;
};

template <typename T>
inline constexpr T kInfinity = T(__builtin_inf());
template <typename T>
inline constexpr T kNaN = T(__builtin_nan(""));

template <typename T>
TILEGRAD_FORMULA auto bits_of(T x) {
  return __builtin_bit_cast(typename Floating<T>::Bits, x);
}
template <typename T>
TILEGRAD_FORMULA T from_bits(typename Floating<T>::Bits bits) {
  return __builtin_bit_cast(T, bits);
}

template <typename T>
inline constexpr typename Floating<T>::Bits kSignBit = typename Floating<T>::Bits{1} << (8 * sizeof(T) - 1);

template <typename T>
TILEGRAD_FORMULA T magnitude(T x) {
  return from_bits<T>(bits_of(x) & ~kSignBit<T>);
}
template <typename T>
TILEGRAD_FORMULA T with_sign_of(T x, T sign) {
  return from_bits<T>((bits_of(x) & ~kSignBit<T>) | (bits_of(sign) & kSignBit<T>));
}

// The nearest integer, halves to even, for |x| < 2^(kMantissaBits - 1).
template <typename T>
TILEGRAD_FORMULA T round_small(T x) {
  return (x + Floating<T>::kRounder) - Floating<T>::kRounder;
}

// 2^n for an integer n between the exponents of normal numbers: the low bits of n + kRounder are n.
template <typename T>
TILEGRAD_FORMULA T power_of_two(T n) {
  return from_bits<T>((bits_of(n + Floating<T>::kRounder) << Floating<T>::kMantissaBits) + bits_of(T(1)));
}

// x * 2^n for any n of up to twice that range. Only the second product can round.
template <typename T>
TILEGRAD_FORMULA T scale(T x, T n) {
  const T half = round_small(n * T(0.5));
  return x * power_of_two(half) * power_of_two(n - half);
}

// The same for x around 1 and n up to 60 outside that range, which is as far as exponentials go before they overflow or
// vanish: two thirds of the instructions.
template <typename T>
TILEGRAD_FORMULA T scale_near(T x, T n) {
  const bool down = n < T(0);
  return x * power_of_two(n + (down ? T(60) : T(-60))) * (down ? T(0x1p-60) : T(0x1p60));
}

// 2^(n + kMore), and x * 2^n for such n <= 0, from n + kRounder.
template <int kMore, typename T>
TILEGRAD_FORMULA T power_of_rounded(T rounder_and_n) {
  using Bits = typename Floating<T>::Bits;
  constexpr Bits kBase = __builtin_bit_cast(Bits, T(1)) + (Bits{kMore} << Floating<T>::kMantissaBits);
  return from_bits<T>((bits_of(rounder_and_n) << Floating<T>::kMantissaBits) + kBase);
}
template <typename T>
TILEGRAD_FORMULA T scale_down(T x, T rounder_and_n) {
  return x * power_of_rounded<60>(rounder_and_n) * T(0x1p-60);
}

// a * b + c: fused for float, where fma is cheap on every ISA; rounded twice for double, whose emulated fma is not.
TILEGRAD_FORMULA float mul_add(float a, float b, float c) { return fma(a, b, c); }
TILEGRAD_FORMULA double mul_add(double a, double b, double c) { return a * b + c; }

// c0 + c1 x + c2 x^2 + ..., by Horner's rule.
template <typename T>
TILEGRAD_FORMULA T polynomial(T, T c0) {
  return c0;
}
template <typename T, typename... C>
TILEGRAD_FORMULA T polynomial(T x, T c0, C... c) {
  return mul_add(polynomial(x, c...), x, c0);
}

}  // namespace
}  // namespace tilegrad::formulas
