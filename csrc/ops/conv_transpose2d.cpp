#include "ops/conv_transpose2d.h"

#include <algorithm>

#include "core/size.h"
#include "ops/conv_passes.h"
#include "ops/elementwise.h"

namespace tilegrad::ops {
namespace {

long long printable(int64_t number) { return number; }

// Where the output of `in` positions begins and ends along one axis.
struct OutputAxis {
  int64_t before, out;
};

OutputAxis place_output(const char* op, const char* axis, int64_t in, int64_t kernel, int64_t stride, int64_t dilation,
                        Padding::Rule rule, int64_t before, int64_t after, int64_t output_padding) {
  const int64_t extent = checked_add(checked_multiply(std::max<int64_t>(kernel - 1, 0), dilation, op), 1, op);
  if (output_padding < 0 || output_padding >= std::max(stride, dilation)) {
    fail(ErrorKind::argument,
         "%s: output_padding must be at least 0 and below the larger of stride and dilation along the %s, found %lld "
         "with stride %lld and dilation %lld",
         op, axis, printable(output_padding), printable(stride), printable(dilation));
  }
  if (rule == Padding::Rule::same) {
    if (output_padding != 0) {
      fail(ErrorKind::argument,
           "%s: output_padding goes with explicit padding, found %lld along the %s with padding=\"same\", where the "
           "output is the input times the stride",
           op, printable(output_padding), axis);
    }
    const int64_t out = checked_multiply(in, stride, op);
    checked_add(out, checked_multiply(extent, 2, op), op);
    return {std::max<int64_t>(extent - stride, 0) / 2, out};
  }
  if (in == 0) fail(ErrorKind::shape, "%s: x has no %s", op, axis);
  const int64_t full = checked_add(checked_multiply(in - 1, stride, op), extent, op);
  checked_add(full, checked_add(checked_multiply(extent, 2, op), checked_multiply(stride, 2, op), op), op);
  const int64_t cropped = checked_add(before, after, op);
  const int64_t out = full + output_padding - cropped;
  if (out < 1) {
    fail(ErrorKind::shape,
         "%s: padding crops %lld of the %lld %s that %lld of x make (stride %lld, kernel size %lld, dilation %lld); "
         "use less padding",
         op, printable(cropped), printable(full + output_padding), axis, printable(in), printable(stride),
         printable(kernel), printable(dilation));
  }
  return {before, out};
}

// The sizes of the convolution that is transposed, all checked: its x is our output, its y our input.
Conv2d transposed_sizes(const char* op, int64_t N, Pair image, int64_t C, Pair kernel, int64_t group_out,
                        const ConvTransposeOptions& options) {
  const ConvOptions& of = options.of;
  if (of.groups < 1) fail(ErrorKind::argument, "%s: groups must be at least 1, found %lld", op, printable(of.groups));
  if (C < 1 || group_out < 1) {
    fail(ErrorKind::shape, "%s: x has %lld and w makes %lld channels; there must be at least 1 of each", op,
         printable(C), printable(group_out));
  }
  if (C % of.groups != 0) {
    fail(ErrorKind::argument, "%s: groups=%lld must divide the %lld channels of x", op, printable(of.groups),
         printable(C));
  }
  // Checks kernel, stride, dilation and padding; an image as large as the kernel always has a window.
  const auto extent = [&](int64_t taps, int64_t dilation) {
    return checked_add(checked_multiply(std::max<int64_t>(taps - 1, 0), std::max<int64_t>(dilation, 0), op), 1, op);
  };
  place_windows(op, "kernel size", {extent(kernel.rows, of.dilation.rows), extent(kernel.columns, of.dilation.columns)},
                kernel, of.stride, of.padding, of.dilation);
  const Padding& pad = of.padding;
  const OutputAxis row = place_output(op, "rows", image.rows, kernel.rows, of.stride.rows, of.dilation.rows, pad.rule,
                                      pad.top, pad.bottom, options.output_padding.rows);
  const OutputAxis column =
      place_output(op, "columns", image.columns, kernel.columns, of.stride.columns, of.dilation.columns, pad.rule,
                   pad.left, pad.right, options.output_padding.columns);
  Conv2d p{};
  p.N = N, p.P = image.rows, p.Q = image.columns, p.K = C;
  p.R = kernel.rows, p.S = kernel.columns, p.C = checked_multiply(group_out, of.groups, op);
  p.H = row.out, p.W = column.out;
  p.stride_h = of.stride.rows, p.stride_w = of.stride.columns;
  p.pad_top = row.before, p.pad_left = column.before;
  p.dilation_h = of.dilation.rows, p.dilation_w = of.dilation.columns;
  p.groups = of.groups;
  p.activation = Activation::none;
  return p;
}

void require_weights(const char* op, const Array& w) {
  if (w.ndim() != 4) {
    fail(ErrorKind::shape, "%s: w must have 4 dimensions [R, S, K / groups, C], found %s", op, w.shape().str().c_str());
  }
}

void require_gradient(const char* op, const Array& dy, const Conv2d& p) {
  const Dims expected{p.N, p.H, p.W, p.C};
  if (!(dy.shape() == expected)) {
    fail(ErrorKind::shape, "%s: dy must be %s, found %s", op, expected.str().c_str(), dy.shape().str().c_str());
  }
}

}  // namespace

Array conv_transpose2d(const Array& x, const Array& w, const Array& bias, const ConvTransposeOptions& options,
                       Activation activation) {
  const char* const op = "conv_transpose2d";
  require_images(op, "x", x);
  require_weights(op, w);
  require_same_kind(op, x, w);
  if (w.size(3) != x.size(3)) {
    fail(ErrorKind::shape,
         "%s: x has %lld channels, so w's last dimension must be %lld, found %lld; w is [R, S, K / groups, C], the "
         "weight of the convolution that is transposed",
         op, printable(x.size(3)), printable(x.size(3)), printable(w.size(3)));
  }
  Conv2d p =
      transposed_sizes(op, x.size(0), {x.size(1), x.size(2)}, x.size(3), {w.size(0), w.size(1)}, w.size(2), options);
  if (bias) {
    require_same_kind(op, x, bias);
    if (!(bias.shape() == Dims{p.C})) {
      fail(ErrorKind::shape, "%s: b must be [%lld], one number for each output channel, found %s", op, printable(p.C),
           bias.shape().str().c_str());
    }
  }
  p.activation = activation;
  return run_transposed(op, p, x, w, bias);
}

Array conv_transpose2d_backward_data(const Array& dy, const Array& w, Pair image, const ConvTransposeOptions& options) {
  const char* const op = "conv_transpose2d_backward_data";
  require_images(op, "dy", dy);
  require_weights(op, w);
  require_same_kind(op, dy, w);
  const Conv2d p = transposed_sizes(op, dy.size(0), image, w.size(3), {w.size(0), w.size(1)}, w.size(2), options);
  require_gradient(op, dy, p);
  return run_convolution(op, p, dy, w, Array());
}

Array conv_transpose2d_backward_weights(const Array& x, const Array& dy, Pair kernel,
                                        const ConvTransposeOptions& options) {
  const char* const op = "conv_transpose2d_backward_weights";
  require_images(op, "x", x);
  require_images(op, "dy", dy);
  require_same_kind(op, x, dy);
  const int64_t group_out = dy.size(3) / std::max<int64_t>(options.of.groups, 1);
  const Conv2d p = transposed_sizes(op, x.size(0), {x.size(1), x.size(2)}, x.size(3), kernel, group_out, options);
  require_gradient(op, dy, p);
  return run_weights_gradient(op, p, dy, x);
}

}  // namespace tilegrad::ops
