// Images in another size, by the nearest pixel or bilinearly, vectorised over channels. Gradients are gathered: every input
// pixel sums over the outputs that it is part of, in row-major order, as on the CPU.
#include "cuda/device/elementwise.cuh"
#include "cuda/device/row_grid.cuh"
#include "params/resize2d.h"

namespace tilegrad::cuda {
namespace {

template <typename T>
__device__ __forceinline__ ResizeSource<T> source_of(const ResizeAxis& axis, bool linear, int64_t i) {
  const int64_t last = axis.in - 1;
  const auto at_most_last = [&](int64_t at) { return at < last ? at : last; };
  if (!linear) {
    const int64_t at = at_most_last(static_cast<int64_t>(static_cast<double>(i) * axis.numerator / axis.denominator));
    return {at, at, T(0)};
  }
  const double centre = (static_cast<double>(i) + 0.5) * axis.numerator / axis.denominator - 0.5;
  const double at = centre < 0 ? 0.0 : centre;
  const int64_t low = at_most_last(static_cast<int64_t>(at));
  return {low, at_most_last(low + 1), static_cast<T>(at - static_cast<double>(low))};
}

// sources: of the rows of the output, then of its columns.
template <typename T>
__global__ void __launch_bounds__(kThreads) find_sources(Resize2d p, ResizeSource<T>* sources) {
  const int64_t step = int64_t{gridDim.x} * kThreads, rows = p.row.out;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < rows + p.column.out; i += step) {
    sources[i] = i < rows ? source_of<T>(p.row, p.linear, i) : source_of<T>(p.column, p.linear, i - rows);
  }
}

template <typename T>
ResizeSource<T>* make_sources(const Stream& stream, const Resize2d& p) {
  const int64_t count = p.row.out + p.column.out;
  auto* const sources = stream.scratch_of<ResizeSource<T>>(count);
  find_sources<<<blocks_for(count), kThreads, 0, stream.handle>>>(p, sources);
  return sources;
}

template <int kVector, typename T>
__global__ void __launch_bounds__(kThreads)
    resize(const __grid_constant__ Resize2d p, const ResizeSource<T>* sources, const T* x, T* y) {
  const int64_t vectors = p.C / kVector, line = p.column.in * p.C;
  for_each_row(p.N * p.row.out, p.column.out * vectors, [&](int64_t r) {
    const int64_t n = r / p.row.out;
    const ResizeSource<T> row = sources[r - n * p.row.out];
    const T *const upper = x + (n * p.row.in + row.low) * line, *const lower = x + (n * p.row.in + row.high) * line;
    return [&, r, row, upper, lower](int64_t i) {
      using Elements = Pack<T, kVector>;
      const int64_t q = i / vectors, channel = (i - q * vectors) * kVector;
      const ResizeSource<T> column = sources[p.row.out + q];
      const auto load = [&](const T* of, int64_t at) {
        return *reinterpret_cast<const Elements*>(of + at * p.C + channel);
      };
      Elements result = load(upper, column.low);
      if (p.linear) {
        const Elements upper_high = load(upper, column.high), lower_low = load(lower, column.low),
                       lower_high = load(lower, column.high);
        const T right = column.weight, left = T(1) - right, bottom = row.weight, top = T(1) - bottom;
#pragma unroll
        for (int e = 0; e < kVector; ++e) {
          result.at[e] = top * (left * result.at[e] + right * upper_high.at[e]) +
                         bottom * (left * lower_low.at[e] + right * lower_high.at[e]);
        }
      }
      *reinterpret_cast<Elements*>(y + (r * p.column.out + q) * p.C + channel) = result;
    };
  });
}

// The first of `count` outputs, whose sources ascend, for which is_there(source) holds.
template <typename T, typename IsThere>
__device__ __forceinline__ int64_t first_output(const ResizeSource<T>* sources, int64_t count, IsThere is_there) {
  int64_t low = 0, high = count;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (is_there(sources[middle])) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

// The outputs that input position `at` is part of.
template <typename T>
__device__ __forceinline__ Range outputs_of(const ResizeSource<T>* sources, int64_t count, int64_t at) {
  return {first_output(sources, count, [&](const ResizeSource<T>& source) { return source.high >= at; }),
          first_output(sources, count, [&](const ResizeSource<T>& source) { return source.low > at; })};
}

// outputs: of the rows of the input, then of its columns.
template <typename T>
__global__ void __launch_bounds__(kThreads) find_outputs(Resize2d p, const ResizeSource<T>* sources, Range* outputs) {
  const int64_t step = int64_t{gridDim.x} * kThreads, rows = p.row.in;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < rows + p.column.in; i += step) {
    outputs[i] = i < rows ? outputs_of(sources, p.row.out, i) : outputs_of(sources + p.row.out, p.column.out, i - rows);
  }
}

// The share of input position `at` in an output.
template <typename T>
__device__ __forceinline__ T share_of(const ResizeSource<T>& source, int64_t at) {
  return (source.low == at ? T(1) - source.weight : T(0)) + (source.high == at ? source.weight : T(0));
}

template <int kVector, typename T>
__global__ void __launch_bounds__(kThreads)
    resize_backward(const __grid_constant__ Resize2d p, const ResizeSource<T>* sources, const Range* outputs,
                    const T* dy, T* dx) {
  const int64_t vectors = p.C / kVector, line = p.column.out * p.C;
  for_each_row(p.N * p.row.in, p.column.in * vectors, [&](int64_t r) {
    const int64_t n = r / p.row.in, h = r - n * p.row.in;
    const Range rows = outputs[h];
    const T* const image = dy + n * p.row.out * line;
    return [&, r, h, rows, image](int64_t i) {
      using Elements = Pack<T, kVector>;
      const int64_t w = i / vectors, channel = (i - w * vectors) * kVector;
      const Range columns = outputs[p.row.in + w];
      Elements sum = {};
      for (int64_t row = rows.begin; row < rows.end; ++row) {
        const T height = share_of(sources[row], h);
        for (int64_t column = columns.begin; column < columns.end; ++column) {
          const T weight = height * share_of(sources[p.row.out + column], w);
          const Elements values = *reinterpret_cast<const Elements*>(image + row * line + column * p.C + channel);
#pragma unroll
          for (int e = 0; e < kVector; ++e) sum.at[e] = sum.at[e] + weight * values.at[e];
        }
      }
      *reinterpret_cast<Elements*>(dx + (r * p.column.in + w) * p.C + channel) = sum;
    };
  });
}

// Calls run(vector) with how many channels threads take at once, as a constant.
template <typename T, typename Run>
void with_vector(const Resize2d& p, const T* x, const T* y, Run run) {
  constexpr int kVector = kVectorOf<T>;
  if (p.C % kVector == 0 && is_aligned(x, kVector) && is_aligned(y, kVector)) {
    return run(std::integral_constant<int, kVector>{});
  }
  run(std::integral_constant<int, 1>{});
}

template <typename T>
void resize2d(const Stream& stream, const Resize2d& p, const T* x, T* y, Workspace) {
  if (p.N * p.row.out * p.column.out * p.C == 0) return;
  const ResizeSource<T>* const sources = make_sources<T>(stream, p);
  with_vector(p, x, y, [&](auto vector) {
    const RowGrid grid = row_grid(p.N * p.row.out, p.column.out * (p.C / vector));
    resize<vector><<<grid.blocks, grid.threads, 0, stream.handle>>>(p, sources, x, y);
  });
}

template <typename T>
void resize2d_backward(const Stream& stream, const Resize2d& p, const T* dy, T* dx, Workspace) {
  if (p.N * p.row.in * p.column.in * p.C == 0) return;
  const ResizeSource<T>* const sources = make_sources<T>(stream, p);
  const int64_t count = p.row.in + p.column.in;
  Range* const outputs = stream.scratch_of<Range>(count);
  find_outputs<<<blocks_for(count), kThreads, 0, stream.handle>>>(p, sources, outputs);
  with_vector(p, dy, dx, [&](auto vector) {
    const RowGrid grid = row_grid(p.N * p.row.in, p.column.in * (p.C / vector));
    resize_backward<vector><<<grid.blocks, grid.threads, 0, stream.handle>>>(p, sources, outputs, dy, dx);
  });
}

}  // namespace
DEFINE_KERNEL(resize2d, FLOATING)
DEFINE_KERNEL(resize2d_backward, FLOATING)
}  // namespace tilegrad::cuda
