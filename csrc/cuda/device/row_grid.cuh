// Threads in rows: for kernels whose work is `rows` times `items`, where what a row has in common is found once.
#pragma once

#include "cuda/kernel.cuh"

namespace tilegrad::cuda {
namespace {

// Blocks of kThreads threads: side by side along a row's items, several rows where these are few.
struct RowGrid {
  dim3 blocks, threads;
};

inline RowGrid row_grid(int64_t rows, int64_t items) {
  int along = 1;
  while (along < items && along < kThreads) along *= 2;
  const int rows_at_once = kThreads / along;
  const int64_t across = ceil_div(items, along);
  return {dim3(blocks_for(rows, 1, rows_at_once), static_cast<unsigned>(across > 65535 ? 65535 : across)),
          dim3(static_cast<unsigned>(along), static_cast<unsigned>(rows_at_once))};
}

// Calls row(r) for this thread's rows, and item(i) of what that returns for its items of each.
template <typename Row>
__device__ __forceinline__ void for_each_row(int64_t rows, int64_t items, Row row) {
  const int64_t row_step = int64_t{gridDim.x} * blockDim.y, item_step = int64_t{gridDim.y} * blockDim.x;
  for (int64_t r = int64_t{blockIdx.x} * blockDim.y + threadIdx.y; r < rows; r += row_step) {
    const auto item = row(r);
    for (int64_t i = int64_t{blockIdx.y} * blockDim.x + threadIdx.x; i < items; i += item_step) item(i);
  }
}

}  // namespace
}  // namespace tilegrad::cuda
