#include "ops/resize2d.h"

#include <cmath>

#include "core/launch.h"
#include "ops/views.h"

namespace tilegrad::ops {
namespace {

ResizeAxis resize_axis(const char* op, const char* name, int64_t in, int64_t size, double factor) {
  if (in == 0) fail(ErrorKind::shape, "%s: x has no %s", op, name);
  if (factor != 0) {
    const double out = std::floor(static_cast<double>(in) * factor);
    if (!(factor > 0) || !(out >= 1) || out > 0x1p53) {
      fail(ErrorKind::argument, "%s: scale_factor must be positive and leave at least 1 of the %lld %s, found %g", op,
           static_cast<long long>(in), name, factor);
    }
    return {in, static_cast<int64_t>(out), 1, factor};
  }
  if (size < 1) {
    fail(ErrorKind::argument, "%s: size must be at least 1 along the %s, found %lld", op, name,
         static_cast<long long>(size));
  }
  return {in, size, static_cast<double>(in), static_cast<double>(size)};
}

Resize2d resize_sizes(const char* op, int64_t N, Pair image, int64_t C, const ResizeOptions& options) {
  return {N, C, resize_axis(op, "rows", image.rows, options.size.rows, options.row_factor),
          resize_axis(op, "columns", image.columns, options.size.columns, options.column_factor), options.linear};
}

Cost resize_cost(const Resize2d& p) {
  return Cost::elements(static_cast<double>(p.N * p.row.out * p.column.out) * static_cast<double>(p.C + 2), 0.5);
}

}  // namespace

Array resize2d(const Array& x, const ResizeOptions& options) {
  const char* const op = "interpolate";
  require_images(op, "x", x);
  const Resize2d p = resize_sizes(op, x.size(0), {x.size(1), x.size(2)}, x.size(3), options);
  const Array y = Array::empty({p.N, p.row.out, p.column.out, p.C}, x.dtype(), x.device());
  if (y.numel() == 0) return y;
  const Array from = contiguous(x);
  launch(kernels::resize2d, x.dtype(), p, {reads(from), writes(y)}, resize_cost(p),
         static_cast<size_t>(resize_workspace(p)));
  return y;
}

Array resize2d_backward(const Array& dy, Pair image, const ResizeOptions& options) {
  const char* const op = "interpolate_backward";
  require_images(op, "dy", dy);
  const Resize2d p = resize_sizes(op, dy.size(0), image, dy.size(3), options);
  const Dims expected{p.N, p.row.out, p.column.out, p.C};
  if (!(dy.shape() == expected)) {
    fail(ErrorKind::shape, "%s: dy must be %s, found %s", op, expected.str().c_str(), dy.shape().str().c_str());
  }
  const Array dx = Array::empty({p.N, p.row.in, p.column.in, p.C}, dy.dtype(), dy.device());
  if (dx.numel() == 0) return dx;
  const Array from = contiguous(dy);
  launch(kernels::resize2d_backward, dy.dtype(), p, {reads(from), writes(dx)}, resize_cost(p),
         static_cast<size_t>(resize_workspace(p)));
  return dx;
}

}  // namespace tilegrad::ops
