// Max and average pooling, vectorised over channels. Every output is computed by one member from its window in
// row-major order; gradients are gathered, too: every input pixel sums over the windows that cover it, in row-major
// order of windows. So nothing depends on threads, and overlapping windows need no atomics.
#include "cpu/vec.h"
#include "params/pool2d.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// The part of window `out` that is inside the image, in positions of the image.
TILEGRAD_INLINE Range window_inside(int64_t out, int64_t stride, int64_t before, int64_t kernel, int64_t in) {
  const int64_t first = out * stride - before;
  return {larger<int64_t>(first, 0), smaller(first + kernel, in)};
}

// The windows that cover position `at`.
TILEGRAD_INLINE Range windows_over(int64_t at, int64_t stride, int64_t before, int64_t kernel, int64_t out) {
  const int64_t padded = at + before;
  return {padded < kernel ? 0 : (padded - kernel) / stride + 1, smaller(padded / stride + 1, out)};
}

// Channels are taken in blocks that stay in the L1 cache over all taps.
inline constexpr int64_t kChannelBlock = 512;

// y = max over the window, index = the tap (r * S + s) that it came from: the first of equal ones, and a NaN before any
// number.
template <typename T, typename Index>
TILEGRAD_INLINE void max_of_window(const Pool2d& p, const T* image, Range rows, Range columns, int64_t first_row,
                                   int64_t first_column, int64_t channels, T* y, Index* index) {
  for (int64_t h = rows.begin; h < rows.end; ++h) {
    for (int64_t w = columns.begin; w < columns.end; ++w) {
      const T* x = image + (h * p.W + w) * p.C;
      const Index tap = static_cast<Index>((h - first_row) * p.S + w - first_column);
      if (h == rows.begin && w == columns.begin) {
#pragma omp simd
        for (int64_t c = 0; c < channels; ++c) y[c] = x[c];
        if (index) {
#pragma omp simd
          for (int64_t c = 0; c < channels; ++c) index[c] = tap;
        }
        continue;
      }
      if (index) {
#pragma omp simd
        for (int64_t c = 0; c < channels; ++c) {
          const T best = y[c], value = x[c];
          const bool wins = (value > best) | ((value != value) & (best == best));
          y[c] = wins ? value : best;
          index[c] = wins ? tap : index[c];
        }
      } else {
#pragma omp simd
        for (int64_t c = 0; c < channels; ++c) {
          const T best = y[c], value = x[c];
          const bool wins = (value > best) | ((value != value) & (best == best));
          y[c] = wins ? value : best;
        }
      }
    }
  }
}

// Calls f(n, p, q, output offset) for this member's share of the output pixels.
template <typename F>
TILEGRAD_INLINE void for_each_window(const Team& team, const Pool2d& p, F f) {
  const Range rows = team.share(p.N * p.P);
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    for (int64_t q = 0; q < p.Q; ++q) f(row / p.P, row % p.P, q, (row * p.Q + q) * p.C);
  }
}

template <typename F>
TILEGRAD_INLINE void for_each_pixel(const Team& team, const Pool2d& p, F f) {
  const Range rows = team.share(p.N * p.H);
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    for (int64_t w = 0; w < p.W; ++w) f(row / p.H, row % p.H, w, (row * p.W + w) * p.C);
  }
}

template <typename T, typename Index>
void max_pool(const Team& team, const Pool2d& p, const T* x, T* y, Index* index) {
  for_each_window(team, p, [&](int64_t n, int64_t row, int64_t column, int64_t out) {
    const Range rows = window_inside(row, p.stride_h, p.pad_top, p.R, p.H);
    const Range columns = window_inside(column, p.stride_w, p.pad_left, p.S, p.W);
    for (int64_t c = 0; c < p.C; c += kChannelBlock) {
      max_of_window(p, x + n * p.H * p.W * p.C + c, rows, columns, row * p.stride_h - p.pad_top,
                    column * p.stride_w - p.pad_left, smaller(kChannelBlock, p.C - c), y + out + c,
                    index ? index + out + c : nullptr);
    }
  });
}

// index is [N, P, Q, C] of bytes where a window has at most 256 taps, else of 32-bit integers; both null where nobody
// asks for it.
template <typename T>
void max_pool2d(const Team& team, const Pool2d& p, const T* x, T* y, uint8_t* byte_index, int32_t* index) {
  if (index) return max_pool(team, p, x, y, index);
  max_pool(team, p, x, y, byte_index);
}

