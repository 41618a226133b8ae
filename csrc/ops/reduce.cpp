#include "ops/reduce.h"

#include "core/size.h"
#include "ops/loop_nest.h"
#include "ops/views.h"

namespace tilegrad::ops {
namespace {

// A bit for every axis that is reduced.
uint64_t reduced_axes(const char *op, const Array &x, const Axes &axes) {
  if (!axes)
    return (uint64_t{1} << x.ndim()) - 1;
  if (const int64_t *axis = std::get_if<int64_t>(&*axes))
    return uint64_t{1} << normalize_axis(op, *axis, x.ndim());
  uint64_t reduced = 0;
  for (int64_t axis : std::get<Dims>(*axes)) {
    const uint64_t bit = uint64_t{1} << normalize_axis(op, axis, x.ndim());
    if (reduced & bit) {
      fail(ErrorKind::argument, "%s: axis %lld comes twice in %s for %s", op,
           static_cast<long long>(axis), std::get<Dims>(*axes).str().c_str(),
           x.str().c_str());
    }
    reduced |= bit;
  }
  return reduced;
}

// Chunk sums are kept for a second step where outputs alone are too few to
// occupy a team. A function of the sizes, and part of no result.
size_t sum_workspace(const Reduce &p, size_t item_size) {
  constexpr int64_t kChunk = 1024, kFewOutputs = 4096;
  if (p.inner.numel <= kChunk || p.outer.numel == 0 ||
      p.outer.numel > kFewOutputs)
    return 0;
  const int64_t chunks = (p.inner.numel + kChunk - 1) / kChunk;
  return static_cast<size_t>(checked_multiply(p.outer.numel, chunks, "sum")) *
         item_size;
}

} // namespace

Reduction plan_reduction(const char *op, const Array &x, const Axes &axes,
                         bool keepdims) {
  const uint64_t reduced = reduced_axes(op, x, axes);
  Reduction plan;
  Dims inner, inner_strides, outer, outer_strides;
  for (int d = 0; d < x.ndim(); ++d) {
    const bool gone = reduced >> d & 1;
    (gone ? inner : outer).push_back(x.size(d));
    (gone ? inner_strides : outer_strides).push_back(x.stride(d));
    if (!gone || keepdims)
      plan.shape.push_back(gone ? 1 : x.size(d));
  }
  plan.params.outer = make_nest<1>(outer, {outer_strides});
  plan.params.inner = make_nest<1>(inner, {inner_strides});
  plan.params.divisor = 1;
  plan.count = plan.params.inner.numel;
  return plan;
}

Array sum(const Array &x, const Axes &axes, bool keepdims) {
  const Reduction plan = plan_reduction("sum", x, axes, keepdims);
  const Cost cost = Cost::elements(static_cast<double>(x.numel()), 0.1);
  if (is_floating(x.dtype())) {
    Array y = Array::empty(plan.shape, x.dtype(), x.device());
    launch(kernels::sum, x.dtype(), plan.params, {reads(x), writes(y)}, cost,
           sum_workspace(plan.params, x.item_size()));
    return y;
  }
  Array y = Array::empty(plan.shape, DType::int64, x.device());
  launch(kernels::sum_integers, x.dtype(), plan.params, {reads(x), writes(y)},
         cost);
  return y;
}

} // namespace tilegrad::ops
