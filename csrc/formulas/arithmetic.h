// Arithmetic on every element type. Integers wrap around: sums and products are taken of their unsigned counterparts,
// where C++ defines that, and no operands are undefined behaviour.
#pragma once

#include <type_traits>

#include "formulas/floating.h"

namespace tilegrad::formulas {
namespace {

template <typename T>
inline constexpr bool kIsFloating = std::is_floating_point_v<T>;

template <typename T>
struct Unsigned {
  using type = std::make_unsigned_t<T>;
};

template <typename T>
TILEGRAD_FORMULA T add(T a, T b) {
  if constexpr (kIsFloating<T>) {
    return a + b;
  } else {
    using U = typename Unsigned<T>::type;
    return static_cast<T>(static_cast<U>(static_cast<U>(a) + static_cast<U>(b)));
  }
}

template <typename T>
TILEGRAD_FORMULA T subtract(T a, T b) {
  if constexpr (kIsFloating<T>) {
    return a - b;
  } else {
    using U = typename Unsigned<T>::type;
    return static_cast<T>(static_cast<U>(static_cast<U>(a) - static_cast<U>(b)));
  }
}

template <typename T>
TILEGRAD_FORMULA T multiply(T a, T b) {
  if constexpr (kIsFloating<T>) {
    return a * b;
  } else {
    using U = typename Unsigned<T>::type;
    return static_cast<T>(static_cast<U>(static_cast<U>(a) * static_cast<U>(b)));
  }
}

template <typename T>
TILEGRAD_FORMULA T negative(T x) {
  if constexpr (kIsFloating<T>) {
    return -x;
  } else {
    return subtract(T(0), x);
  }
}

template <typename T>
TILEGRAD_FORMULA T absolute(T x) {
  if constexpr (kIsFloating<T>) {
    return magnitude(x);
  } else {
    return x < T(0) ? negative(x) : x;
  }
}

// -1, 0 or 1; NaN for NaN.
template <typename T>
TILEGRAD_FORMULA T sign(T x) {
  if constexpr (kIsFloating<T>) {
    return x > T(0) ? T(1) : x < T(0) ? T(-1) : x + T(0);  // -0 + 0 is 0
  } else {
    return static_cast<T>((x > T(0)) - (x < T(0)));
  }
}

template <typename T>
TILEGRAD_FORMULA T square_root(T x) {
  if constexpr (sizeof(T) == 4) {
    return __builtin_sqrtf(x);
  } else {
    return __builtin_sqrt(x);
  }
}

// The nearest integer, halves to even. Adding and taking away 2^kMantissaBits leaves no fraction.
template <typename T>
TILEGRAD_FORMULA T round(T x) {
  constexpr T kWhole = sizeof(T) == 4 ? T(0x1p23) : T(0x1p52);
  const T a = magnitude(x);
  const T rounded = (a + kWhole) - kWhole;
  return with_sign_of(a < kWhole ? rounded : a, x);
}

template <typename T>
TILEGRAD_FORMULA T floor(T x) {
  const T rounded = round(x);
  return with_sign_of(rounded - (rounded > x ? T(1) : T(0)), x);
}

template <typename T>
TILEGRAD_FORMULA T ceil(T x) {
  const T rounded = round(x);
  return with_sign_of(rounded + (rounded < x ? T(1) : T(0)), x);
}

// NaN wins: a comparison with it is false, and it is unequal to itself. The first choice is one instruction of a CPU, the
// second waits for no b, and so a chain of maxima is fast. a * a is NaN if a is: with a plain a in its place compilers would
// see that both choices may take it, and make one of them, by two comparisons.
template <typename T>
TILEGRAD_FORMULA T maximum(T a, T b) {
  const T larger = a > b ? a : b;
  if constexpr (std::is_integral_v<T> || std::is_class_v<T>) {
    return larger;
  } else {
    return a != a ? a * a : larger;
  }
}
template <typename T>
TILEGRAD_FORMULA T minimum(T a, T b) {
  const T smaller = a < b ? a : b;
  if constexpr (std::is_integral_v<T> || std::is_class_v<T>) {
    return smaller;
  } else {
    return a != a ? a * a : smaller;
  }
}

// min(max(x, low), high); NaN if any of them is.
template <typename T>
TILEGRAD_FORMULA T clip(T x, T low, T high) {
  const T raised = ((x < low) | (low != low)) ? low : x;
  return ((raised > high) | (high != high)) ? high : raised;
}

// a - b floor(a / b) for a >= 0 and b > 0, exactly: as long division in base 2^20 or 2^48. Each step takes away a
// multiple of b times a power of two, and what remains is a multiple of b's last bit below b times that power, so fma
// is exact.
template <typename T>
TILEGRAD_FORMULA T modulo_positive(T a, T b) {
  constexpr T kBase = sizeof(T) == 4 ? T(0x1p20) : T(0x1p48);
  T divisor = b;
  while (divisor * kBase <= a && divisor * kBase < kInfinity<T>) divisor *= kBase;
  while (true) {
    const T quotient = floor(a / divisor);
    a = fma(-quotient, divisor, a);
    if (a < T(0)) a += divisor;
    if (divisor == b) break;
    divisor /= kBase;  // exact: back the way it came
  }
  return a == b ? T(0) : a;
}

// Whether modulo_positive(|a|, |b|) is one step, which vectors can do: modulo_in_a_step(|a|, |b|), with the same bits.
template <typename T>
TILEGRAD_FORMULA bool divides_in_a_step(T a, T b) {
  constexpr T kBase = sizeof(T) == 4 ? T(0x1p20) : T(0x1p48);
  const bool is_finite = magnitude(b) < kInfinity<T>;
  return (magnitude(a) < kBase * magnitude(b)) & is_finite;
}
template <typename T>
TILEGRAD_FORMULA T modulo_in_a_step(T a, T b) {
  const T rest = fma(-floor(a / b), b, a), positive = rest < T(0) ? rest + b : rest;
  return positive == b ? T(0) : positive;
}

// Python's a % b and a // b of finite operands, b not 0, given |a| modulo |b|.
template <typename T>
TILEGRAD_FORMULA T remainder_of_modulo(T a, T b, T modulo) {
  const T truncated = with_sign_of(modulo, a);
  const T rest = (a < T(0)) == (b < T(0)) ? truncated : truncated + b;
  return modulo == T(0) ? with_sign_of(T(0), b) : rest;
}
template <typename T>
TILEGRAD_FORMULA T quotient_of_modulo(T a, T b, T modulo) {
  const T rest = with_sign_of(modulo, a);
  // a - rest is a multiple of b up to rounding, so the quotient is next to an integer: the one towards zero.
  const T ratio = (a - rest) / b, below = floor(ratio);
  const T truncated = ratio - below > T(0.5) ? below + T(1) : below;
  const T quotient = (rest != T(0)) & ((rest < T(0)) != (b < T(0))) ? truncated - T(1) : truncated;
  return quotient == T(0) ? with_sign_of(T(0), a / b) : quotient;
}

// Python's a % b: with the sign of b. Integers: 0 where b is 0. Floating: NaN where b is 0 or a is infinite.
template <typename T>
TILEGRAD_FORMULA T remainder(T a, T b) {
  if constexpr (kIsFloating<T>) {
    if (!(magnitude(a) < kInfinity<T>) || !(magnitude(b) > T(0))) return kNaN<T>;
    if (magnitude(b) == kInfinity<T>)
      return a == T(0) || (a < T(0)) == (b < T(0)) ? with_sign_of(a, a == T(0) ? b : a) : b;
    return remainder_of_modulo(a, b, modulo_positive(magnitude(a), magnitude(b)));
  } else {
    const bool simple = b == T(0) || (std::is_signed_v<T> && b == static_cast<T>(-1));  // least % -1 would overflow
    const T rest = simple ? T(0) : static_cast<T>(a % (simple ? T(1) : b));
    return rest != T(0) && (rest < T(0)) != (b < T(0)) ? static_cast<T>(rest + b) : rest;
  }
}

// Python's a // b: towards minus infinity. Integers: 0 where b is 0, and the least integer over -1 wraps to itself.
template <typename T>
TILEGRAD_FORMULA T floor_divide(T a, T b) {
  if constexpr (kIsFloating<T>) {
    if (b == T(0) || !(magnitude(a) < kInfinity<T>)) return a / b;
    if (magnitude(b) == kInfinity<T>) return a == T(0) || (a < T(0)) == (b < T(0)) ? a / b : T(-1);
    return quotient_of_modulo(a, b, modulo_positive(magnitude(a), magnitude(b)));
  } else {
    if (b == T(0)) return T(0);
    if (std::is_signed_v<T> && b == static_cast<T>(-1)) return negative(a);
    const T quotient = static_cast<T>(a / b);
    return a % b != T(0) && (a < T(0)) != (b < T(0)) ? static_cast<T>(quotient - T(1)) : quotient;
  }
}

// a^b of integers by squaring, wrapping. A negative exponent is rounded towards zero: only 1 and -1 leave anything.
template <typename T>
TILEGRAD_FORMULA T integer_power(T a, T b) {
  if (b < T(0)) return a == T(1) ? T(1) : a == static_cast<T>(-1) ? (b % T(2) != T(0) ? a : T(1)) : T(0);
  T result = T(1);
  while (b > T(0)) {
    if (b % T(2) != T(0)) result = multiply(result, a);
    a = multiply(a, a);
    b = static_cast<T>(b / T(2));
  }
  return result;
}

// Whether x differs from zero: NaN does.
template <typename T>
TILEGRAD_FORMULA bool truth(T x) {
  if constexpr (std::is_arithmetic_v<T>) {
    return x != T(0);
  } else {
    return x.value != 0;
  }
}

// The gradient of clip: 0 where it held x back.
template <typename T>
TILEGRAD_FORMULA T clip_backward(T g, T x, T low, T high) {
  return ((x < low) | (x > high)) ? T(0) : g;
}

// The gradient of maximum with respect to a; the other one is that of maximum(b, a). Equal operands share it.
template <typename T>
TILEGRAD_FORMULA T maximum_backward(T g, T a, T b) {
  return ((a > b) | (a != a)) ? g : a == b ? g * T(0.5) : T(0);
}
template <typename T>
TILEGRAD_FORMULA T minimum_backward(T g, T a, T b) {
  return ((a < b) | (a != a)) ? g : a == b ? g * T(0.5) : T(0);
}

}  // namespace
}  // namespace tilegrad::formulas