template <typename T, typename Index>
void max_pool_backward(const Team& team, const Pool2d& p, const T* dy, const Index* index, T* dx) {
  for_each_pixel(team, p, [&](int64_t n, int64_t h, int64_t w, int64_t in) {
    const Range rows = windows_over(h, p.stride_h, p.pad_top, p.R, p.P);
    const Range columns = windows_over(w, p.stride_w, p.pad_left, p.S, p.Q);
    T* const sum = dx + in;
#pragma omp simd
    for (int64_t c = 0; c < p.C; ++c) sum[c] = 0;
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      for (int64_t column = columns.begin; column < columns.end; ++column) {
        const int64_t r = h - (row * p.stride_h - p.pad_top), s = w - (column * p.stride_w - p.pad_left);
        const Index tap = static_cast<Index>(r * p.S + s);
        const int64_t out = ((n * p.P + row) * p.Q + column) * p.C;
        const T* const gradient = dy + out;
        const Index* const from = index + out;
#pragma omp simd
        for (int64_t c = 0; c < p.C; ++c) sum[c] += from[c] == tap ? gradient[c] : T(0);
      }
    }
  });
}

template <typename T>
void max_pool2d_backward(const Team& team, const Pool2d& p, const T* dy, const uint8_t* byte_index,
                         const int32_t* index, T* dx) {
  if (index) return max_pool_backward(team, p, dy, index, dx);
  max_pool_backward(team, p, dy, byte_index, dx);
}

// y = sum over the window / number of its pixels inside the image.
template <typename T>
void avg_pool2d(const Team& team, const Pool2d& p, const T* x, T* y) {
  for_each_window(team, p, [&](int64_t n, int64_t row, int64_t column, int64_t out) {
    const Range rows = window_inside(row, p.stride_h, p.pad_top, p.R, p.H);
    const Range columns = window_inside(column, p.stride_w, p.pad_left, p.S, p.W);
    const T count = static_cast<T>((rows.end - rows.begin) * (columns.end - columns.begin));
    for (int64_t first = 0; first < p.C; first += kChannelBlock) {
      const int64_t channels = smaller(kChannelBlock, p.C - first);
      T* const sum = y + out + first;
#pragma omp simd
      for (int64_t c = 0; c < channels; ++c) sum[c] = 0;
      for (int64_t h = rows.begin; h < rows.end; ++h) {
        for (int64_t w = columns.begin; w < columns.end; ++w) {
          const T* const from = x + ((n * p.H + h) * p.W + w) * p.C + first;
#pragma omp simd
          for (int64_t c = 0; c < channels; ++c) sum[c] += from[c];
        }
      }
#pragma omp simd
      for (int64_t c = 0; c < channels; ++c) sum[c] /= count;
    }
  });
}

template <typename T>
void avg_pool2d_backward(const Team& team, const Pool2d& p, const T* dy, T* dx) {
  for_each_pixel(team, p, [&](int64_t n, int64_t h, int64_t w, int64_t in) {
    const Range rows = windows_over(h, p.stride_h, p.pad_top, p.R, p.P);
    const Range columns = windows_over(w, p.stride_w, p.pad_left, p.S, p.Q);
    T* const sum = dx + in;
#pragma omp simd
    for (int64_t c = 0; c < p.C; ++c) sum[c] = 0;
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      const Range inside_h = window_inside(row, p.stride_h, p.pad_top, p.R, p.H);
      for (int64_t column = columns.begin; column < columns.end; ++column) {
        const Range inside_w = window_inside(column, p.stride_w, p.pad_left, p.S, p.W);
        const T count = static_cast<T>((inside_h.end - inside_h.begin) * (inside_w.end - inside_w.begin));
        const T* const gradient = dy + ((n * p.P + row) * p.Q + column) * p.C;
#pragma omp simd
        for (int64_t c = 0; c < p.C; ++c) sum[c] += gradient[c] / count;
      }
    }
  });
}

}  // namespace
DEFINE_KERNEL(max_pool2d, FLOATING)
DEFINE_KERNEL(max_pool2d_backward, FLOATING)
DEFINE_KERNEL(avg_pool2d, FLOATING)
DEFINE_KERNEL(avg_pool2d_backward, FLOATING)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
