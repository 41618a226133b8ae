#pragma once

#include "core/array.h"

namespace tilegrad::ops {

struct Sorted {
  Array values;
  Array indices;  // int64: where each value was
};

// Stable; NaN counts as larger than every number.
Sorted sort(const char* op, const Array& x, int64_t axis, bool descending);

// The first `kept` of it.
Sorted top(const char* op, const Array& x, int64_t axis, int64_t kept, bool descending);

}  // namespace tilegrad::ops
