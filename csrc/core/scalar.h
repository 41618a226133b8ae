// A Python number on its way into an array, and the element formats that need code to write.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "core/array.h"

namespace tilegrad {

struct Scalar {
  explicit Scalar(double value) : is_integer(false), real(value), integer(0) {}
  explicit Scalar(int64_t value) : is_integer(true), real(static_cast<double>(value)), integer(value) {}
  bool is_integer;
  double real;
  int64_t integer;
};

// Round to nearest even; NaN stays NaN.
inline BFloat16 to_bfloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if (value != value) return {static_cast<uint16_t>(bits >> 16 | 0x40)};
  return {static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}
inline float from_bfloat16(BFloat16 value) { return std::bit_cast<float>(static_cast<uint32_t>(value.bits) << 16); }

Float16 to_float16(double value);
float from_float16(Float16 value);

// Writes a number into one element of the given type. Refuses what the type cannot hold: an integer out of range, a
// fraction or NaN in an integer type.
void write_scalar(const char* op, const Scalar& value, DType dtype, void* element);

// Reads one element as a number.
Scalar read_scalar(DType dtype, const void* element);

}  // namespace tilegrad
