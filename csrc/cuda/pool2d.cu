// Max and average pooling, vectorised over channels. Every output is computed by one thread from its window in row-major
// order; gradients are gathered, too: every input pixel sums over the windows that cover it, in row-major order of
// windows. So overlapping windows need no atomics, and the bits are the CPU's.
#include "core/error.h"
#include "cuda/device/elementwise.cuh"
#include "cuda/device/row_grid.cuh"
#include "params/pool2d.h"

namespace tilegrad::cuda {
namespace {

template <int kVector, typename T>
__device__ __forceinline__ Pack<T, kVector> load(const T* from) {
  return *reinterpret_cast<const Pack<T, kVector>*>(from);
}
template <int kVector, typename T>
__device__ __forceinline__ void store(T* to, const Pack<T, kVector>& values) {
  *reinterpret_cast<Pack<T, kVector>*>(to) = values;
}

// Positions are computed in 32 bits.
using Pooling = Pool2dOf<int32_t>;
inline Pooling pooling(const Pool2d& p) {
  const auto axis = [](const PoolAxis& a) {
    constexpr int64_t kMost = 1 << 28;
    if (a.in >= kMost || a.out >= kMost || a.kernel >= kMost || a.before >= kMost || a.after >= kMost) {
      fail(ErrorKind::argument,
           "pooling: images, windows and paddings on CUDA must be smaller than 2^28 rows or columns, found images of "
           "%lld and windows of %lld",
           static_cast<long long>(a.in), static_cast<long long>(a.kernel));
    }
    const auto number = [](int64_t n) { return static_cast<int32_t>(n); };
    return PoolAxisOf<int32_t>{number(a.in),     number(a.out),   number(a.kernel), number(a.out > 1 ? a.stride : 1),
                               number(a.before), number(a.after), a.adaptive};
  };
  return {p.N, p.C, axis(p.row), axis(p.column), p.count_padding};
}

// How many pixels a window's mean is over, given those inside the image.
__device__ __forceinline__ int64_t pixels_of(const Pooling& p, int row, Range rows, int column, Range columns) {
  if (p.count_padding) return int64_t{p.row.padded(row)} * p.column.padded(column);
  return (rows.end - rows.begin) * (columns.end - columns.begin);
}

// Calls run(image, row, inside, column, inside, channel) for every vector of channels of every output.
template <int kVector, typename Run>
__device__ __forceinline__ void for_each_window(const Pooling& p, Run run) {
  const int64_t P = p.row.out, vectors = p.C / kVector;
  for_each_row(p.N * P, p.column.out * vectors, [&](int64_t r) {
    const int64_t n = r / P;
    const int row = static_cast<int>(r - n * P);
    const Range rows = p.row.inside(row);
    return [&, n, row, rows](int64_t i) {
      const int column = static_cast<int>(i / vectors);
      const int64_t channel = (i - column * vectors) * kVector;
      run(n, row, rows, column, p.column.inside(column), channel);
    };
  });
}

// Calls run(image, h, windows over it, w, windows over it, channel) for every vector of channels of every input pixel.
template <int kVector, typename Run>
__device__ __forceinline__ void for_each_pixel(const Pooling& p, Run run) {
  const int64_t H = p.row.in, vectors = p.C / kVector;
  for_each_row(p.N * H, p.column.in * vectors, [&](int64_t r) {
    const int64_t n = r / H;
    const int h = static_cast<int>(r - n * H);
    const Range rows = p.row.over(h);
    return [&, n, h, rows](int64_t i) {
      const int w = static_cast<int>(i / vectors);
      const int64_t channel = (i - w * vectors) * kVector;
      run(n, h, rows, w, p.column.over(w), channel);
    };
  });
}

// y = max over the window, index = the tap (r * S + s) that it came from: the first of equal ones, and a NaN before any
// number. index may be null.
template <int kVector, typename T, typename Index>
__global__ void __launch_bounds__(kThreads)
    max_pool(const __grid_constant__ Pooling p, const T* x, T* y, Index* index) {
  for_each_window<kVector>(p, [&](int64_t n, int row, Range rows, int column, Range columns, int64_t channel) {
    const int64_t first_tap =
        (rows.begin - p.row.first(row)) * p.column.kernel + columns.begin - p.column.first(column);
    const T* const from = x + ((n * p.row.in + rows.begin) * p.column.in + columns.begin) * p.C + channel;
    Pack<T, kVector> best = load<kVector>(from);
    int best_tap[kVector];
#pragma unroll
    for (int e = 0; e < kVector; ++e) best_tap[e] = static_cast<int>(first_tap);
    const int64_t high = rows.end - rows.begin, wide = columns.end - columns.begin;
    for (int64_t r = 0; r < high; ++r) {
      const T* const line = from + r * p.column.in * p.C;
      const int tap = static_cast<int>(first_tap + r * p.column.kernel);
      for (int64_t s = 0; s < wide; ++s) {
        const Pack<T, kVector> values = load<kVector>(line + s * p.C);
#pragma unroll
        for (int e = 0; e < kVector; ++e) {
          const auto value = widen(values.at[e]), so_far = widen(best.at[e]);
          const bool wins = !(value <= so_far) && so_far == so_far;
          best.at[e] = wins ? values.at[e] : best.at[e];
          best_tap[e] = wins ? tap + static_cast<int>(s) : best_tap[e];
        }
      }
    }
    const int64_t out = ((n * p.row.out + row) * p.column.out + column) * p.C + channel;
    store(y + out, best);
    if (!index) return;
    Pack<Index, kVector> taps;
#pragma unroll
    for (int e = 0; e < kVector; ++e) taps.at[e] = static_cast<Index>(best_tap[e]);
    store(index + out, taps);
  });
}

template <int kVector, typename T, typename Index>
__global__ void __launch_bounds__(kThreads)
    max_pool_backward(const __grid_constant__ Pooling p, const T* dy, const Index* index, T* dx) {
  for_each_pixel<kVector>(p, [&](int64_t n, int h, Range rows, int w, Range columns, int64_t channel) {
    Wide<T> sum[kVector] = {};
    for (int row = static_cast<int>(rows.begin); row < rows.end; ++row) {
      const int64_t first_tap = (h - p.row.first(row)) * p.column.kernel + w;
      for (int column = static_cast<int>(columns.begin); column < columns.end; ++column) {
        const int64_t out = ((n * p.row.out + row) * p.column.out + column) * p.C + channel;
        const int tap = static_cast<int>(first_tap - p.column.first(column));
        const Pack<Index, kVector> taps = load<kVector>(index + out);
        const Pack<T, kVector> values = load<kVector>(dy + out);
#pragma unroll
        for (int e = 0; e < kVector; ++e) {
          sum[e] += static_cast<int>(taps.at[e]) == tap ? widen(values.at[e]) : Wide<T>(0);
        }
      }
    }
    Pack<T, kVector> result;
#pragma unroll
    for (int e = 0; e < kVector; ++e) result.at[e] = narrow<T>(sum[e]);
    store(dx + ((n * p.row.in + h) * p.column.in + w) * p.C + channel, result);
  });
}

// y = sum over the window / number of its pixels, inside the image or with the padding.
template <int kVector, typename T>
__global__ void __launch_bounds__(kThreads) avg_pool(const __grid_constant__ Pooling p, const T* x, T* y) {
  for_each_window<kVector>(p, [&](int64_t n, int row, Range rows, int column, Range columns, int64_t channel) {
    const T* const from = x + ((n * p.row.in + rows.begin) * p.column.in + columns.begin) * p.C + channel;
    const int64_t high = rows.end - rows.begin, wide = columns.end - columns.begin;
    Wide<T> sum[kVector] = {};
    for (int64_t r = 0; r < high; ++r) {
      const T* const line = from + r * p.column.in * p.C;
      for (int64_t s = 0; s < wide; ++s) {
        const Pack<T, kVector> values = load<kVector>(line + s * p.C);
#pragma unroll
        for (int e = 0; e < kVector; ++e) sum[e] += widen(values.at[e]);
      }
    }
    const Wide<T> count = static_cast<Wide<T>>(pixels_of(p, row, rows, column, columns));
    Pack<T, kVector> result;
#pragma unroll
    for (int e = 0; e < kVector; ++e) result.at[e] = narrow<T>(sum[e] / count);
    store(y + ((n * p.row.out + row) * p.column.out + column) * p.C + channel, result);
  });
}

template <int kVector, typename T>
__global__ void __launch_bounds__(kThreads) avg_pool_backward(const __grid_constant__ Pooling p, const T* dy, T* dx) {
  for_each_pixel<kVector>(p, [&](int64_t n, int h, Range rows, int w, Range columns, int64_t channel) {
    Wide<T> sum[kVector] = {};
    for (int row = static_cast<int>(rows.begin); row < rows.end; ++row) {
      const Range inside_h = p.row.inside(row);
      for (int column = static_cast<int>(columns.begin); column < columns.end; ++column) {
        const Wide<T> count = static_cast<Wide<T>>(pixels_of(p, row, inside_h, column, p.column.inside(column)));
        const Pack<T, kVector> values =
            load<kVector>(dy + ((n * p.row.out + row) * p.column.out + column) * p.C + channel);
#pragma unroll
        for (int e = 0; e < kVector; ++e) sum[e] += widen(values.at[e]) / count;
      }
    }
    Pack<T, kVector> result;
#pragma unroll
    for (int e = 0; e < kVector; ++e) result.at[e] = narrow<T>(sum[e]);
    store(dx + ((n * p.row.in + h) * p.column.in + w) * p.C + channel, result);
  });
}

// Calls run(vector) with how many channels threads take at once, as a constant.
template <typename T, typename Run>
void with_vector(const Pool2d& p, bool aligned, Run run) {
  constexpr int kVector = kVectorOf<T>;
  if (aligned && p.C % kVector == 0) return run(std::integral_constant<int, kVector>{});
  run(std::integral_constant<int, 1>{});
}

template <typename T, typename Index>
void run_max_pool(const Stream& stream, const Pool2d& p, const T* x, T* y, Index* index) {
  constexpr int kVector = kVectorOf<T>;
  const bool aligned = is_aligned(x, kVector) && is_aligned(y, kVector) && is_aligned(index, kVector);
  with_vector<T>(p, aligned, [&](auto vector) {
    const RowGrid grid = row_grid(p.N * p.row.out, p.column.out * (p.C / vector));
    max_pool<vector><<<grid.blocks, grid.threads, 0, stream.handle>>>(pooling(p), x, y, index);
  });
}

// index is [N, P, Q, C] of bytes where a window has at most 256 taps, else of 32-bit integers; both null where nobody
// asks for it.
template <typename T>
void max_pool2d(const Stream& stream, const Pool2d& p, const T* x, T* y, uint8_t* byte_index, int32_t* index) {
  if (p.N * p.row.out * p.column.out * p.C == 0) return;
  if (index) return run_max_pool(stream, p, x, y, index);
  run_max_pool(stream, p, x, y, byte_index);
}

template <typename T, typename Index>
void run_max_pool_backward(const Stream& stream, const Pool2d& p, const T* dy, const Index* index, T* dx) {
  constexpr int kVector = kVectorOf<T>;
  const bool aligned = is_aligned(dy, kVector) && is_aligned(dx, kVector) && is_aligned(index, kVector);
  with_vector<T>(p, aligned, [&](auto vector) {
    const RowGrid grid = row_grid(p.N * p.row.in, p.column.in * (p.C / vector));
    max_pool_backward<vector><<<grid.blocks, grid.threads, 0, stream.handle>>>(pooling(p), dy, index, dx);
  });
}

template <typename T>
void max_pool2d_backward(const Stream& stream, const Pool2d& p, const T* dy, const uint8_t* byte_index,
                         const int32_t* index, T* dx) {
  if (p.N * p.row.in * p.column.in * p.C == 0) return;
  if (index) return run_max_pool_backward(stream, p, dy, index, dx);
  run_max_pool_backward(stream, p, dy, byte_index, dx);
}

template <typename T>
void avg_pool2d(const Stream& stream, const Pool2d& p, const T* x, T* y) {
  if (p.N * p.row.out * p.column.out * p.C == 0) return;
  constexpr int kVector = kVectorOf<T>;
  with_vector<T>(p, is_aligned(x, kVector) && is_aligned(y, kVector), [&](auto vector) {
    const RowGrid grid = row_grid(p.N * p.row.out, p.column.out * (p.C / vector));
    avg_pool<vector><<<grid.blocks, grid.threads, 0, stream.handle>>>(pooling(p), x, y);
  });
}

template <typename T>
void avg_pool2d_backward(const Stream& stream, const Pool2d& p, const T* dy, T* dx) {
  if (p.N * p.row.in * p.column.in * p.C == 0) return;
  constexpr int kVector = kVectorOf<T>;
  with_vector<T>(p, is_aligned(dy, kVector) && is_aligned(dx, kVector), [&](auto vector) {
    const RowGrid grid = row_grid(p.N * p.row.in, p.column.in * (p.C / vector));
    avg_pool_backward<vector><<<grid.blocks, grid.threads, 0, stream.handle>>>(pooling(p), dy, dx);
  });
}

}  // namespace
DEFINE_KERNEL(max_pool2d, FLOATING, BFloat16, Float16)
DEFINE_KERNEL(max_pool2d_backward, FLOATING, BFloat16, Float16)
DEFINE_KERNEL(avg_pool2d, FLOATING, BFloat16, Float16)
DEFINE_KERNEL(avg_pool2d_backward, FLOATING, BFloat16, Float16)
}  // namespace tilegrad::cuda
