// Elementwise ops: broadcasting, dtype rules, output and launch. The functions are generated from kernels.inc.
#pragma once

#include "core/array.h"
#include "core/launch.h"

namespace tilegrad::ops {

Array unary(const KernelName<LoopNest<2>>& kernel, const Array& x);
Array binary(const KernelName<LoopNest<3>>& kernel, const Array& a, const Array& b);

// The same with the result written into y, which may be an operand itself.
void unary_into(const KernelName<LoopNest<2>>& kernel, const Array& x, const Array& y);
void binary_into(const KernelName<LoopNest<3>>& kernel, const Array& a, const Array& b, const Array& y);

// Raises unless both have one dtype and one device.
void require_same_kind(const char* op, const Array& a, const Array& b);

#define KERNEL(name, DTYPES, ...)
#define UNARY(name, DTYPES, formula) \
  inline Array name(const Array& x) { return unary(kernels::name, x); }
#define BINARY(name, DTYPES, formula) \
  inline Array name(const Array& a, const Array& b) { return binary(kernels::name, a, b); }
#include "kernels.inc"
#undef KERNEL

}  // namespace tilegrad::ops
