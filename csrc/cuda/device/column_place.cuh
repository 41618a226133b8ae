// Sums down columns: a block takes chunks of 2^log_width neighbouring columns, with 16 threads for each column of a chunk, so
// that it reads along memory and every sum keeps the order of device/sums.cuh.
#pragma once

#include "cuda/device/sums.cuh"

namespace tilegrad::cuda {
namespace {

inline constexpr int kColumnThreads = 512;  // of a block at most

// The smallest power of two that `count` fits in, up to 2^most.
inline int log_width_of(int64_t count, int most) {
  int log = 0;
  while (log < most && (int64_t{1} << log) < count) ++log;
  return log;
}

// How `rows` rows (of chunks) of `columns` columns are laid over blocks. It is part of no result: narrow blocks read less
// well, but where there are few, more of them take less time.
struct ColumnLaunch {
  int log_width, threads;
  unsigned blocks;
  ColumnLaunch(int64_t rows, int64_t columns) {
    constexpr int64_t kEnoughBlocks = 256;
    constexpr int kLeastLog = 3;
    log_width = log_width_of(columns, 5);
    threads = kColumnThreads;
    const auto count = [&] {
      return ceil_div(rows * ceil_div(columns, int64_t{1} << log_width), threads / kLanes >> log_width);
    };
    while (count() < kEnoughBlocks) {
      if (threads > kLanes << log_width && threads > 64) {
        threads /= 2;
      } else if (log_width > kLeastLog) {
        --log_width;
        threads /= 2;
      } else {
        break;
      }
    }
    blocks = blocks_for(count(), 1, 1);
  }
};

// Where a thread of such a block is.
struct ColumnPlace {
  int log_width, column, lane, place, at_once;
  __device__ __forceinline__ explicit ColumnPlace(int log_width) : log_width(log_width) {
    const int t = static_cast<int>(threadIdx.x);
    column = t & ((1 << log_width) - 1);
    lane = t >> log_width & (kLanes - 1);
    place = t >> log_width >> 4;
    at_once = static_cast<int>(blockDim.x) >> log_width >> 4;
  }
  // The thread of another lane of the same column.
  __device__ __forceinline__ int thread_of(int other) const {
    return static_cast<int>(threadIdx.x) + (other - lane << log_width);
  }
  // The tree over the lanes of every column; all lanes get the result. `room` has a value for each thread.
  template <typename Part, typename Values, typename Join>
  __device__ __forceinline__ Part join(Part part, Values& room, Join join) const {
    const int t = static_cast<int>(threadIdx.x);
    room[t] = part;
    __syncthreads();
    for (int half = kLanes / 2; half > 0; half /= 2) {
      if (lane < half) room[t] = join(room[t], room[thread_of(lane + half)]);
      __syncthreads();
    }
    const Part joined = room[thread_of(0)];
    __syncthreads();
    return joined;
  }
};

}  // namespace
}  // namespace tilegrad::cuda
