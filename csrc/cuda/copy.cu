// Copies between strided layouts, and fills.
#include "cuda/device/elementwise.cuh"

namespace tilegrad::cuda {
namespace {

struct same {
  template <typename R>
  __device__ __forceinline__ R operator()(R value) const {
    return value;
  }
};

inline constexpr int kTile = 32;

// y[b][i][j] = x[b][j][i] by tiles in shared memory, so that both sides are walked along memory. x is [columns, rows] with
// unit steps along its rows.
template <typename R>
__global__ void transpose_tiles(int64_t rows, int64_t columns, int64_t x_step, int64_t y_step, int64_t x_batch,
                                int64_t y_batch, const R* x, R* y) {
  __shared__ R tile[kTile][kTile + 1];  // one more: no two lanes meet in a bank
  x += blockIdx.z * x_batch;
  y += blockIdx.z * y_batch;
  const int64_t row = int64_t{blockIdx.y} * kTile, column = int64_t{blockIdx.x} * kTile;
  for (int j = threadIdx.y; j < kTile; j += blockDim.y) {
    const int64_t from = column + j, at = row + threadIdx.x;
    if (from < columns && at < rows) tile[j][threadIdx.x] = x[from * x_step + at];
  }
  __syncthreads();
  for (int i = threadIdx.y; i < kTile; i += blockDim.y) {
    const int64_t to = row + i, at = column + threadIdx.x;
    if (to < rows && at < columns) y[to * y_step + at] = tile[threadIdx.x][i];
  }
}

// Whether the nest is a batch of transposed matrices that are worth tiles.
template <typename R>
bool transpose(const Stream& stream, const LoopNest<2>& nest, const R* x, R* y) {
  const int last = nest.ndim - 1;
  if (nest.ndim < 2 || nest.ndim > 3 || nest.stride[1][last] != 1 || nest.stride[0][last - 1] != 1) return false;
  const int64_t rows = nest.shape[last - 1], columns = nest.shape[last];
  const int64_t batch = nest.ndim == 3 ? nest.shape[0] : 1;
  if (rows < 8 || columns < 8 || batch > 65535 || ceil_div(rows, kTile) > 65535) return false;
  const dim3 grid(static_cast<unsigned>(ceil_div(columns, kTile)), static_cast<unsigned>(ceil_div(rows, kTile)),
                  static_cast<unsigned>(batch));
  transpose_tiles<R><<<grid, dim3(kTile, 8), 0, stream.handle>>>(
      rows, columns, nest.stride[0][last], nest.stride[1][last - 1], nest.ndim == 3 ? nest.stride[0][0] : 0,
      nest.ndim == 3 ? nest.stride[1][0] : 0, x, y);
  return true;
}

template <typename T>
void copy(const Stream& stream, const LoopNest<2>& nest, const T* x, T* y) {
  using R = Raw<sizeof(T)>;
  const R* const from = reinterpret_cast<const R*>(x);
  R* const to = reinterpret_cast<R*>(y);
  if (nest.numel == 0 || transpose(stream, nest, from, to)) return;
  map(stream, nest, same{}, to, from);
}

template <typename T>
void fill(const Stream& stream, const LoopNest<2>& nest, const T* value, T* y) {
  using R = Raw<sizeof(T)>;
  map(stream, nest, same{}, reinterpret_cast<R*>(y), reinterpret_cast<const R*>(value));
}

}  // namespace
DEFINE_KERNEL(copy, ALL)
DEFINE_KERNEL(fill, ALL)
}  // namespace tilegrad::cuda
