// Convolutions whose groups have one input channel: no matrix has more than one row or column there, so each output is
// computed by a thread, neighbouring channels by neighbouring threads.
#pragma once

#include "cuda/device/convolution.cuh"
#include "formulas/fma.h"

namespace tilegrad::cuda {
namespace {

inline bool is_depthwise(const Conv2d& p) { return p.groups > 1 && p.groups == p.C; }

struct Depthwise {
  int64_t outputs;  // of the pass: elements of y or dx
  int H, W, C, P, Q, K, R, S, stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
  int multiplier;  // output channels of an input channel
  Activation activation;
};

inline Depthwise depthwise_sizes(const Conv2d& p, int64_t outputs) {
  const TapAxis vertical = vertical_axis(p), horizontal = horizontal_axis(p);
  const auto number = [](int64_t n) { return static_cast<int>(n); };
  return {outputs,
          vertical.in,
          horizontal.in,
          number(p.C),
          vertical.out,
          horizontal.out,
          number(p.K),
          vertical.taps,
          horizontal.taps,
          vertical.scale,
          horizontal.scale,
          vertical.dilation,
          horizontal.dilation,
          number(p.pad_top),
          number(p.pad_left),
          number(p.K / p.groups),
          p.activation};
}

// Calls body(output, n, row, column, channel) for this thread's outputs [n, rows, columns, channels].
template <typename F>
__device__ __forceinline__ void for_each_output(int64_t outputs, int rows, int columns, int channels, const F& body) {
  const int64_t step = int64_t{gridDim.x} * kThreads;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < outputs; i += step) {
    if (outputs < (int64_t{1} << 31)) {  // 32-bit divisions are several times faster
      const uint32_t at = static_cast<uint32_t>(i), pixel = at / channels, line = pixel / columns, n = line / rows;
      body(i, static_cast<int64_t>(n), static_cast<int>(line - n * rows), static_cast<int>(pixel - line * columns),
           static_cast<int>(at - pixel * channels));
    } else {
      const int64_t pixel = i / channels, line = pixel / columns, n = line / rows;
      body(i, n, static_cast<int>(line - n * rows), static_cast<int>(pixel - line * columns),
           static_cast<int>(i - pixel * channels));
    }
  }
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    depthwise_forward(const __grid_constant__ Depthwise p, const T* x, const T* w, Finish<T> finish, T* y) {
  for_each_output(p.outputs, p.P, p.Q, p.K, [&](int64_t at, int64_t n, int row, int column, int k) {
    const T* const image = x + n * p.H * p.W * p.C + k / p.multiplier;
    Wide<T> sum = 0;
    for (int r = 0; r < p.R; ++r) {
      const int h = row * p.stride_h + r * p.dilation_h - p.pad_top;
      if (h < 0 || h >= p.H) continue;
      for (int s = 0; s < p.S; ++s) {
        const int v = column * p.stride_w + s * p.dilation_w - p.pad_left;
        if (v < 0 || v >= p.W) continue;
        sum = formulas::fma(widen(image[static_cast<int64_t>(h * p.W + v) * p.C]),
                            widen(w[static_cast<int64_t>(r * p.S + s) * p.K + k]), sum);
      }
    }
    y[at] = narrow<T>(finish.of(sum, k));
  });
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    depthwise_backward_data(const __grid_constant__ Depthwise p, const T* dy, const T* w, Finish<T> finish, T* dx) {
  for_each_output(p.outputs, p.H, p.W, p.C, [&](int64_t at, int64_t n, int row, int column, int c) {
    const int64_t first = int64_t{c} * p.multiplier;
    const T* const image = dy + n * p.P * p.Q * p.K + first;
    Wide<T> sum = 0;
    for (int r = 0; r < p.R; ++r) {
      const int above = row + p.pad_top - r * p.dilation_h, i = above / p.stride_h;
      if (above < 0 || i * p.stride_h != above || i >= p.P) continue;
      for (int s = 0; s < p.S; ++s) {
        const int left = column + p.pad_left - s * p.dilation_w, j = left / p.stride_w;
        if (left < 0 || j * p.stride_w != left || j >= p.Q) continue;
        const T* const from = image + static_cast<int64_t>(i * p.Q + j) * p.K;
        const T* const factor = w + static_cast<int64_t>(r * p.S + s) * p.K + first;
        for (int k = 0; k < p.multiplier; ++k) sum = formulas::fma(widen(from[k]), widen(factor[k]), sum);
      }
    }
    dx[at] = narrow<T>(finish.of(sum, c));
  });
}

// Block (tap, channels, part): 32 neighbouring channels by 8 slices of the part's pixels, each every 8th in ascending
// order; then the slices. partial is [parts, R S, K].
template <typename T>
__global__ void __launch_bounds__(kThreads)
    depthwise_backward_weights(const __grid_constant__ Depthwise p, int64_t pixels, int64_t length, int64_t parts,
                               const T* x, const T* dy, Wide<T>* partial) {
  __shared__ Wide<T> slices[kSlices][kSliced];
  const int lane = static_cast<int>(threadIdx.x) % kSliced, slice = static_cast<int>(threadIdx.x) / kSliced;
  const int64_t chunks = ceil_div(p.K, kSliced), taps = int64_t{p.R} * p.S;
  for (int64_t block = blockIdx.x; block < chunks * taps * parts; block += gridDim.x) {
    const int64_t chunk = block % chunks, rest = block / chunks, tap = rest % taps, part = rest / taps;
    const int r = static_cast<int>(tap / p.S), s = static_cast<int>(tap - int64_t{r} * p.S);
    const int64_t k = chunk * kSliced + lane;
    const int64_t end = (part + 1) * length < pixels ? (part + 1) * length : pixels;
    Wide<T> sum = 0;
    if (k < p.K) {
      const int64_t c = k / p.multiplier;
      for (int64_t pixel = part * length + slice; pixel < end; pixel += kSlices) {
        const int64_t line = pixel / p.Q, n = line / p.P;
        const int h = static_cast<int>(line - n * p.P) * p.stride_h + r * p.dilation_h - p.pad_top;
        const int v = static_cast<int>(pixel - line * p.Q) * p.stride_w + s * p.dilation_w - p.pad_left;
        if (h < 0 || h >= p.H || v < 0 || v >= p.W) continue;
        sum = formulas::fma(widen(x[((n * p.H + h) * p.W + v) * p.C + c]), widen(dy[pixel * p.K + k]), sum);
      }
    }
    slices[slice][lane] = sum;
    __syncthreads();
    if (slice == 0 && k < p.K) {
#pragma unroll
      for (int other = 1; other < kSlices; ++other) sum = sum + slices[other][lane];
      partial[(part * taps + tap) * p.K + k] = sum;
    }
    __syncthreads();
  }
}

template <typename T>
void run_depthwise_weights(const Stream& stream, const Conv2d& p, const T* x, const T* dy, T* dw) {
  const int64_t pixels = p.N * p.P * p.Q, parts = std::clamp<int64_t>(pixels / 512, 1, kMostParts);
  Layout layout{};
  layout.M = p.R * p.S, layout.N = p.K, layout.count = 1;
  layout.length = std::max<int64_t>(ceil_div(pixels, parts), 1);
  layout.parts = std::max<int64_t>(ceil_div(pixels, layout.length), 1);
  Conv2d single = p;  // as add_parts sees dw: [R S, K]
  single.C = single.groups = 1;
  const int64_t size = layout.M * layout.N;
  Wide<T>* const partial = stream.scratch_of<Wide<T>>(layout.parts * size);
  const int64_t blocks = ceil_div(p.K, kSliced) * layout.M * layout.parts;
  depthwise_backward_weights<T>
      <<<static_cast<unsigned>(std::min<int64_t>(blocks, 1 << 30)), kThreads, 0, stream.handle>>>(
          depthwise_sizes(p, size), pixels, layout.length, layout.parts, x, dy, partial);
  add_parts<<<blocks_for(size, 1, kSliced), kThreads, 0, stream.handle>>>(backward_weights_problem(single, x, dy, dw),
                                                                          layout, partial);
}

}  // namespace
}  // namespace tilegrad::cuda
