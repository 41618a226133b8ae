// The three passes of a convolution as contractions (params/conv2d.h has the sizes). Every group is a product of its own.
#pragma once

#include <numeric>

#include "cuda/device/choose_tile.cuh"
#include "params/conv2d.h"

namespace tilegrad::cuda {
namespace {

// Positions are computed in 32 bits: images, filters and paddings beyond them are refused.
inline void require_small(const Conv2d& p) {
  constexpr int64_t kMost = 1 << 28;
  const auto product = [](std::initializer_list<int64_t> factors) {
    double all = 1;
    for (int64_t factor : factors) all *= static_cast<double>(factor);
    return all;
  };
  const auto fits = [&](int64_t in, int64_t out, int64_t taps, int64_t stride, int64_t dilation, int64_t before) {
    return product({std::max<int64_t>(out - 1, 0), stride}) < kMost && product({taps - 1, dilation}) < kMost &&
           before < kMost && before > -kMost && in < kMost && out < kMost;
  };
  if (fits(p.H, p.P, p.R, p.stride_h, p.dilation_h, p.pad_top) &&
      fits(p.W, p.Q, p.S, p.stride_w, p.dilation_w, p.pad_left) && product({p.H, p.W}) < 0x1p31 &&
      product({p.P, p.Q}) < 0x1p31 && product({p.R, p.S, std::max(p.C, p.K)}) < 0x1p31) {
    return;
  }
  fail(ErrorKind::argument,
       "conv2d: images, filters and paddings on CUDA must be smaller than 2^28 rows or columns and 2^31 pixels, found "
       "images of %lld x %lld and filters of %lld x %lld",
       static_cast<long long>(p.H), static_cast<long long>(p.W), static_cast<long long>(p.R),
       static_cast<long long>(p.S));
}

// Calls run(part, first) for the images from `first` on that a contraction may take at a time: their pixels are counted in 31
// bits.
template <typename F>
void for_images(const Conv2d& p, int64_t pixels, const F& run) {
  const int64_t most = std::max<int64_t>(((int64_t{1} << 31) - 1) / std::max<int64_t>(pixels, 1), 1);
  for (int64_t first = 0; first < p.N; first += most) {
    Conv2d part = p;
    part.N = std::min(most, p.N - first);
    run(part, first);
  }
}

inline TapAxis tap_axis(int64_t in, int64_t out, int64_t taps, int64_t stride, int64_t dilation, int64_t before) {
  return {static_cast<int>(in),
          static_cast<int>(out),
          static_cast<int>(taps),
          static_cast<int>(stride),
          static_cast<int>(dilation),
          static_cast<int>(-before),
          0,
          1};
}
inline TapAxis vertical_axis(const Conv2d& p) {
  return tap_axis(p.H, p.P, p.R, p.P > 1 ? p.stride_h : 1, p.R > 1 ? p.dilation_h : 1, p.pad_top);
}
inline TapAxis horizontal_axis(const Conv2d& p) {
  return tap_axis(p.W, p.Q, p.S, p.Q > 1 ? p.stride_w : 1, p.S > 1 ? p.dilation_w : 1, p.pad_left);
}

// y [pixels, K / groups] = windows of x [pixels, R S C / groups] times the group's part of w.
template <typename T>
struct ForwardProblem {
  using Element = T;
  static constexpr bool kWide = true, kSingleA = true, kSingleB = false;  // a network's first layer has few channels
  int64_t M, N, K, count;
  Windows<T> windows;
  Strided<T, false> filter;
  Rows<T> y;
  const T* bias;
  Activation activation;

