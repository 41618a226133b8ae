#include "ops/conv2d.h"

#include <algorithm>

#include "core/size.h"
#include "ops/conv_passes.h"
#include "ops/elementwise.h"

namespace tilegrad::ops {
namespace {

long long printable(int64_t number) { return number; }

// The sizes of a convolution, all checked. `op` is the public name in errors.
Conv2d conv_sizes(const char* op, int64_t N, Pair image, int64_t C, Pair kernel, int64_t group_in, int64_t K,
                  const ConvOptions& options) {
  const int64_t groups = options.groups;
  if (groups < 1) fail(ErrorKind::argument, "%s: groups must be at least 1, found %lld", op, printable(groups));
  if (C < 1 || K < 1) {
    fail(ErrorKind::shape, "%s: x has %lld and w makes %lld channels; there must be at least 1 of each", op,
         printable(C), printable(K));
  }
  if (C % groups != 0 || K % groups != 0) {
    fail(ErrorKind::argument, "%s: groups=%lld must divide the %lld channels of x and the %lld of w's last dimension",
         op, printable(groups), printable(C), printable(K));
  }
  if (group_in != C / groups) {
    const bool channels_first = groups == 1 && (image.rows == group_in);
    fail(
        ErrorKind::shape,
        "%s: x has %lld channels, so w's third dimension must be %lld (x's channels / groups), found "
        "%lld%s",
        op, printable(C), printable(C / groups), printable(group_in),
        channels_first ? "; x looks like [N, C, H, W], but images are [N, H, W, C]: permute it with (0, 2, 3, 1)" : "");
  }
  const Windows windows =
      place_windows(op, "kernel size", image, kernel, options.stride, options.padding, options.dilation);
  Conv2d p{};
  p.N = N, p.H = image.rows, p.W = image.columns, p.C = C;
  p.R = kernel.rows, p.S = kernel.columns, p.K = K;
  p.P = windows.row.out, p.Q = windows.column.out;
  p.stride_h = options.stride.rows, p.stride_w = options.stride.columns;
  p.pad_top = windows.row.before, p.pad_left = windows.column.before;
  p.dilation_h = options.dilation.rows, p.dilation_w = options.dilation.columns;
  p.groups = groups;
  p.activation = Activation::none;
  return p;
}

Conv2d conv_sizes(const char* op, const Array& x, const Array& w, const ConvOptions& options) {
  return conv_sizes(op, x.size(0), {x.size(1), x.size(2)}, x.size(3), {w.size(0), w.size(1)}, w.size(2), w.size(3),
                    options);
}

void require_weights(const char* op, const Array& w) {
  if (w.ndim() != 4) {
    fail(ErrorKind::shape, "%s: w must have 4 dimensions [R, S, C / groups, K], found %s", op, w.shape().str().c_str());
  }
}

void require_gradient(const char* op, const Array& dy, const Conv2d& p) {
  const Dims expected{p.N, p.P, p.Q, p.K};
  if (!(dy.shape() == expected)) {
    fail(ErrorKind::shape, "%s: dy must be %s, found %s", op, expected.str().c_str(), dy.shape().str().c_str());
  }
}

}  // namespace

Array conv2d(const Array& x, const Array& w, const Array& bias, const ConvOptions& options, Activation activation) {
  const char* const op = "conv2d";
  require_images(op, "x", x);
  require_weights(op, w);
  require_same_kind(op, x, w);
  Conv2d p = conv_sizes(op, x, w, options);
  if (bias) {
    require_same_kind(op, x, bias);
    if (!(bias.shape() == Dims{p.K})) {
      fail(ErrorKind::shape, "%s: b must be [%lld], one number for each of w's output channels, found %s", op,
           printable(p.K), bias.shape().str().c_str());
    }
  }
  p.activation = activation;
  return run_convolution(op, p, x, w, bias);
}

Array conv2d_backward_data(const Array& dy, const Array& w, Pair image, const ConvOptions& options) {
  const char* const op = "conv2d_backward_data";
  require_images(op, "dy", dy);
  require_weights(op, w);
  require_same_kind(op, dy, w);
  const int64_t C = checked_multiply(w.size(2), std::max<int64_t>(options.groups, 1), op);
  const Conv2d p = conv_sizes(op, dy.size(0), image, C, {w.size(0), w.size(1)}, w.size(2), w.size(3), options);
  require_gradient(op, dy, p);
  return run_transposed(op, p, dy, w, Array());
}

Array conv2d_backward_weights(const Array& x, const Array& dy, Pair kernel, const ConvOptions& options) {
  const char* const op = "conv2d_backward_weights";
  require_images(op, "x", x);
  require_images(op, "dy", dy);
  require_same_kind(op, x, dy);
  const int64_t group_in = x.size(3) / std::max<int64_t>(options.groups, 1);
  const Conv2d p = conv_sizes(op, x.size(0), {x.size(1), x.size(2)}, x.size(3), kernel, group_in, dy.size(3), options);
  require_gradient(op, dy, p);
  return run_weights_gradient(op, p, x, dy);
}

ConvAlgorithm conv2d_algorithm(const Array& x, const Array& w, const ConvOptions& options, ConvPass pass) {
  const char* const op = "conv2d_algorithm";
  require_images(op, "x", x);
  require_weights(op, w);
  require_same_kind(op, x, w);
  return choose_algorithm(conv_sizes(op, x, w, options), pass, x, float32_precision());
}

}  // namespace tilegrad::ops
