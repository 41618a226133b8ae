#include "ops/pool2d.h"

#include "core/launch.h"
#include "core/size.h"
#include "ops/views.h"

namespace tilegrad::ops {
namespace {

Pool2d pool_sizes(const char* op, int64_t N, Pair image, int64_t C, const PoolOptions& options) {
  const Windows windows =
      place_windows(op, "kernel_size", image, options.kernel, options.stride, options.padding, {1, 1});
  const WindowAxis& row = windows.row;
  const WindowAxis& column = windows.column;
  for (const WindowAxis* axis : {&row, &column}) {
    if (axis->before >= axis->kernel || axis->after >= axis->kernel) {
      fail(ErrorKind::argument,
           "%s: padding must be smaller than kernel_size, or windows would lie outside the image; "
           "found %lld and %lld along the %s with kernel_size %lld",
           op, static_cast<long long>(axis->before), static_cast<long long>(axis->after),
           axis == &row ? "rows" : "columns", static_cast<long long>(axis->kernel));
    }
    if (axis->in == 0 && axis->out > 0) {
      fail(ErrorKind::shape, "%s: x has no %s to pool over", op, axis == &row ? "rows" : "columns");
    }
  }
  checked_multiply(row.kernel, column.kernel, op);
  return {N,          image.rows, image.columns, C,          row.kernel,   column.kernel, row.out,
          column.out, row.stride, column.stride, row.before, column.before};
}

// Every pixel of a window is read once.
Cost pool_cost(const Pool2d& p) {
  return Cost::elements(static_cast<double>(p.N * p.P * p.Q * p.C) * static_cast<double>(p.R * p.S));
}

void require_gradient(const char* op, const Array& dy, const Pool2d& p) {
  const Dims expected{p.N, p.P, p.Q, p.C};
  if (!(dy.shape() == expected)) {
    fail(ErrorKind::shape, "%s: dy must be %s, found %s", op, expected.str().c_str(), dy.shape().str().c_str());
  }
}

DType index_dtype(const Pool2d& p) { return p.R * p.S <= 256 ? DType::uint8 : DType::int32; }

}  // namespace

MaxPooled max_pool2d(const Array& x, const PoolOptions& options, bool want_index) {
  const char* const op = "max_pool2d";
  require_images(op, "x", x);
  const Pool2d p = pool_sizes(op, x.size(0), {x.size(1), x.size(2)}, x.size(3), options);
  if (p.R * p.S > INT32_MAX) {
    fail(ErrorKind::argument, "%s: kernel_size %lld x %lld is too large", op, static_cast<long long>(p.R),
         static_cast<long long>(p.S));
  }
  const Dims shape{p.N, p.P, p.Q, p.C};
  MaxPooled result{Array::empty(shape, x.dtype(), x.device()), Array()};
  if (want_index) result.index = Array::empty(shape, index_dtype(p), x.device());
  if (result.y.numel() == 0) return result;
  const bool bytes = index_dtype(p) == DType::uint8;
  const Array from = contiguous(x);
  const Array none = Array();
  launch(kernels::max_pool2d, x.dtype(), p,
         {reads(from), writes(result.y), writes(bytes ? result.index : none), writes(bytes ? none : result.index)},
         pool_cost(p));
  return result;
}

Array max_pool2d_backward(const Array& dy, const Array& index, Pair image, const PoolOptions& options) {
  const char* const op = "max_pool2d_backward";
  require_images(op, "dy", dy);
  const Pool2d p = pool_sizes(op, dy.size(0), image, dy.size(3), options);
  require_gradient(op, dy, p);
  if (index.dtype() != index_dtype(p) || !(index.shape() == dy.shape())) {
    fail(ErrorKind::argument, "%s: index must be %s %s, as max_pool2d made it, found %s", op, name(index_dtype(p)),
         dy.shape().str().c_str(), index.str().c_str());
  }
  const Array dx = Array::empty({p.N, p.H, p.W, p.C}, dy.dtype(), dy.device());
  if (dx.numel() == 0) return dx;
  const Array from = contiguous(dy), taps = contiguous(index);
  const Array none = Array();
  const bool bytes = index.dtype() == DType::uint8;
  launch(kernels::max_pool2d_backward, dy.dtype(), p,
         {reads(from), reads(bytes ? taps : none), reads(bytes ? none : taps), writes(dx)}, pool_cost(p));
  return dx;
}

Array avg_pool2d(const Array& x, const PoolOptions& options) {
  const char* const op = "avg_pool2d";
  require_images(op, "x", x);
  const Pool2d p = pool_sizes(op, x.size(0), {x.size(1), x.size(2)}, x.size(3), options);
  const Array y = Array::empty({p.N, p.P, p.Q, p.C}, x.dtype(), x.device());
  if (y.numel() == 0) return y;
  const Array from = contiguous(x);
  launch(kernels::avg_pool2d, x.dtype(), p, {reads(from), writes(y)}, pool_cost(p));
  return y;
}

Array avg_pool2d_backward(const Array& dy, Pair image, const PoolOptions& options) {
  const char* const op = "avg_pool2d_backward";
  require_images(op, "dy", dy);
  const Pool2d p = pool_sizes(op, dy.size(0), image, dy.size(3), options);
  require_gradient(op, dy, p);
  const Array dx = Array::empty({p.N, p.H, p.W, p.C}, dy.dtype(), dy.device());
  if (dx.numel() == 0) return dx;
  const Array from = contiguous(dy);
  launch(kernels::avg_pool2d_backward, dy.dtype(), p, {reads(from), writes(dx)}, pool_cost(p));
  return dx;
}

}  // namespace tilegrad::ops
