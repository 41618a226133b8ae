#include "ops/window.h"

#include <algorithm>

#include "core/size.h"

namespace tilegrad::ops {
namespace {

long long printable(int64_t number) { return number; }

WindowAxis place_axis(const char* op, const char* what, const char* axis, int64_t in, int64_t kernel, int64_t stride,
                      Padding::Rule rule, int64_t before, int64_t after, int64_t dilation) {
  if (kernel < 1) {
    fail(ErrorKind::argument, "%s: %s must be at least 1 along the %s, found %lld", op, what, axis, printable(kernel));
  }
  if (stride < 1) {
    fail(ErrorKind::argument, "%s: stride must be at least 1 along the %s, found %lld", op, axis, printable(stride));
  }
  if (dilation < 1) {
    fail(ErrorKind::argument, "%s: dilation must be at least 1 along the %s, found %lld (1 means neighbouring pixels)",
         op, axis, printable(dilation));
  }
  if (before < 0 || after < 0) {
    fail(ErrorKind::argument,
         "%s: padding must not be negative, found %lld and %lld along the %s; slice the input to "
         "crop it",
         op, printable(before), printable(after), axis);
  }
  const int64_t extent = checked_add(checked_multiply(kernel - 1, dilation, op), 1, op);
  WindowAxis windows{in, kernel, stride, dilation, before, after, 0};
  if (rule == Padding::Rule::same) {
    windows.out = in / stride + (in % stride != 0);
    const int64_t covered =
        checked_add(checked_multiply(std::max<int64_t>(windows.out - 1, 0), stride, op), extent, op);
    const int64_t missing = std::max<int64_t>(windows.out ? covered - in : 0, 0);
    windows.before = missing / 2;
    windows.after = missing - missing / 2;
    return windows;
  }
  const int64_t padded = checked_add(checked_add(in, before, op), after, op);
  if (padded < extent) {
    fail(ErrorKind::shape,
         "%s: the kernel covers %lld %s (%s %lld, dilation %lld), but the padded input has %lld "
         "(%lld + %lld + %lld); use a smaller kernel, more padding or padding=\"same\"",
         op, printable(extent), axis, what, printable(kernel), printable(dilation), printable(padded),
         printable(before), printable(in), printable(after));
  }
  windows.out = (padded - extent) / stride + 1;
  // Kernels compute positions up to two windows behind the end; they must not overflow.
  checked_add(checked_multiply(windows.out + 1, stride, op), checked_multiply(extent, 2, op), op);
  return windows;
}

}  // namespace

Windows place_windows(const char* op, const char* what, Pair image, Pair kernel, Pair stride, const Padding& padding,
                      Pair dilation) {
  return {place_axis(op, what, "rows", image.rows, kernel.rows, stride.rows, padding.rule, padding.top, padding.bottom,
                     dilation.rows),
          place_axis(op, what, "columns", image.columns, kernel.columns, stride.columns, padding.rule, padding.left,
                     padding.right, dilation.columns)};
}

void require_images(const char* op, const char* argument, const Array& x) {
  if (x.ndim() != 4) {
    fail(ErrorKind::shape, "%s: %s must have 4 dimensions [N, H, W, C], found %s%s", op, argument,
         x.shape().str().c_str(),
         x.ndim() == 3 ? "; add a batch dimension of 1 in front, or a channel axis of 1 at the end" : "");
  }
  // 16-bit types are for GPUs.
  const bool is_wide = x.dtype() == DType::float32 || x.dtype() == DType::float64;
  if (!is_wide && !(is_floating(x.dtype()) && x.device().type == DeviceType::cuda)) {
    fail(ErrorKind::dtype, "%s: %s must be float32 or float64, found %s; cast it with .astype(tg.float32)", op,
         argument, name(x.dtype()));
  }
}

}  // namespace tilegrad::ops
