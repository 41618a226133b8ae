// The element types an Array can hold, and the C++ type behind each.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tilegrad {

// The order is part of the kernel tables: KernelSet is indexed by it.
enum class DType : uint8_t { float32, float64, bfloat16, float16, int64, int32, uint8, boolean };
inline constexpr int kDTypeCount = 8;

// 16-bit floats are storage types on the CPU: they are cast, copied and indexed, never computed with.
struct BFloat16 {
  uint16_t bits;
};
struct Float16 {
  uint16_t bits;
};

// A bool of its own: one byte, 0 or 1, that vectorises like uint8_t.
struct Bool {
  uint8_t value;

#define TILEGRAD_COMPARE(op) \
  [[gnu::always_inline]] friend constexpr bool operator op(Bool a, Bool b) { return a.value op b.value; }
  TILEGRAD_COMPARE(==)
  TILEGRAD_COMPARE(!=)
  TILEGRAD_COMPARE(<)
  TILEGRAD_COMPARE(<=)
  TILEGRAD_COMPARE(>)
  TILEGRAD_COMPARE(>=)
#undef TILEGRAD_COMPARE
};

constexpr size_t item_size(DType dtype) {
  constexpr size_t sizes[kDTypeCount] = {4, 8, 2, 2, 8, 4, 1, 1};
  return sizes[static_cast<int>(dtype)];
}

constexpr const char* name(DType dtype) {
  constexpr const char* names[kDTypeCount] = {"float32", "float64", "bfloat16", "float16",
                                              "int64",   "int32",   "uint8",    "bool"};
  return names[static_cast<int>(dtype)];
}

// Real arithmetic types (what a gradient can flow through).
constexpr bool is_floating(DType d) {
  return d == DType::float32 || d == DType::float64 || d == DType::bfloat16 || d == DType::float16;
}
constexpr bool is_integer(DType d) { return d == DType::int64 || d == DType::int32 || d == DType::uint8; }

template <typename T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::float32;
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::float64;
};
template <>
struct DTypeOf<BFloat16> {
  static constexpr DType value = DType::bfloat16;
};
template <>
struct DTypeOf<Float16> {
  static constexpr DType value = DType::float16;
};
template <>
struct DTypeOf<int64_t> {
  static constexpr DType value = DType::int64;
};
template <>
struct DTypeOf<int32_t> {
  static constexpr DType value = DType::int32;
};
template <>
struct DTypeOf<uint8_t> {
  static constexpr DType value = DType::uint8;
};
template <>
struct DTypeOf<Bool> {
  static constexpr DType value = DType::boolean;
};

}  // namespace tilegrad
