// Reading and writing at places that index arrays choose (int64, int32 or uint8; negative ones count from the end), and
// the places that a mask chooses.
#pragma once

#include <optional>
#include <vector>

#include "core/array.h"

namespace tilegrad::ops {

// One index array, or none, for each axis of x. They broadcast to one shape B; the result has the axes without an index,
// and B in place of the indexed ones: where these stood if they were neighbours, and in front otherwise or if asked.
using Indices = std::vector<std::optional<Array>>;

Array gather(const char* op, const Array& x, const Indices& indices, bool in_front);
// weight[indices], where negative indices are refused: a missing word must not become the last one.
Array embedding(const Array& weight, const Array& indices);
// x[indices] = values and x[indices] += values, in ascending order of the indices' positions. The values broadcast.
void scatter(const char* op, const Array& x, const Indices& indices, bool in_front, const Array& values);
void scatter_add(const char* op, const Array& x, const Indices& indices, bool in_front, const Array& values);

// The indices have x's shape but for `axis`: y[i, j, k] = x[i, index[i, j, k], k] for axis 1.
Array take_along_axis(const char* op, const Array& x, const Array& index, int64_t axis);
// y[i, index[i, j, k], k] += values[i, j, k].
void scatter_add_along_axis(const char* op, const Array& y, const Array& index, int64_t axis, const Array& values);

// [..., classes] with 1 at each index and 0 elsewhere. Negative indices are refused.
Array one_hot(const Array& index, int64_t classes, DType dtype);

// The coordinates of all elements that are not zero, [ndim, found] in row-major order.
Array nonzero(const Array& x);

}  // namespace tilegrad::ops
