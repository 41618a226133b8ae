// Conversions between all element types. What each gives where the value does not fit:
//   floating to integer     truncates towards zero, saturates, and takes NaN to 0;
//   integer to integer      keeps the low bits (wraps), as C and NumPy do;
//   anything to bool        is whether it differs from zero, so NaN is true;
//   anything to floating    rounds once, to nearest even; too large is infinity.
#pragma once

#include <type_traits>

#include "core/dtype.h"
#include "formulas/floating.h"

namespace tilegrad::formulas {
namespace {

TILEGRAD_FORMULA float widen(BFloat16 x) { return from_bits<float>(static_cast<uint32_t>(x.bits) << 16); }

// GPUs have instructions for 16-bit floats that round alike; what they make of a NaN's bits is their own, so NaNs go the way
// of the CPU's.
TILEGRAD_FORMULA float widen(Float16 x) {
#if defined(__CUDA_ARCH__)
  float number;
  asm("cvt.f32.f16 %0, %1;" : "=f"(number) : "h"(x.bits));
  const uint32_t nan =
      static_cast<uint32_t>(x.bits & 0x8000) << 16 | 0x7f800000u | static_cast<uint32_t>(x.bits & 0x3ff) << 13;
  return number == number ? number : from_bits<float>(nan);
#else
  const uint32_t sign = static_cast<uint32_t>(x.bits & 0x8000) << 16;
  const uint32_t shifted = static_cast<uint32_t>(x.bits & 0x7fff) << 13;
  constexpr uint32_t kRebias = (127 - 15) << 23;
  const uint32_t normal = shifted + kRebias;
  const uint32_t special = normal + kRebias;  // infinity and NaN: the exponent's ones, moved up once more
  // A subnormal m 2^-24 has the bits of (1 + m 2^-10) 2^-14 but for the leading one.
  const float subnormal = from_bits<float>(shifted + (113u << 23)) - 0x1p-14f;
  const float magnitude = shifted < (1u << 23)     ? subnormal
                          : shifted >= (31u << 23) ? from_bits<float>(special)
                                                   : from_bits<float>(normal);
  return from_bits<float>(bits_of(magnitude) | sign);
#endif
}

TILEGRAD_FORMULA BFloat16 narrow_to_bfloat16(float x) {
  const uint32_t bits = bits_of(x);
#if defined(__CUDA_ARCH__)
  uint16_t rounded;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(rounded) : "f"(x));
#else
  const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
#endif
  const uint32_t nan = (bits >> 16) | 0x40;
  return {static_cast<uint16_t>(x == x ? rounded : nan)};
}

TILEGRAD_FORMULA Float16 narrow_to_float16(float x) {
  const uint32_t sign = (bits_of(x) >> 16) & 0x8000;
#if defined(__CUDA_ARCH__)
  uint16_t rounded;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(rounded) : "f"(x));
  return {x == x ? rounded : static_cast<uint16_t>(0x7e00 | sign)};
#else
  const float a = magnitude(x);
  const uint32_t bits = bits_of(a);
  const uint32_t normal = (bits - ((127u - 15u) << 23) + 0xfff + ((bits >> 13) & 1)) >> 13;
  const uint32_t subnormal = bits_of(a + 0.5f) - bits_of(0.5f);  // the last place of 0.5 is 2^-24
  uint32_t result = a < 0x1p-14f ? subnormal : normal;
  result = a >= 65520.0f ? 0x7c00 : result;
  result = a == a ? result : 0x7e00;
  return {static_cast<uint16_t>(result | sign)};
#endif
}

// A float on the way to one of 16 bits, rounded to odd: rounding it again gives what rounding once would have.
TILEGRAD_FORMULA float narrow_to_odd(double x) {
  const float nearest = static_cast<float>(x);
  const double back = nearest;
  const uint32_t bits = bits_of(nearest);
  const uint32_t towards_zero = magnitude(back) > magnitude(x) ? bits - 1 : bits;
  return (back < x) | (back > x) ? from_bits<float>(towards_zero | 1) : nearest;
}

// A double that rounds like the integer: its low bits become one bit that tells whether any was set.
TILEGRAD_FORMULA double to_double_sticky(int64_t x) {
  const bool exact = x < (int64_t{1} << 52) && x > -(int64_t{1} << 52);
  return static_cast<double>(exact ? x : (x & ~int64_t{0xfff}) | ((x & 0xfff) != 0 ? 0x800 : 0));
}

// Truncates. Masks instead of selections, of which gcc makes branches or does some twice. What does not fit is converted as 0,
// and the integers' end, which its sign says, is put in its place, but for NaN.
template <typename To, typename From>
TILEGRAD_FORMULA To saturate(From x) {
  if constexpr (sizeof(To) == 1) {
    const From low = x > From(0) ? x : From(0);  // and NaN
    return static_cast<To>(static_cast<int32_t>(low > From(255) ? From(255) : low));
  } else {
    using Bits = typename Floating<From>::Bits;
    constexpr From kEnd = sizeof(To) == 4 ? From(0x1p31) : From(0x1p63);
    constexpr To kMost = sizeof(To) == 4 ? To(INT32_MAX) : To(INT64_MAX);
    const Bits fits = -static_cast<Bits>(magnitude(x) < kEnd);
    const To beyond = -static_cast<To>(magnitude(x) >= kEnd), negative = -static_cast<To>(x < From(0));
    return static_cast<To>(from_bits<From>(bits_of(x) & fits)) | (beyond & (kMost ^ negative));
  }
}

template <typename T>
inline constexpr bool kIsHalf = std::is_same_v<T, BFloat16> || std::is_same_v<T, Float16>;

template <typename To, typename From>
TILEGRAD_FORMULA To cast(From x) {
  if constexpr (std::is_same_v<To, From>) {
    return x;
  } else if constexpr (kIsHalf<From>) {
    return cast<To>(widen(x));
  } else if constexpr (std::is_same_v<From, Bool>) {
    return cast<To>(x.value);
  } else if constexpr (std::is_same_v<To, Bool>) {
    return {static_cast<uint8_t>(x != From(0))};
  } else if constexpr (kIsHalf<To>) {
    float rounded;
    if constexpr (std::is_same_v<From, int64_t>) {
      rounded = narrow_to_odd(to_double_sticky(x));
    } else if constexpr (std::is_same_v<From, int32_t> || std::is_same_v<From, double>) {
      rounded = narrow_to_odd(static_cast<double>(x));
    } else {
      rounded = static_cast<float>(x);
    }
    if constexpr (std::is_same_v<To, BFloat16>) {
      return narrow_to_bfloat16(rounded);
    } else {
      return narrow_to_float16(rounded);
    }
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    return saturate<To>(x);
  } else {
    return static_cast<To>(x);
  }
}

}  // namespace
}  // namespace tilegrad::formulas
