#include "ops/reduce.h"

#include <algorithm>

#include "core/size.h"
#include "ops/axis_blocks.h"
#include "ops/loop_nest.h"
#include "ops/views.h"

namespace tilegrad::ops {
namespace {

// A bit for every axis that is reduced.
uint64_t reduced_axes(const char* op, const Array& x, const Axes& axes) {
  if (!axes) return (uint64_t{1} << x.ndim()) - 1;
  if (const int64_t* axis = std::get_if<int64_t>(&*axes)) return uint64_t{1} << normalize_axis(op, *axis, x.ndim());
  uint64_t reduced = 0;
  for (int64_t axis : std::get<Dims>(*axes)) {
    const uint64_t bit = uint64_t{1} << normalize_axis(op, axis, x.ndim());
    if (reduced & bit) {
      fail(ErrorKind::argument, "%s: axis %lld comes twice in %s for %s", op, static_cast<long long>(axis),
           std::get<Dims>(*axes).str().c_str(), x.str().c_str());
    }
    reduced |= bit;
  }
  return reduced;
}

// Axes found and split: what is reduced and what is left.
struct Reduction {
  Dims shape;  // of the output
  Reduce params;

  Reduction(const char* op, const Array& x, const Axes& axes, bool keepdims) {
    const uint64_t reduced = reduced_axes(op, x, axes);
    Dims inner, inner_strides, outer, outer_strides;
    for (int d = 0; d < x.ndim(); ++d) {
      const bool gone = reduced >> d & 1;
      (gone ? inner : outer).push_back(x.size(d));
      (gone ? inner_strides : outer_strides).push_back(x.stride(d));
      if (!gone || keepdims) shape.push_back(gone ? 1 : x.size(d));
    }
    params.outer = make_nest<1>(outer, {outer_strides});
    params.inner = make_nest<1>(inner, {inner_strides});
    params.divisor = 1;
    params.root = 0;
  }
  int64_t count() const { return params.inner.numel; }

