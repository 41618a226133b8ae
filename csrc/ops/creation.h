// New arrays, and filling.
#pragma once

#include "core/array.h"
#include "core/scalar.h"

namespace tilegrad::ops {

// Writes one number into every element.
void fill(const Array& y, const Scalar& value, const char* op = "fill");

// A 0-d array of one number.
Array scalar(const char* op, const Scalar& value, DType dtype, Device device);

Array full(const Dims& shape, const Scalar& value, DType dtype, Device device, const char* op = "full");

}  // namespace tilegrad::ops