  struct View {
    Windows<T> a;
    Strided<T, false> b;
    Rows<T> out;
    Finish<T> finish;
    __device__ __forceinline__ int64_t rows() const { return a.rows; }
    __device__ __forceinline__ int64_t terms() const { return a.terms; }
  };
  const ForwardProblem& of_any_layout() const { return *this; }
  __device__ __forceinline__ View view(int64_t group) const {
    View view{windows, filter, y, {bias ? bias + group * N : nullptr, 1, activation}};
    view.a.data += group * windows.channels;
    view.b.data += group * N;
    view.out.data += group * N;
    return view;
  }
};

template <typename T>
ForwardProblem<T> forward_problem(const Conv2d& p, const T* x, const T* w, const T* bias, T* y) {
  const int64_t in = p.C / p.groups, out = p.K / p.groups;
  ForwardProblem<T> problem;
  problem.M = p.N * p.P * p.Q, problem.N = out, problem.K = p.R * p.S * in, problem.count = p.groups;
  problem.windows = {x,
                     problem.M,
                     problem.K,
                     vertical_axis(p),
                     horizontal_axis(p),
                     static_cast<int>(in),
                     static_cast<int>(p.C),
                     FastDivide(in),
                     FastDivide(p.S),
                     FastDivide(std::max<int64_t>(p.Q, 1)),
                     FastDivide(std::max<int64_t>(p.P, 1))};
  problem.filter = {w, out, problem.K, 1, p.K};
  problem.y = {y, p.K};
  problem.bias = bias;
  problem.activation = p.activation;
  return problem;
}

// One axis of the transposed stencil, for inputs residue, residue + stride, ...: those at position residue + i * stride
// meet at tap first + j * step the output i + j * dilation + origin. (require_small keeps it all in 32 bits.)
__device__ __forceinline__ TapAxis class_axis(int in, int out, int taps, int stride, int dilation, int before,
                                              int residue) {
  // The taps r with (residue + before - r * dilation) % stride == 0 are evenly spaced.
  int first = -1, second = -1;
  for (int r = 0; r < taps && second < 0; ++r) {
    if ((residue + before - r * dilation) % stride != 0) continue;
    (first < 0 ? first : second) = r;
  }
  TapAxis axis;
  axis.in = out;
  axis.out = in > residue ? (in - residue + stride - 1) / stride : 0;
  axis.scale = 1;
  axis.first = first < 0 ? 0 : first;
  axis.step = second < 0 ? 1 : second - first;
  axis.taps = first < 0 ? 0 : second < 0 ? 1 : (taps - 1 - first) / axis.step + 1;
  axis.dilation = second < 0 ? 0 : -(axis.step * dilation / stride);
  axis.origin = first < 0 ? 0 : (residue + before - first * dilation) / stride;
  return axis;
}

// dx [pixels, C / groups] = windows of dy times the filter turned, for each class of pixels that use the same taps: the
// products are groups x stride_h x stride_w (or as many classes as there are rows and columns).
template <typename T>
struct BackwardDataProblem {
  using Element = T;
  static constexpr bool kWide = true, kSingleA = false, kSingleB = false;
  int64_t M, N, K, count;  // M and K of the largest class
  int64_t images;
  const T *dy, *w, *bias;
  T* dx;
  int H, W, P, Q, R, S, stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
  int classes_h, classes_w, out_channels;  // channels of one group of dy
  int64_t in_channels, all_in, all_out;
  FastDivide by_channels;
  DealtDivide by_taps, by_line, by_lines;  // of a class
  Activation activation;