  // The parts of chunks are kept for a second step where outputs alone are too few to occupy a team. A function of the
  // sizes, and part of no result.
  size_t workspace() const {
    constexpr int64_t kChunk = 1024, kFewOutputs = 4096;
    if (count() <= kChunk || params.outer.numel == 0 || params.outer.numel > kFewOutputs) return 0;
    return static_cast<size_t>(params.outer.numel * ((count() + kChunk - 1) / kChunk)) * sizeof(int64_t);
  }
};

// About 10 elements a nanosecond from cache.
Cost cost_of(const Array& x, double each = 0.1) { return Cost::elements(static_cast<double>(x.numel()), each); }

void require_floating(const char* op, const Array& x) {
  if (!is_floating(x.dtype())) {
    fail(ErrorKind::dtype, "%s: expected a floating tensor, found %s; cast it with .astype()", op, x.str().c_str());
  }
}

// A reduction to x's own dtype, or of integers to int64.
Array reduce_numbers(const char* op, const KernelName<Reduce>& floating, const KernelName<Reduce>& integers,
                     const Array& x, const Axes& axes, bool keepdims) {
  const Reduction plan(op, x, axes, keepdims);
  const bool is_float = is_floating(x.dtype());
  Array y = Array::empty(plan.shape, is_float ? x.dtype() : DType::int64, x.device());
  launch(is_float ? floating : integers, x.dtype(), plan.params, {reads(x), writes(y)}, cost_of(x), plan.workspace());
  return y;
}

Array reduce_truth(const char* op, const KernelName<Reduce>& kernel, const Array& x, const Axes& axes, bool keepdims) {
  const Reduction plan(op, x, axes, keepdims);
  Array y = Array::empty(plan.shape, DType::boolean, x.device());
  launch(kernel, x.dtype(), plan.params, {reads(x), writes(y)}, cost_of(x), plan.workspace());
  return y;
}

}  // namespace

Array sum(const Array& x, const Axes& axes, bool keepdims) {
  return reduce_numbers("sum", kernels::sum, kernels::sum_integers, x, axes, keepdims);
}

Array prod(const Array& x, const Axes& axes, bool keepdims) {
  return reduce_numbers("prod", kernels::prod, kernels::prod_integers, x, axes, keepdims);
}

Array prod_backward(const Array& strided, const Array& grad, const Axes& axes) {
  const Array x = contiguous(strided), g = contiguous(grad);
  const Reduction plan("prod", x, axes, false);
  Array dx = Array::empty(x.shape(), x.dtype(), x.device());
  launch(kernels::prod_backward, x.dtype(), plan.params, {reads(x), reads(g), writes(dx)}, cost_of(x, 2));
  return dx;
}

Array mean(const Array& x, const Axes& axes, bool keepdims) {
  require_floating("mean", x);
  Reduction plan("mean", x, axes, keepdims);
  plan.params.divisor = static_cast<double>(plan.count());
  Array y = Array::empty(plan.shape, x.dtype(), x.device());
  launch(kernels::sum, x.dtype(), plan.params, {reads(x), writes(y)}, cost_of(x), plan.workspace());
  return y;
}

Array variance(const char* op, const Array& x, const Axes& axes, double correction, bool keepdims, bool root) {
  require_floating(op, x);
  Reduction plan(op, x, axes, keepdims);
  const Array center = mean(x, axes, keepdims);
  plan.params.divisor = std::max(static_cast<double>(plan.count()) - correction, 0.0);
  plan.params.root = root;
  Array y = Array::empty(plan.shape, x.dtype(), x.device());
  launch(kernels::sum_squares, x.dtype(), plan.params, {reads(x), reads(center), writes(y)}, cost_of(x),
         plan.workspace());
  return y;
}

Array norm2(const Array& x, const Axes& axes, bool keepdims) {
  require_floating("norm", x);
  Reduction plan("norm", x, axes, keepdims);
  plan.params.root = 1;
  Array y = Array::empty(plan.shape, x.dtype(), x.device());
  launch(kernels::sum_squares, x.dtype(), plan.params, {reads(x), reads(Array()), writes(y)}, cost_of(x),
         plan.workspace());
  return y;
}

Array logsumexp(const Array& x, const Axes& axes, bool keepdims) {
  require_floating("logsumexp", x);
  const Reduction plan("logsumexp", x, axes, keepdims);
  Array largest = Array::empty(plan.shape, x.dtype(), x.device());
  launch(kernels::max, x.dtype(), plan.params, {reads(x), writes(largest), writes(Array())}, cost_of(x),
         plan.workspace());
  Array y = Array::empty(plan.shape, x.dtype(), x.device());
  launch(kernels::log_sum_exp, x.dtype(), plan.params, {reads(x), reads(largest), writes(y)}, cost_of(x, 0.4),
         plan.workspace());
  return y;
}

std::pair<Array, Array> extremum(const char* op, bool largest, const Array& x, const Axes& axes, bool keepdims,
                                 bool want_index) {
  const Reduction plan(op, x, axes, keepdims);
  if (plan.count() == 0 && plan.params.outer.numel > 0) {
    fail(ErrorKind::shape, "%s: the reduced axes of %s have no elements, and nothing has no %s element", op,
         x.str().c_str(), largest ? "largest" : "smallest");
  }
  Array y = Array::empty(plan.shape, x.dtype(), x.device()), index;
  if (want_index) index = Array::empty(plan.shape, DType::int64, x.device());
  launch(largest ? kernels::max : kernels::min, x.dtype(), plan.params, {reads(x), writes(y), writes(index)},
         cost_of(x), plan.workspace());
  return {y, index};
}

Array extremum_backward(const Array& grad, const Array& index, const Dims& shape, const Axes& axes) {
  Array dx = Array::empty(shape, grad.dtype(), grad.device());
  const Reduction plan("max", dx, axes, false);
  const Array g = contiguous(grad);
  launch(kernels::extremum_backward, g.dtype(), plan.params, {reads(g), reads(index), writes(dx)}, cost_of(dx));
  return dx;
}

Array any(const Array& x, const Axes& axes, bool keepdims) {
  return reduce_truth("any", kernels::any, x, axes, keepdims);
}
Array all(const Array& x, const Axes& axes, bool keepdims) {
  return reduce_truth("all", kernels::all, x, axes, keepdims);
}

Array cumsum(const Array& strided, int64_t axis, bool reverse) {
  const int d = normalize_axis("cumsum", axis, strided.ndim());
  const Array x = contiguous(strided);
  AxisBlocks blocks = axis_blocks(x, d);
  blocks.reverse = reverse;
  const bool is_float = is_floating(x.dtype());
  Array y = Array::empty(x.shape(), is_float ? x.dtype() : DType::int64, x.device());
  launch(is_float ? kernels::cumsum : kernels::cumsum_integers, x.dtype(), blocks, {reads(x), writes(y)},
         cost_of(x, 1));
  return y;
}

int64_t reduced_count(const char* op, const Array& x, const Axes& axes) {
  return Reduction(op, x, axes, false).count();
}

}  // namespace tilegrad::ops
