// Arrays that are functions of their indices.
#include "cuda/device/indexed.cuh"
#include "cuda/device/row_grid.cuh"
#include "params/sequence.h"

namespace tilegrad::cuda {
namespace {

// Floating elements are computed in double and rounded once.
template <typename T>
__global__ void __launch_bounds__(kThreads) write_sequence(Sequence p, T* y) {
  for_each_element(p.count, [&](int64_t i) {
    if constexpr (std::is_floating_point_v<T>) {
      y[i] = static_cast<T>(p.start + static_cast<double>(i) * p.step);
    } else {
      y[i] = static_cast<T>(p.whole_start + i * p.whole_step);
    }
  });
}

template <typename T>
void sequence(const Stream& stream, const Sequence& p, T* y) {
  if (p.count > 0) write_sequence<<<blocks_for(p.count), kThreads, 0, stream.handle>>>(p, y);
}

template <typename R>
__global__ void __launch_bounds__(kThreads) copy_band(Band p, const R* x, R* y) {
  for_each_row(p.batch * p.rows, p.columns, [&](int64_t r) {
    const int64_t row = r % p.rows, first = r * p.columns;
    return [&p, x, y, row, first](int64_t c) {
      y[first + c] = c - row >= p.least && c - row <= p.most ? x[first + c] : R(0);
    };
  });
}

template <typename T>
void band(const Stream& stream, const Band& p, const T* x, T* y) {
  if (p.batch == 0 || p.rows == 0 || p.columns == 0) return;
  const RowGrid grid = row_grid(p.batch * p.rows, p.columns);
  copy_band<<<grid.blocks, grid.threads, 0, stream.handle>>>(p, raw(x), raw(y));
}

}  // namespace
DEFINE_KERNEL(sequence, NUMERIC)
DEFINE_KERNEL(band, ALL)
}  // namespace tilegrad::cuda
