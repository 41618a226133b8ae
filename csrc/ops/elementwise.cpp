#include "ops/elementwise.h"

#include "ops/loop_nest.h"

namespace tilegrad::ops {

void require_same_kind(const char* op, const Array& a, const Array& b) {
  if (a.dtype() != b.dtype()) {
    fail(ErrorKind::dtype, "%s: operands have dtypes %s and %s, which are never mixed silently; cast one with .astype()",
         op, name(a.dtype()), name(b.dtype()));
  }
  if (!(a.device() == b.device())) {
    fail(ErrorKind::device, "%s: operands are on %s and %s; move one with .to()", op, name(a.device()),
         name(b.device()));
  }
}

void unary_into(const KernelName<LoopNest<2>>& kernel, const Array& x, const Array& y) {
  const LoopNest<2> nest = make_nest<2>(y.shape(), {broadcast_strides(x, y.shape()), y.strides()});
  launch(kernel, x.dtype(), nest, {reads(x), writes(y)}, Cost::elements(static_cast<double>(nest.numel)));
}

Array unary(const KernelName<LoopNest<2>>& kernel, const Array& x) {
  Array y = Array::empty(x.shape(), x.dtype(), x.device());
  unary_into(kernel, x, y);
  return y;
}

void binary_into(const KernelName<LoopNest<3>>& kernel, const Array& a, const Array& b, const Array& y) {
  const LoopNest<3> nest =
      make_nest<3>(y.shape(), {broadcast_strides(a, y.shape()), broadcast_strides(b, y.shape()), y.strides()});
  launch(kernel, a.dtype(), nest, {reads(a), reads(b), writes(y)}, Cost::elements(static_cast<double>(nest.numel)));
}

Array binary(const KernelName<LoopNest<3>>& kernel, const Array& a, const Array& b) {
  require_same_kind(kernel.name, a, b);
  Array y = Array::empty(broadcast_shapes(kernel.name, a.shape(), b.shape()), a.dtype(), a.device());
  binary_into(kernel, a, b, y);
  return y;
}

}  // namespace tilegrad::ops
