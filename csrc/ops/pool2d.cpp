#include "ops/pool2d.h"

#include "core/launch.h"
#include "core/size.h"
#include "ops/views.h"

namespace tilegrad::ops {
namespace {

// PyTorch's rule: one window more where some of the padded image is left over, but none that begins in the padding
// behind the image or beyond.
PoolAxis pool_axis(const char* op, const char* name, const WindowAxis& windows, const PoolOptions& options) {
  if (windows.before >= windows.kernel || windows.after >= windows.kernel) {
    fail(ErrorKind::argument,
         "%s: padding must be smaller than kernel_size, or windows would lie outside the image; "
         "found %lld and %lld along the %s with kernel_size %lld",
         op, static_cast<long long>(windows.before), static_cast<long long>(windows.after), name,
         static_cast<long long>(windows.kernel));
  }
  if (windows.in == 0 && windows.out > 0) fail(ErrorKind::shape, "%s: x has no %s to pool over", op, name);
  PoolAxis axis{windows.in, windows.out, windows.kernel, windows.stride, windows.before, windows.after, false};
  const int64_t covered = (windows.out - 1) * windows.stride + windows.kernel;
  const bool more = options.ceil_mode && options.padding.rule != Padding::Rule::same &&
                    covered < windows.before + windows.in + windows.after &&
                    windows.out * windows.stride < windows.before + windows.in;
  if (more) ++axis.out;
  return axis;
}

Pool2d pool_sizes(const char* op, int64_t N, Pair image, int64_t C, const PoolOptions& options) {
  const Windows windows =
      place_windows(op, "kernel_size", image, options.kernel, options.stride, options.padding, {1, 1});
  const PoolAxis row = pool_axis(op, "rows", windows.row, options);
  const PoolAxis column = pool_axis(op, "columns", windows.column, options);
  checked_multiply(row.kernel, column.kernel, op);
  return {N, C, row, column, options.count_padding};
}

// Where the windows are equally large they are those of ordinary pooling, whose gradient is simpler.
PoolAxis adaptive_axis(const char* op, const char* name, int64_t in, int64_t out) {
  if (out < 1) {
    fail(ErrorKind::argument, "%s: output_size must be at least 1 along the %s, found %lld", op, name,
         static_cast<long long>(out));
  }
  if (in == 0) fail(ErrorKind::shape, "%s: x has no %s to pool over", op, name);
  checked_multiply(in + 1, checked_add(out, 1, op), op);
  if (in % out == 0) return {in, out, in / out, in / out, 0, 0, false};
  return {in, out, (in + out - 1) / out + 1, 1, 0, 0, true};
}

Pool2d adaptive_sizes(const char* op, int64_t N, Pair image, int64_t C, Pair size) {
  return {N, C, adaptive_axis(op, "rows", image.rows, size.rows),
          adaptive_axis(op, "columns", image.columns, size.columns), false};
}

// Every pixel of a window is read once.
Cost pool_cost(const Pool2d& p) {
  return Cost::elements(static_cast<double>(p.N * p.row.out * p.column.out * p.C) *
                        static_cast<double>(p.row.kernel * p.column.kernel));
}

Dims output_shape(const Pool2d& p) { return {p.N, p.row.out, p.column.out, p.C}; }

void require_gradient(const char* op, const Array& dy, const Pool2d& p) {
  const Dims expected = output_shape(p);
  if (!(dy.shape() == expected)) {
    fail(ErrorKind::shape, "%s: dy must be %s, found %s", op, expected.str().c_str(), dy.shape().str().c_str());
  }
}

DType index_dtype(const Pool2d& p) { return p.row.kernel * p.column.kernel <= 256 ? DType::uint8 : DType::int32; }

MaxPooled run_max(const char* op, const Array& x, const Pool2d& p, bool want_index) {
  if (p.row.kernel * p.column.kernel > INT32_MAX) {
    fail(ErrorKind::argument, "%s: windows of %lld x %lld pixels are too large", op,
         static_cast<long long>(p.row.kernel), static_cast<long long>(p.column.kernel));
  }
  const Dims shape = output_shape(p);
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

Array run_max_backward(const char* op, const Array& dy, const Array& index, const Pool2d& p) {
  require_gradient(op, dy, p);
  if (index.dtype() != index_dtype(p) || !(index.shape() == dy.shape())) {
    fail(ErrorKind::argument, "%s: index must be %s %s, as the forward pass made it, found %s", op,
         name(index_dtype(p)), dy.shape().str().c_str(), index.str().c_str());
  }
  const Array dx = Array::empty({p.N, p.row.in, p.column.in, p.C}, dy.dtype(), dy.device());
  if (dx.numel() == 0) return dx;
  const Array from = contiguous(dy), taps = contiguous(index);
  const Array none = Array();
  const bool bytes = index.dtype() == DType::uint8;
  launch(kernels::max_pool2d_backward, dy.dtype(), p,
         {reads(from), reads(bytes ? taps : none), reads(bytes ? none : taps), writes(dx)}, pool_cost(p));
  return dx;
}

Array run_avg(const Array& x, const Pool2d& p) {
  const Array y = Array::empty(output_shape(p), x.dtype(), x.device());
  if (y.numel() == 0) return y;
  const Array from = contiguous(x);
  launch(kernels::avg_pool2d, x.dtype(), p, {reads(from), writes(y)}, pool_cost(p));
  return y;
}

Array run_avg_backward(const char* op, const Array& dy, const Pool2d& p) {
  require_gradient(op, dy, p);
  const Array dx = Array::empty({p.N, p.row.in, p.column.in, p.C}, dy.dtype(), dy.device());
  if (dx.numel() == 0) return dx;
  const Array from = contiguous(dy);
  launch(kernels::avg_pool2d_backward, dy.dtype(), p, {reads(from), writes(dx)}, pool_cost(p));
  return dx;
}

Pair image_of(const Array& x) { return {x.size(1), x.size(2)}; }

}  // namespace

MaxPooled max_pool2d(const Array& x, const PoolOptions& options, bool want_index) {
  const char* const op = "max_pool2d";
  require_images(op, "x", x);
  return run_max(op, x, pool_sizes(op, x.size(0), image_of(x), x.size(3), options), want_index);
}

Array max_pool2d_backward(const Array& dy, const Array& index, Pair image, const PoolOptions& options) {
  const char* const op = "max_pool2d_backward";
  require_images(op, "dy", dy);
  return run_max_backward(op, dy, index, pool_sizes(op, dy.size(0), image, dy.size(3), options));
}

Array avg_pool2d(const Array& x, const PoolOptions& options) {
  const char* const op = "avg_pool2d";
  require_images(op, "x", x);
  return run_avg(x, pool_sizes(op, x.size(0), image_of(x), x.size(3), options));
}

Array avg_pool2d_backward(const Array& dy, Pair image, const PoolOptions& options) {
  const char* const op = "avg_pool2d_backward";
  require_images(op, "dy", dy);
  return run_avg_backward(op, dy, pool_sizes(op, dy.size(0), image, dy.size(3), options));
}

MaxPooled adaptive_max_pool2d(const Array& x, Pair size, bool want_index) {
  const char* const op = "adaptive_max_pool2d";
  require_images(op, "x", x);
  return run_max(op, x, adaptive_sizes(op, x.size(0), image_of(x), x.size(3), size), want_index);
}

Array adaptive_max_pool2d_backward(const Array& dy, const Array& index, Pair image) {
  const char* const op = "adaptive_max_pool2d_backward";
  require_images(op, "dy", dy);
  return run_max_backward(op, dy, index, adaptive_sizes(op, dy.size(0), image, dy.size(3), image_of(dy)));
}

Array adaptive_avg_pool2d(const Array& x, Pair size) {
  const char* const op = "adaptive_avg_pool2d";
  require_images(op, "x", x);
  return run_avg(x, adaptive_sizes(op, x.size(0), image_of(x), x.size(3), size));
}

Array adaptive_avg_pool2d_backward(const Array& dy, Pair image) {
  const char* const op = "adaptive_avg_pool2d_backward";
  require_images(op, "dy", dy);
  return run_avg_backward(op, dy, adaptive_sizes(op, dy.size(0), image, dy.size(3), image_of(dy)));
}

}  // namespace tilegrad::ops
