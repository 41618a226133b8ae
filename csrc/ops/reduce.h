// Reductions over any axes: which axes, output shape, launch.
#pragma once

#include <optional>
#include <variant>

#include "core/array.h"
#include "core/launch.h"

namespace tilegrad::ops {

// None (all axes), one axis or several; negative ones count from the end.
using Axes = std::optional<std::variant<int64_t, Dims>>;

// Axes found and split: what is reduced and what is left.
struct Reduction {
  Dims shape;    // of the output
  Reduce params; // divisor 1
  int64_t count; // elements that go into each output
};
Reduction plan_reduction(const char *op, const Array &x, const Axes &axes,
                         bool keepdims);

// Integers and booleans sum to int64, which wraps around. The sum of nothing is
// 0.
Array sum(const Array &x, const Axes &axes, bool keepdims);

} // namespace tilegrad::ops
