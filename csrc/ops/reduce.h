// Reductions over any axes: which axes, output shape, launch.
#pragma once

#include <optional>
#include <utility>
#include <variant>

#include "core/array.h"
#include "core/launch.h"

namespace tilegrad::ops {

// None (all axes), one axis or several; negative ones count from the end.
using Axes = std::optional<std::variant<int64_t, Dims>>;

// The sum of nothing is 0. Integers and booleans sum to int64, which wraps around.
Array sum(const Array& x, const Axes& axes, bool keepdims);
// The product of nothing is 1.
Array prod(const Array& x, const Axes& axes, bool keepdims);
Array prod_backward(const Array& x, const Array& grad, const Axes& axes);

// The mean of nothing is NaN.
Array mean(const Array& x, const Axes& axes, bool keepdims);
// The sum of (x - mean)^2 over (count - correction), or its root.
Array variance(const char* op, const Array& x, const Axes& axes, double correction, bool keepdims, bool root);
// The root of the sum of squares.
Array norm2(const Array& x, const Axes& axes, bool keepdims);
Array logsumexp(const Array& x, const Axes& axes, bool keepdims);

// The largest or smallest element, and, if wanted, where the first such one is in the row-major sequence of the reduced
// axes. NaN counts as larger and smaller than every number.
std::pair<Array, Array> extremum(const char* op, bool largest, const Array& x, const Axes& axes, bool keepdims,
                                 bool want_index);
// A gradient for every element of `shape`: that of its output for the chosen elements, 0 for the others.
Array extremum_backward(const Array& grad, const Array& index, const Dims& shape, const Axes& axes);

Array any(const Array& x, const Axes& axes, bool keepdims);
Array all(const Array& x, const Axes& axes, bool keepdims);

// Running sums along an axis, from its end if `reverse`.
Array cumsum(const Array& x, int64_t axis, bool reverse);

// How many elements each output of a reduction is made of.
int64_t reduced_count(const char* op, const Array& x, const Axes& axes);

}  // namespace tilegrad::ops
