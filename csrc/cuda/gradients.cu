// What is done to all gradients or weights at once, besides optimizer steps: their norm, scaling, limits, zeros.
#include "cuda/device/block_sum.cuh"
#include "cuda/device/elementwise.cuh"
#include "cuda/device/tensor_list.cuh"
#include "formulas/optimizer_steps.h"

namespace tilegrad::cuda {
namespace {

// Elements of a tensor that a block takes.
inline constexpr int kChunk = 4096;

template <typename T, int kCount>
__device__ __forceinline__ Pack<T, kCount>& pack_at(void* data, int64_t i) {
  return *reinterpret_cast<Pack<T, kCount>*>(static_cast<T*>(data) + i);
}

// One sum of squares for each block, in double so that those of floats cannot overflow. Thread t of 256 adds vectors t,
// t + 256, ... of 16 bytes in ascending order, then the threads' sums are added as a tree: the order depends on the
// tensor's length alone.
template <typename T, typename List>
__global__ void __launch_bounds__(kThreads) sum_squares_of_parts(const __grid_constant__ List list, double* sums) {
  constexpr int kVector = kVectorOf<T>;
  const TensorPart part = list.part(static_cast<int>(blockIdx.x), kChunk);
  void* const x = list.tensor[part.tensor].at[0];
  const bool aligned = reinterpret_cast<uintptr_t>(x) % 16 == 0;
  double sum[1] = {0};
  const auto add = [&](T value) { sum[0] += static_cast<double>(value) * static_cast<double>(value); };
  for_each_vector<kVector>(part.begin, part.end, [&](int64_t i, int count) {
    if (aligned && count == kVector) {
      const Pack<T, kVector> values = pack_at<T, kVector>(x, i);
#pragma unroll
      for (int e = 0; e < kVector; ++e) add(values.at[e]);
    } else {
      for (int e = 0; e < count; ++e) add(static_cast<const T*>(x)[i + e]);
    }
  });
  sum_over_block<kThreads>(sum);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum[0];
}

inline constexpr int kJoining = 1024;

// The parts' sums: thread t of 1024 adds numbers t, t + 1024, ..., then the threads' sums as a tree.
__global__ void __launch_bounds__(kJoining) finish_norm(int64_t count, const double* sums, double most, double* clip) {
  double sum[1] = {0};
  for (int64_t i = threadIdx.x; i < count; i += kJoining) sum[0] += sums[i];
  sum_over_block<kJoining>(sum);
  if (threadIdx.x != 0) return;
  const double norm = formulas::square_root(sum[0]);
  clip[0] = norm;
  clip[1] = norm > most ? most / norm : norm != norm ? norm : 1.0;
}

template <typename T>
void gradient_norm(const Stream& stream, const GradientNorm& p, OperandList operands, Workspace) {
  int64_t blocks = 0;
  for (int t = 1; t < operands.count; ++t) blocks += ceil_div(operands.numel[t], kChunk);
  double* const sums = blocks ? stream.scratch_of<double>(blocks) : nullptr;
  int64_t first = 0;
  for_each_list<1>(operands, 1, kChunk, [&](const auto& list) {
    const int here = list.first_block[list.count];
    if (here == 0) return;
    sum_squares_of_parts<T><<<static_cast<unsigned>(here), kThreads, 0, stream.handle>>>(list, sums + first);
    first += here;
  });
  finish_norm<<<1, kJoining, 0, stream.handle>>>(blocks, sums, p.most, static_cast<double*>(operands.data[0]));
}

// Every element x of every tensor becomes change(x). A change that changes nothing does not read the tensors.
template <typename T, typename List, typename Change>
__global__ void __launch_bounds__(kThreads) change_parts(const __grid_constant__ List list, Change given) {
  constexpr int kVector = kVectorOf<T>;
  const auto change = given.template ready<T>();
  if (change.is_idle()) return;
  const TensorPart part = list.part(static_cast<int>(blockIdx.x), kChunk);
  void* const x = list.tensor[part.tensor].at[0];
  const bool aligned = reinterpret_cast<uintptr_t>(x) % 16 == 0;
  for_each_vector<kVector>(part.begin, part.end, [&](int64_t i, int count) {
    if (aligned && count == kVector) {
      Pack<T, kVector>& place = pack_at<T, kVector>(x, i);
      Pack<T, kVector> values;
      if constexpr (Change::kReads) values = place;
#pragma unroll
      for (int e = 0; e < kVector; ++e) values.at[e] = change(Change::kReads ? values.at[e] : T(0));
      place = values;
    } else {
      for (int e = 0; e < count; ++e) {
        T& place = static_cast<T*>(x)[i + e];
        place = change(Change::kReads ? place : T(0));
      }
    }
  });
}

template <typename T, typename Change>
void change_all(const Stream& stream, OperandList operands, int first, Change change) {
  for_each_list<1>(operands, first, kChunk, [&](const auto& list) {
    const int blocks = list.first_block[list.count];
    if (blocks > 0) change_parts<T><<<static_cast<unsigned>(blocks), kThreads, 0, stream.handle>>>(list, change);
  });
}

template <typename T>
struct Scaling {
  T factor;
  __device__ __forceinline__ bool is_idle() const { return factor == T(1); }
  __device__ __forceinline__ T operator()(T x) const { return x * factor; }
};
// The factor is the second number of `clip`, which only the device knows.
struct ScaleByClip {
  static constexpr bool kReads = true;
  const double* clip;
  template <typename T>
  __device__ __forceinline__ Scaling<T> ready() const {
    return {static_cast<T>(clip[1])};
  }
};
template <typename T>
void scale_all(const Stream& stream, const NoParams&, OperandList operands) {
  change_all<T>(stream, operands, 1, ScaleByClip{static_cast<const double*>(operands.data[0])});
}

template <typename T>
struct Limiting {
  T bound;
  __device__ __forceinline__ bool is_idle() const { return false; }
  __device__ __forceinline__ T operator()(T x) const { return formulas::limited(x, bound); }
};
struct LimitTo {
  static constexpr bool kReads = true;
  double bound;
  template <typename T>
  __device__ __forceinline__ Limiting<T> ready() const {
    return {static_cast<T>(bound)};
  }
};
template <typename T>
void clip_all(const Stream& stream, const ClipValues& p, OperandList operands) {
  change_all<T>(stream, operands, 0, LimitTo{p.bound});
}

template <typename T>
struct Clearing {
  __device__ __forceinline__ bool is_idle() const { return false; }
  __device__ __forceinline__ T operator()(T) const { return T(0); }
};
struct Clear {
  static constexpr bool kReads = false;
  template <typename T>
  __device__ __forceinline__ Clearing<T> ready() const {
    return {};
  }
};
template <typename T>
void zero_all(const Stream& stream, const NoParams&, OperandList operands) {
  change_all<T>(stream, operands, 0, Clear{});
}

inline constexpr int kColumns = 32, kRowsAtOnce = kThreads / kColumns;

// A block takes 32 columns: thread row r of 8 adds the squares of rows r, r + 8, ... in double, and the eight sums are
// added in ascending order. Columns whose norm is NaN stay as they are.
template <typename T>
__global__ void __launch_bounds__(kThreads) limit_columns(MaxNorm p, T* w) {
  __shared__ double sums[kRowsAtOnce][kColumns];
  for (int64_t first = int64_t{blockIdx.x} * kColumns; first < p.columns; first += int64_t{gridDim.x} * kColumns) {
    const int64_t column = first + threadIdx.x;
    double sum = 0;
    if (column < p.columns) {
      for (int64_t row = threadIdx.y; row < p.rows; row += kRowsAtOnce) {
        const double x = static_cast<double>(w[row * p.columns + column]);
        sum += x * x;
      }
    }
    sums[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    sum = sums[0][threadIdx.x];
    for (int r = 1; r < kRowsAtOnce; ++r) sum += sums[r][threadIdx.x];
    __syncthreads();
    const double norm = formulas::square_root(sum);
    if (column >= p.columns || !(norm > p.most)) continue;
    const T factor = static_cast<T>(p.most / norm);
    for (int64_t row = threadIdx.y; row < p.rows; row += kRowsAtOnce) w[row * p.columns + column] *= factor;
  }
}

template <typename T>
void max_norm(const Stream& stream, const MaxNorm& p, T* w) {
  if (p.rows == 0 || p.columns == 0) return;
  limit_columns<T><<<blocks_for(p.columns, 1, kColumns), dim3(kColumns, kRowsAtOnce), 0, stream.handle>>>(p, w);
}

}  // namespace
DEFINE_KERNEL(gradient_norm, FLOATING)
DEFINE_KERNEL(scale_all, FLOATING)
DEFINE_KERNEL(clip_all, FLOATING)
DEFINE_KERNEL(zero_all, FLOATING)
DEFINE_KERNEL(max_norm, FLOATING)
}  // namespace tilegrad::cuda
