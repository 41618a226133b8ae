// Arrays that share their source's memory, and the copies where a view cannot do.
#pragma once

#include "core/array.h"

namespace tilegrad::ops {

// A view where the strides allow one, else a contiguous copy. One size may be -1: it is inferred.
Array reshape(const Array& x, const Dims& shape);

// Axis i of the result is axis axes[i] of x; negative axes count from the end.
Array permute(const Array& x, const Dims& axes);

Array expand_dims(const Array& x, int64_t axis);
// Removes all axes of size 1, or one of them.
Array squeeze(const Array& x);
Array squeeze(const Array& x, int64_t axis);

// Stretches axes of size 1 (and adds leading ones) by stride 0.
Array broadcast_to(const Array& x, const Dims& shape);

// `count` elements along an axis from `start` in steps of `step`, which may be negative: x[start], x[start + step], ...
Array slice(const Array& x, int64_t axis, int64_t start, int64_t count, int64_t step);
// The elements whose indices along two axes differ by `offset` (axis b's from axis a's), along a new last axis.
Array diagonal(const Array& x, int64_t offset, int64_t a, int64_t b);
// One element along an axis, which goes.
Array select(const Array& x, int64_t axis, int64_t index);

// x itself when it is contiguous, else a contiguous copy.
Array contiguous(const Array& x);
// A contiguous copy in memory of its own.
Array copy(const Array& x);
// Writes x, broadcast, into y.
void copy_into(const Array& x, const Array& y);

// An axis in [0, ndim), from one that may count from the end; IndexError otherwise.
int normalize_axis(const char* op, int64_t axis, int ndim);

}  // namespace tilegrad::ops