  struct View {
    Windows<T> a;
    TurnedFilter<T> b;
    SpreadPixels<T> out;
    Finish<T> finish;
    __device__ __forceinline__ int64_t rows() const { return a.rows; }
    __device__ __forceinline__ int64_t terms() const { return a.terms; }
  };
  const BackwardDataProblem& of_any_layout() const { return *this; }
  __device__ __forceinline__ View view(int64_t item) const {
    const int classes = classes_h * classes_w, group = static_cast<int>(item / classes);
    const int of_group = static_cast<int>(item - int64_t{group} * classes);
    const int h = of_group / classes_w, w_at = of_group - h * classes_w;
    const TapAxis vertical = class_axis(H, P, R, stride_h, dilation_h, pad_top, h);
    const TapAxis horizontal = class_axis(W, Q, S, stride_w, dilation_w, pad_left, w_at);
    View view;
    Windows<T>& windows = view.a;
    windows.data = dy + int64_t{group} * out_channels;
    windows.rows = images * vertical.out * horizontal.out;
    windows.terms = int64_t{vertical.taps} * horizontal.taps * out_channels;
    windows.vertical = vertical, windows.horizontal = horizontal;
    windows.channels = out_channels, windows.pixel = static_cast<int>(all_out);
    windows.by_channels = by_channels, windows.by_taps = by_taps.by(horizontal.taps);
    windows.by_line = by_line.by(horizontal.out), windows.by_lines = by_lines.by(vertical.out);
    TurnedFilter<T>& filter = view.b;
    filter.data = w + int64_t{group} * out_channels;
    filter.rows = N, filter.terms = windows.terms;
    filter.i_stride = all_out, filter.tap_stride = in_channels * all_out;
    filter.filter_columns = S;
    filter.first_r = vertical.first, filter.step_r = vertical.step;
    filter.first_s = horizontal.first, filter.step_s = horizontal.step;
    filter.by_channels = by_channels, filter.by_taps = windows.by_taps;
    SpreadPixels<T>& pixels = view.out;
    pixels.data = dx + (int64_t{h} * W + w_at) * all_in + group * in_channels;
    pixels.by_line = windows.by_line, pixels.by_lines = windows.by_lines;
    pixels.image = int64_t{H} * W * all_in;
    pixels.line_step = int64_t{stride_h} * W * all_in, pixels.pixel_step = stride_w * all_in;
    view.finish = {bias ? bias + group * in_channels : nullptr, 1, activation};
    return view;
  }
};

template <typename T>
BackwardDataProblem<T> backward_data_problem(const Conv2d& p, const T* dy, const T* w, const T* bias, T* dx) {
  const auto number = [](int64_t n) { return static_cast<int>(n); };
  // (An axis that has one place or tap has any stride or dilation.)
  const int64_t stride_h = p.P > 1 ? p.stride_h : std::min(p.stride_h, int64_t{1} << 28);
  const int64_t stride_w = p.Q > 1 ? p.stride_w : std::min(p.stride_w, int64_t{1} << 28);
  BackwardDataProblem<T> problem;
  problem.classes_h = number(std::min(stride_h, p.H)), problem.classes_w = number(std::min(stride_w, p.W));
  problem.M = p.N * ceil_div(p.H, stride_h) * ceil_div(p.W, stride_w);
  problem.N = p.C / p.groups;
  // Every `step`-th tap is of the same class: strides that have a factor in common with the dilation step over fewer.
  const auto most_taps = [](int64_t taps, int64_t stride, int64_t dilation) {
    return ceil_div(taps, stride / std::gcd(stride, dilation));
  };
  const int64_t taps_h = most_taps(p.R, stride_h, p.R > 1 ? p.dilation_h : 1);
  const int64_t taps_w = most_taps(p.S, stride_w, p.S > 1 ? p.dilation_w : 1);
  problem.K = taps_h * taps_w * (p.K / p.groups);
  problem.by_taps = DealtDivide(taps_w);
  problem.by_line = DealtDivide(ceil_div(p.W, stride_w)), problem.by_lines = DealtDivide(ceil_div(p.H, stride_h));
  problem.count = p.groups * problem.classes_h * problem.classes_w;
  problem.images = p.N;
  problem.dy = dy, problem.w = w, problem.bias = bias, problem.dx = dx;
  problem.H = number(p.H), problem.W = number(p.W), problem.P = number(p.P), problem.Q = number(p.Q);
  problem.R = number(p.R), problem.S = number(p.S);
  problem.stride_h = number(stride_h), problem.stride_w = number(stride_w);
  problem.dilation_h = number(p.R > 1 ? p.dilation_h : 1), problem.dilation_w = number(p.S > 1 ? p.dilation_w : 1);
  problem.pad_top = number(p.pad_top), problem.pad_left = number(p.pad_left);
  problem.out_channels = number(p.K / p.groups);
  problem.in_channels = p.C / p.groups, problem.all_in = p.C, problem.all_out = p.K;
  problem.by_channels = FastDivide(p.K / p.groups);
  problem.activation = p.activation;
  return problem;
}

// dw [R S C / groups, K / groups] = windows of x, turned, times dy: sums over all output pixels.
template <typename T>
struct BackwardWeightsProblem {
  using Element = T;
  static constexpr bool kWide = true, kSingleA = true, kSingleB = false;
  int64_t M, N, K, count;
  WindowsTurned<T> windows;
  Strided<T, false> gradient;
  Rows<T> dw;

  struct View {
    WindowsTurned<T> a;
    Strided<T, false> b;
    Rows<T> out;
    Finish<T> finish;
    __device__ __forceinline__ int64_t rows() const { return a.rows; }
    __device__ __forceinline__ int64_t terms() const { return a.terms; }
  };
  const BackwardWeightsProblem& of_any_layout() const { return *this; }
  __device__ __forceinline__ View view(int64_t group) const {
    View view{windows, gradient, dw, {nullptr, 0, Activation::none}};
    view.a.data += group * windows.channels;
    view.b.data += group * N;
    view.out.data += group * N;
    return view;
  }
};

template <typename T>
BackwardWeightsProblem<T> backward_weights_problem(const Conv2d& p, const T* x, const T* dy, T* dw) {
  const int64_t in = p.C / p.groups, out = p.K / p.groups;
  BackwardWeightsProblem<T> problem;
  problem.M = p.R * p.S * in, problem.N = out, problem.K = p.N * p.P * p.Q, problem.count = p.groups;
  problem.windows = {x,
                     problem.M,
                     problem.K,
                     vertical_axis(p),
                     horizontal_axis(p),
                     static_cast<int>(in),
                     static_cast<int>(p.C),
                     FastDivide(std::max<int64_t>(p.Q, 1)),
                     FastDivide(std::max<int64_t>(p.P, 1))};
  problem.gradient = {dy, out, problem.K, 1, p.K};
  problem.dw = {dw, p.K};
  return problem;
}

}  // namespace
}  // namespace tilegrad::cuda
