#pragma once

#include "core/array.h"

namespace tilegrad::ops {

struct Sorted {
  Array values;
  Array indices;  // int64: where each value was
};

// Stable; NaN counts as larger than every number. Of what is not wanted there is no array.
enum class Wanted : uint8_t { values, indices, both };
Sorted sort(const char* op, const Array& x, int64_t axis, bool descending, Wanted wanted);

// The first `kept` of it.
Sorted top(const char* op, const Array& x, int64_t axis, int64_t kept, bool descending);

}  // namespace tilegrad::ops
