// Running sums along one axis: in double for float, compensated for double.
//
// Lines of up to kShortLine elements are walked by a thread each, in ascending order, which is the CPU's. Longer ones are
// scanned by a block, in tiles of kEach elements for each thread: in order within a thread, as a tree across threads and in
// order over tiles. Which it is depends on the length alone.
#include "cuda/device/sums.cuh"
#include "params/reduce.h"

namespace tilegrad::cuda {
namespace {

inline constexpr int64_t kShortLine = 256;
inline constexpr int kEach = 8;

__device__ __forceinline__ uint64_t as_unsigned(Bool value) { return value.value; }
template <typename T>
__device__ __forceinline__ uint64_t as_unsigned(T value) {
  return static_cast<uint64_t>(static_cast<int64_t>(value));
}

struct IntegerTotal {
  uint64_t sum = 0;
  template <typename T>
  __device__ __forceinline__ void add(T value) {
    sum += as_unsigned(value);
  }
  __device__ __forceinline__ void join(const IntegerTotal& other) { sum += other.sum; }
  __device__ __forceinline__ uint64_t value() const { return sum; }
};

// Lines are [before][after], their elements `after` apart.
struct Line {
  int64_t first, step;
  __device__ __forceinline__ Line(const AxisBlocks& p, int64_t line) {
    first = line / p.after * p.length * p.after + line % p.after;
    step = p.after;
    if (p.reverse) {
      first += (p.length - 1) * p.after;
      step = -step;
    }
  }
  __device__ __forceinline__ int64_t at(int64_t i) const { return first + i * step; }
};

template <typename Total, typename X, typename Y>
__global__ void __launch_bounds__(kThreads) walk_lines(AxisBlocks p, const X* x, Y* y) {
  const int64_t lines = p.before * p.after, step = int64_t{gridDim.x} * kThreads;
  for (int64_t l = int64_t{blockIdx.x} * kThreads + threadIdx.x; l < lines; l += step) {
    const Line line(p, l);
    Total total;
#pragma unroll 4
    for (int64_t i = 0; i < p.length; ++i) {
      total.add(x[line.at(i)]);
      y[line.at(i)] = static_cast<Y>(total.value());
    }
  }
}

template <typename Total, typename X, typename Y>
__global__ void __launch_bounds__(kThreads) scan_lines(AxisBlocks p, const X* x, Y* y) {
  constexpr int kWarps = kThreads / 32;
  __shared__ Room<Total, kWarps> warps;
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  for (int64_t l = blockIdx.x; l < p.before * p.after; l += gridDim.x) {
    const Line line(p, l);
    Total carry;
    for (int64_t tile = 0; tile < p.length; tile += kThreads * kEach) {
      const int64_t first = tile + static_cast<int>(threadIdx.x) * kEach;
      X values[kEach];
      Total own;
#pragma unroll
      for (int k = 0; k < kEach; ++k) {
        if (first + k >= p.length) continue;
        values[k] = x[line.at(first + k)];
        own.add(values[k]);
      }
      Total sums = own;  // of this thread and those before it in the warp
#pragma unroll
      for (int distance = 1; distance < 32; distance *= 2) {
        Total before = from_thread(0xffffffffu, sums, lane < distance ? lane : lane - distance);
        before.join(sums);
        if (lane >= distance) sums = before;
      }
      if (lane == 31) warps[warp] = sums;
      __syncthreads();
      Total total = carry;
      for (int w = 0; w < warp; ++w) total.join(warps[w]);
      const Total before = from_thread(0xffffffffu, sums, lane == 0 ? 0 : lane - 1);
      if (lane > 0) total.join(before);
#pragma unroll
      for (int k = 0; k < kEach; ++k) {
        if (first + k >= p.length) continue;
        total.add(values[k]);
        y[line.at(first + k)] = static_cast<Y>(total.value());
      }
      for (int w = 0; w < kWarps; ++w) carry.join(warps[w]);
      __syncthreads();
    }
  }
}

template <typename Total, typename X, typename Y>
void run_lines(const Stream& stream, const AxisBlocks& p, const X* x, Y* y) {
  const int64_t lines = p.before * p.after;
  if (lines == 0 || p.length == 0) return;
  if (p.length <= kShortLine) {
    walk_lines<Total><<<blocks_for(lines), kThreads, 0, stream.handle>>>(p, x, y);
  } else {
    scan_lines<Total><<<blocks_for(lines, 1, 1), kThreads, 0, stream.handle>>>(p, x, y);
  }
}

template <typename T>
void cumsum(const Stream& stream, const AxisBlocks& p, const T* x, T* y) {
  run_lines<SumTotal<T>>(stream, p, x, y);
}
template <typename T>
[[maybe_unused]] void cumsum_integers(const Stream& stream, const AxisBlocks& p, const T* x, int64_t* y) {
  run_lines<IntegerTotal>(stream, p, x, y);
}

}  // namespace
DEFINE_KERNEL(cumsum, FLOATING)
DEFINE_KERNEL(cumsum_integers, INTEGRAL)
}  // namespace tilegrad::cuda
