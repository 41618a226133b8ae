// Checked arithmetic for sizes: a shape whose element count or byte count does not fit is refused, never wrapped.
#pragma once

#include <cstdint>

#include "core/error.h"

namespace tilegrad {

// `op` is null where it is not known.
[[noreturn, gnu::cold]] void fail_for_size(int64_t a, char sign, int64_t b, const char* op);

inline int64_t checked_multiply(int64_t a, int64_t b, const char* op) {
  int64_t product;
  if (__builtin_mul_overflow(a, b, &product)) fail_for_size(a, 'x', b, op);
  return product;
}

inline int64_t checked_add(int64_t a, int64_t b, const char* op) {
  int64_t sum;
  if (__builtin_add_overflow(a, b, &sum)) fail_for_size(a, '+', b, op);
  return sum;
}

}  // namespace tilegrad
