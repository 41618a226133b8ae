// sin and cos. Arguments up to kTrigonometricLimit are reduced to a quarter turn by Cody and Waite's subtraction of a
// multiple of pi / 2 given in parts, without branches; beyond it by Payne and Hanek's multiplication with those bits of
// 2 / pi that matter. Bounds on the errors are in docs/numerics.md.
#pragma once

#include "formulas/power.h"

namespace tilegrad::formulas {
namespace {

template <typename T>
inline constexpr T kTrigonometricLimit = T(0x1p20);

// An angle: quarters (an integer) times pi / 2, and the rest in two parts, at most pi / 4.
struct Angle {
  double quarters, rest, rest_low;
};

// sin of an angle with the precision of a float; the polynomials are (sin(r) - r) / r^3 and (cos(r) - 1 + r^2 / 2) /
// r^4 as functions of r^2: tools/fit_formulas.py sin32, cos32.
TILEGRAD_FORMULA double sin_to_float(Angle angle) {
  const double r = angle.rest, z = r * r;
  const double sine =
      r +
      r * z * polynomial(z, -0x1.5555554ca92ecp-3, 0x1.11110889f4864p-7, -0x1.a00f93979a085p-13, 0x1.6cd5ebfe5548dp-19);
  const double cosine = (1.0 - 0.5 * z) + z * z *
                                              polynomial(z, 0x1.5555554f42904p-5, -0x1.6c16b88bf4bfep-10,
                                                         0x1.a011178e7effcp-16, -0x1.2429098080593p-22);
  const double half = angle.quarters * 0.5, pairs = round_small(half - 0.25);  // floor(quarters / 2)
  const double value = half == pairs ? sine : cosine;
  return pairs * 0.5 == round_small(pairs * 0.5) ? value : -value;
}

// The same to double precision: sin64, cos64.
TILEGRAD_FORMULA double sin_to_double(Angle angle) {
  const double r = angle.rest, low = angle.rest_low, z = r * r;
  const double sine =
      r + (r * z *
               polynomial(z, -0x1.5555555555555p-3, 0x1.111111111110bp-7, -0x1.a01a01a018ab3p-13, 0x1.71de3a5335623p-19,
                          -0x1.ae645292dfa78p-26, 0x1.61208f32f2d1p-33, -0x1.aaa380d14f819p-41) +
           low * (1.0 - 0.5 * z));
  const double half_square = 0.5 * z, most = 1.0 - half_square;
  const double cosine = most + (((1.0 - most) - half_square) +
                                (z * z *
                                     polynomial(z, 0x1.5555555555555p-5, -0x1.6c16c16c16c1p-10, 0x1.a01a01a018dbfp-16,
                                                -0x1.27e4fb75fa93ep-22, 0x1.1eed8ca060606p-29, -0x1.9393347b9c765p-37,
                                                0x1.aac3f4601cdf3p-45) -
                                 r * low));
  const double half = angle.quarters * 0.5, pairs = round_small(half - 0.25);
  const double value = half == pairs ? sine : cosine;
  return pairs * 0.5 == round_small(pairs * 0.5) ? value : -value;
}

// The reduction within the limit: products with the leading parts of pi / 2 (33 bits each) are exact.
TILEGRAD_FORMULA Angle reduce(float x) {
  const double wide = x;
  const double n = round_small(wide * 0x1.45f306dc9c883p-1);
  return {n, (wide - n * 0x1.921fb54400000p+0) - n * 0x1.0b4611a626331p-34, 0.0};
}
TILEGRAD_FORMULA Angle reduce(double x) {
  const double n = round_small(x * 0x1.45f306dc9c883p-1);
  const Exact<double> second = two_sum(x - n * 0x1.921fb54400000p+0, -n * 0x1.0b4611a600000p-34);
  const Exact<double> third = two_sum(second.sum, -n * 0x1.3198a2e000000p-69);
  const Exact<double> rest = quick_two_sum(third.sum, second.error + (third.error - n * 0x1.b839a252049c1p-104));
  return {n, rest.sum, rest.error};
}

TILEGRAD_FORMULA int leading_zeros(uint64_t x) {
#if defined(__CUDA_ARCH__)
  return __clzll(static_cast<long long>(x));
#else
  return __builtin_clzll(x);
#endif
}

// The reduction of any finite x >= 1: x is mantissa * 2^exponent, of whose product with 2 / pi only the remainder
// modulo 4 matters, so that words of 2 / pi above it fall away, and words far below do not count.
TILEGRAD_FORMULA_CALL Angle reduce_beyond(double x) {
  constexpr uint64_t kTwoOverPi[] = {0xa2f9836e4e441529, 0xfc2757d1f534ddc0, 0xdb6295993c439041, 0xfe5163abdebbc561,
                                     0xb7246e3a424dd2e0, 0x06492eea09d1921c, 0xfe1deb1cb129a73e, 0xe88235f52ebb4484,
                                     0xe99c7026b45f7e41, 0x3991d639835339f4, 0x9c845f8bbdf9283b, 0x1ff897ffde05980f,
                                     0xef2f118b5a0a6d1f, 0x6d367ecf27cb09b7, 0x4f463f669e5fea2d, 0x7527bac7ebe5f17b,
                                     0x3d0739f78a5292ea, 0x6bfb5fb11f8d5d08, 0x56033046fc7b6bab, 0xf0cfbc209af4361d};
  const uint64_t bits = bits_of(x);
  const uint64_t mantissa = (bits & ((uint64_t{1} << 52) - 1)) | (uint64_t{1} << 52);
  const int exponent = static_cast<int>(bits >> 52) - 1075;
  const int first = exponent <= 2 ? 0 : (exponent - 2) / 64;
  const int shift = 130 - (exponent - 64 * first);  // to two bits of whole quarters and 126 of their fraction
  uint64_t product[7] = {};
  unsigned __int128 carry = 0;
  for (int i = 0; i < 4; ++i) {
    carry += static_cast<unsigned __int128>(mantissa) * kTwoOverPi[first + 3 - i];
    product[i] = static_cast<uint64_t>(carry);
    carry >>= 64;
  }
  product[4] = static_cast<uint64_t>(carry);
  const int word = shift / 64, bit = shift % 64;
  const unsigned __int128 lower = product[word] | static_cast<unsigned __int128>(product[word + 1]) << 64;
  unsigned __int128 fixed = lower >> bit;
  if (bit) fixed |= static_cast<unsigned __int128>(product[word + 2]) << (128 - bit);
  double quarters = static_cast<double>(static_cast<uint64_t>(fixed >> 126));
  unsigned __int128 fraction = fixed << 2;
  const bool upper = fraction >> 127;  // more than half a quarter: back from the next one
  if (upper) {
    quarters += 1.0;
    fraction = -fraction;
  }
  // The fraction in two doubles, of 53 and 53 bits.
  const uint64_t top = static_cast<uint64_t>(fraction >> 64);
  const int zeros = top ? leading_zeros(top) : 63;
  const unsigned __int128 aligned = fraction << zeros;
  const double unit = power_of_two(static_cast<double>(-zeros));
  double high = static_cast<double>(static_cast<uint64_t>(aligned >> 75)) * 0x1p-53 * unit;
  double low = static_cast<double>(static_cast<uint64_t>(aligned >> 22) & ((uint64_t{1} << 53) - 1)) * 0x1p-106 * unit;
  if (upper) {
    high = -high;
    low = -low;
  }
  const Exact<double> product_high = two_product(high, 0x1.921fb54442d18p+0);
  const Exact<double> rest =
      quick_two_sum(product_high.sum, product_high.error + (high * 0x1.1a62633145c07p-54 + low * 0x1.921fb54442d18p+0));
  return {quarters, rest.sum, rest.error};
}

TILEGRAD_FORMULA float sin_within(float x) {
  const float result = static_cast<float>(sin_to_float(reduce(x)));
  return magnitude(x) < Floating<float>::kTiny ? x : result;
}
TILEGRAD_FORMULA double sin_within(double x) {
  const double result = sin_to_double(reduce(x));
  return magnitude(x) < Floating<double>::kTiny ? x : result;
}

// cos(x) = sin(x + pi / 2).
TILEGRAD_FORMULA Angle next_quarter(Angle angle) { return {angle.quarters + 1.0, angle.rest, angle.rest_low}; }
TILEGRAD_FORMULA float cos_within(float x) { return static_cast<float>(sin_to_float(next_quarter(reduce(x)))); }
TILEGRAD_FORMULA double cos_within(double x) { return sin_to_double(next_quarter(reduce(x))); }

template <typename T>
TILEGRAD_FORMULA T sin_beyond(T x) {
  if (!(magnitude(x) < kInfinity<T>)) return kNaN<T>;
  const T result = static_cast<T>(sin_to_double(reduce_beyond(static_cast<double>(magnitude(x)))));
  return x < T(0) ? -result : result;
}
template <typename T>
TILEGRAD_FORMULA T cos_beyond(T x) {
  if (!(magnitude(x) < kInfinity<T>)) return kNaN<T>;
  return static_cast<T>(sin_to_double(next_quarter(reduce_beyond(static_cast<double>(magnitude(x))))));
}

}  // namespace
}  // namespace tilegrad::formulas
