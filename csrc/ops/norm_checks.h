// What the ops of normalisation check alike.
#pragma once

#include "core/launch.h"
#include "ops/views.h"

namespace tilegrad::ops {

inline void check_input(const char* op, const Array& x, double epsilon) {
  if (!is_floating(x.dtype())) fail(ErrorKind::dtype, "%s: x must be floating, found %s", op, x.str().c_str());
  if (!(epsilon > 0)) fail(ErrorKind::argument, "%s: eps must be positive, found %g", op, epsilon);
}

inline void check_channels(const char* op, const Array& x) {
  if (x.ndim() < 2) {
    fail(ErrorKind::shape, "%s: x must have at least two dimensions, the last of features, found %s", op,
         x.str().c_str());
  }
}

// Parameters and statistics are float32 where x has 16 bits (which only a GPU normalises).
inline bool has_16_bits(const Array& x) { return x.dtype() == DType::bfloat16 || x.dtype() == DType::float16; }
inline DType statistics_dtype(const Array& x) { return has_16_bits(x) ? DType::float32 : x.dtype(); }

inline void check_dtype(const char* op, const char* argument, const Array& vector, const Array& x) {
  if (vector.dtype() == statistics_dtype(x)) return;
  if (has_16_bits(x)) {
    fail(ErrorKind::dtype, "%s: %s is %s and must be float32 where x is %s; cast it with .astype()", op, argument,
         name(vector.dtype()), name(x.dtype()));
  }
  fail(ErrorKind::dtype, "%s: %s is %s and x is %s; cast one with .astype()", op, argument, name(vector.dtype()),
       name(x.dtype()));
}

// An optional argument of one element per channel.
inline void check_vector(const char* op, const char* argument, const Array& vector, const Array& x) {
  if (!vector) return;
  check_dtype(op, argument, vector, x);
  if (vector.ndim() != 1 || vector.size(0) != x.shape().back()) {
    fail(ErrorKind::shape, "%s: %s must be [%lld], one element per feature of x %s, found %s", op, argument,
         static_cast<long long>(x.shape().back()), x.shape().str().c_str(), vector.shape().str().c_str());
  }
}

inline Array contiguous_if(const Array& array) { return array ? contiguous(array) : array; }

inline Cost cost_of(const Array& x, double each) { return Cost::elements(static_cast<double>(x.numel()), each); }

}  // namespace tilegrad::ops
