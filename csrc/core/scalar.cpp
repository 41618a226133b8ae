#include "core/scalar.h"

#include <cstring>

#include "core/error.h"

namespace tilegrad {

// IEEE binary16: 1 sign bit, 5 exponent bits (bias 15), 10 mantissa bits.
Float16 to_float16(double value) {
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const double magnitude = std::fabs(value);
  if (value != value) return {static_cast<uint16_t>(sign | 0x7e00)};
  if (magnitude >= 65520.0) return {static_cast<uint16_t>(sign | 0x7c00)};  // rounds past the largest, 65504
  // The spacing of float16 numbers here: 2^-24 for subnormals, else 2^(exponent - 10). Dividing by it is exact.
  int exponent = 0;
  std::frexp(magnitude, &exponent);
  const int spacing = magnitude < 0x1p-14 ? -24 : exponent - 11;
  const double steps = std::nearbyint(std::ldexp(magnitude, -spacing));
  const uint32_t mantissa = static_cast<uint32_t>(steps);  // 1024 to 2048 where normal, below where subnormal
  const uint32_t bits = magnitude < 0x1p-14 ? mantissa : (static_cast<uint32_t>(spacing + 24) << 10) + mantissa;
  return {static_cast<uint16_t>(sign | bits)};
}

float from_float16(Float16 value) {
  const int exponent = value.bits >> 10 & 31;
  const int mantissa = value.bits & 1023;
  float magnitude;
  if (exponent == 31) {
    magnitude = mantissa ? std::nanf("") : INFINITY;
  } else if (exponent == 0) {
    magnitude = std::ldexp(static_cast<float>(mantissa), -24);
  } else {
    magnitude = std::ldexp(static_cast<float>(mantissa + 1024), exponent - 25);
  }
  return value.bits & 0x8000 ? -magnitude : magnitude;
}

namespace {

template <typename T>
void put(void* element, T value) {
  std::memcpy(element, &value, sizeof value);
}

template <typename T>
T get(const void* element) {
  T value;
  std::memcpy(&value, element, sizeof value);
  return value;
}

int64_t whole(const char* op, const Scalar& value, DType dtype, int64_t least, int64_t most) {
  if (!value.is_integer) {
    fail(ErrorKind::dtype,
         "%s: the number %g is floating and the tensor is %s; these never mix silently: cast the tensor "
         "with .astype(tg.float32), or pass an integer",
         op, value.real, name(dtype));
  }
  if (value.integer < least || value.integer > most) {
    fail(ErrorKind::argument, "%s: the number %lld does not fit in %s", op, static_cast<long long>(value.integer),
         name(dtype));
  }
  return value.integer;
}

}  // namespace

void write_scalar(const char* op, const Scalar& value, DType dtype, void* element) {
  switch (dtype) {
    case DType::float32:
      return put(element, static_cast<float>(value.real));
    case DType::float64:
      return put(element, value.real);
    case DType::bfloat16:
      return put(element, to_bfloat16(static_cast<float>(value.real)));
    case DType::float16:
      return put(element, to_float16(value.real));
    case DType::int64:
      return put(element, whole(op, value, dtype, INT64_MIN, INT64_MAX));
    case DType::int32:
      return put(element, static_cast<int32_t>(whole(op, value, dtype, INT32_MIN, INT32_MAX)));
    case DType::uint8:
      return put(element, static_cast<uint8_t>(whole(op, value, dtype, 0, 255)));
    case DType::boolean:
      return put(element, static_cast<uint8_t>(whole(op, value, dtype, 0, 1)));
  }
}

Scalar read_scalar(DType dtype, const void* element) {
  switch (dtype) {
    case DType::float32:
      return Scalar(static_cast<double>(get<float>(element)));
    case DType::float64:
      return Scalar(get<double>(element));
    case DType::bfloat16:
      return Scalar(static_cast<double>(from_bfloat16(get<BFloat16>(element))));
    case DType::float16:
      return Scalar(static_cast<double>(from_float16(get<Float16>(element))));
    case DType::int64:
      return Scalar(get<int64_t>(element));
    case DType::int32:
      return Scalar(int64_t{get<int32_t>(element)});
    case DType::uint8:
      return Scalar(int64_t{get<uint8_t>(element)});
    case DType::boolean:
      return Scalar(int64_t{get<uint8_t>(element)});
  }
  return Scalar(int64_t{0});
}

}  // namespace tilegrad
