// Checked arithmetic for sizes: a shape whose element count or byte count does not fit is refused, never wrapped.
#pragma once

#include <cstdint>

#include "core/error.h"

namespace tilegrad {

inline int64_t checked_multiply(int64_t a, int64_t b, const char* what) {
  int64_t product;
  if (__builtin_mul_overflow(a, b, &product)) {
    fail(ErrorKind::argument, "%s: the size %lld x %lld does not fit in 64 bits", what, static_cast<long long>(a),
         static_cast<long long>(b));
  }
  return product;
}

inline int64_t checked_add(int64_t a, int64_t b, const char* what) {
  int64_t sum;
  if (__builtin_add_overflow(a, b, &sum)) {
    fail(ErrorKind::argument, "%s: the size %lld + %lld does not fit in 64 bits", what, static_cast<long long>(a),
         static_cast<long long>(b));
  }
  return sum;
}

}  // namespace tilegrad
