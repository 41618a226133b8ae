// Writing into memory that exists: everything that can be refused is, before anything is written.
#pragma once

#include "core/array.h"
#include "core/launch.h"

namespace tilegrad::ops {

// Raises where two elements of x share memory (a broadcast view).
void require_writable(const char* op, const Array& x);
// Raises unless `values` broadcasts to exactly this shape.
void require_broadcastable(const char* op, const Array& values, const Dims& shape);
// Whether the memory that the two span has bytes in common.
bool may_overlap(const Array& a, const Array& b);
// `other` as it may be read while x is written: itself, or a copy where the two overlap.
Array readable(const Array& other, const Array& x);

// x = kernel(x, other): `other` has x's dtype and broadcasts to x's shape.
void binary_in_place(const char* op, const KernelName<LoopNest<3>>& kernel, const Array& x, const Array& other);

// x = values, broadcast.
void assign(const char* op, const Array& x, const Array& values);

}  // namespace tilegrad::ops
