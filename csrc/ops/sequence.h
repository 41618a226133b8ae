// New arrays that are functions of their indices.
#pragma once

#include "core/array.h"
#include "core/scalar.h"

namespace tilegrad::ops {

// start, start + step, ... up to but without stop.
Array arange(const Scalar& start, const Scalar& stop, const Scalar& step, DType dtype, Device device);
// `count` evenly spaced numbers, the last of which is `stop`.
Array linspace(double start, double stop, int64_t count, DType dtype, Device device);
// [rows, columns], ones where column - row is `diagonal`.
Array eye(int64_t rows, int64_t columns, int64_t diagonal, DType dtype, Device device);
// x [..., rows, columns] with zeros where column - row lies outside [least, most].
Array band(const char* op, const Array& x, int64_t least, int64_t most);

}  // namespace tilegrad::ops
