// Elementwise ops: broadcasting, dtype rules, output and launch. The functions are generated from elementwise.inc.
//
// Every operand of a call has one dtype and one device; nothing is converted silently. Outputs are new arrays whose
// dimensions lie in memory in the order of the first operand that has the output's shape.
#pragma once

#include "core/array.h"
#include "core/launch.h"

namespace tilegrad::ops {

Array unary(const KernelName<LoopNest<2>>& kernel, const Array& x);
Array binary(const KernelName<LoopNest<3>>& kernel, const Array& a, const Array& b);
Array ternary(const KernelName<LoopNest<4>>& kernel, const Array& a, const Array& b, const Array& c);
// The same with an output of bools.
Array predicate(const KernelName<LoopNest<2>>& kernel, const Array& x);
Array comparison(const KernelName<LoopNest<3>>& kernel, const Array& a, const Array& b);

// The same with the result written into y, which may be an operand itself.
void unary_into(const KernelName<LoopNest<2>>& kernel, const Array& x, const Array& y);
void binary_into(const KernelName<LoopNest<3>>& kernel, const Array& a, const Array& b, const Array& y);

// x in another dtype; x itself where it has that dtype already.
Array cast(const Array& x, DType dtype);

// Elements of a where the condition (bools) holds, of b elsewhere; all three broadcast.
Array where(const Array& condition, const Array& a, const Array& b);

// min(max(x, low), high), and its gradient: g where x is within the bounds, else 0.
Array clip(const Array& x, const Array& low, const Array& high);
Array clip_backward(const Array& g, const Array& x, const Array& low, const Array& high);

// a b + c, rounded once.
Array fused_multiply_add(const Array& a, const Array& b, const Array& c);

// leaky_relu with a slope that is one number, or one for each element of the last axis.
Array prelu(const Array& x, const Array& slope);

Array sin(const Array& x);
Array cos(const Array& x);

// Raises unless both have one dtype and one device.
void require_same_kind(const char* op, const Array& a, const Array& b);

#define KERNEL(name, DTYPES, ...)
#define CAST(name, To)
#define UNARY(name, DTYPES, formula) \
  inline Array name(const Array& x) { return unary(kernels::name, x); }
#define PREDICATE(name, DTYPES, formula) \
  inline Array name(const Array& x) { return predicate(kernels::name, x); }
#define BINARY(name, DTYPES, formula) \
  inline Array name(const Array& a, const Array& b) { return binary(kernels::name, a, b); }
#define COMPARISON(name, DTYPES, formula) \
  inline Array name(const Array& a, const Array& b) { return comparison(kernels::name, a, b); }
#define TERNARY(name, DTYPES, formula) \
  inline Array name(const Array& a, const Array& b, const Array& c) { return ternary(kernels::name, a, b, c); }
#include "elementwise.inc"
#undef KERNEL

}  // namespace tilegrad::ops
