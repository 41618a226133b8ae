// Softmax and its logarithm along one axis, and their gradients: one pass through memory for each row that fits into shared
// memory. Sums are in the order of device/sums.cuh.
#include "cuda/device/rows.cuh"
#include "formulas/logarithm.h"
#include "params/reduce.h"

namespace tilegrad::cuda {
namespace {

// What the four have in common: of every element something is kept, from the inputs a and b and, where kShifts, the largest
// a; terms of it are summed; the outputs are made of it and of a number from the sum.

// y = exp(x - m) / sum exp(x - m), m being the largest x.
template <typename A>
struct Softmax {
  static constexpr bool kShifts = true, kTwo = false;
  using Kept = A;
  __device__ __forceinline__ static Kept keep(A x, A, A top) { return formulas::exp(x - top); }
  __device__ __forceinline__ static A term(Kept e) { return e; }
  __device__ __forceinline__ static A of_sum(A sum) { return A(1) / sum; }
  __device__ __forceinline__ static A output(Kept e, A scale) { return e * scale; }
};

// y = (x - m) - log sum exp(x - m).
template <typename A>
struct LogSoftmax {
  static constexpr bool kShifts = true, kTwo = false;
  using Kept = A;
  __device__ __forceinline__ static Kept keep(A x, A, A top) { return x - top; }
  __device__ __forceinline__ static A term(Kept d) { return formulas::exp(d); }
  __device__ __forceinline__ static A of_sum(A sum) { return formulas::log(sum); }
  __device__ __forceinline__ static A output(Kept d, A log_sum) { return d - log_sum; }
};

template <typename A>
struct Two {
  A y, g;
};

// dx = y (g - sum y g).
template <typename A>
struct SoftmaxBackward {
  static constexpr bool kShifts = false, kTwo = true;
  using Kept = Two<A>;
  __device__ __forceinline__ static Kept keep(A y, A g, A) { return {y, g}; }
  __device__ __forceinline__ static A term(Kept k) { return k.y * k.g; }
  __device__ __forceinline__ static A of_sum(A sum) { return sum; }
  __device__ __forceinline__ static A output(Kept k, A dot) { return k.y * (k.g - dot); }
};

// dx = g - exp(y) sum g.
template <typename A>
struct LogSoftmaxBackward {
  static constexpr bool kShifts = false, kTwo = true;
  using Kept = Two<A>;
  __device__ __forceinline__ static Kept keep(A y, A g, A) { return {y, g}; }
  __device__ __forceinline__ static A term(Kept k) { return k.g; }
  __device__ __forceinline__ static A of_sum(A sum) { return sum; }
  __device__ __forceinline__ static A output(Kept k, A sum) { return k.g - formulas::exp(k.y) * sum; }
};

template <typename Group, typename Op, typename T>
__global__ void __launch_bounds__(kThreads)
    along_rows(int64_t rows, int64_t length, bool keeps, const T* a, const T* b, T* y) {
  using A = Wide<T>;
  using Kept = typename Op::Kept;
  __shared__ RowRoom<A> room;
  const Group group(&room);
  Kept* const kept = kept_of<Kept>(group, keeps ? length : 0);
  for_each_row<Group>(rows, [&](int64_t row) {
    const T *const from = a + row * length, *const other = Op::kTwo ? b + row * length : nullptr;
    T* const to = y + row * length;
    A top = -formulas::kInfinity<A>;
    if constexpr (Op::kShifts) {
#pragma unroll 4
      for (int64_t i = group.thread(); i < length; i += Group::kSize) top = larger_number(top, widen(from[i]));
      top = group.largest(top);
    }
    const auto make = [&](int64_t i) { return Op::keep(widen(from[i]), Op::kTwo ? widen(other[i]) : A(0), top); };
    const auto finish = [&](auto value) {
      const A number = Op::of_sum(group.sum(length, [&](int64_t i) { return Op::term(value(i)); }).value());
#pragma unroll 4
      for (int64_t i = group.thread(); i < length; i += Group::kSize) to[i] = narrow<T>(Op::output(value(i), number));
    };
    if (keeps) {
#pragma unroll 4
      for (int64_t i = group.thread(); i < length; i += Group::kSize) kept[i] = make(i);
      group.meet();
      finish([&](int64_t i) { return kept[i]; });
    } else {
      finish(make);
    }
  });
}

// The axis is not the last: a block takes 2^log_width neighbouring lines, whose elements are `after` apart, with 16 threads
// for each.
inline constexpr int kColumnThreads = 512;

template <typename Op, typename T>
__global__ void __launch_bounds__(kColumnThreads)
    along_columns(AxisBlocks p, int log_width, const T* a, const T* b, T* y) {
  using A = Wide<T>;
  __shared__ A room[kColumnThreads];
  __shared__ Room<SumTotal<A>, kColumnThreads> totals;
  const int width = 1 << log_width, t = static_cast<int>(threadIdx.x);
  const int column = t & (width - 1), lane = t >> log_width & (kLanes - 1), place = t >> log_width >> 4;
  const int first_lane = t - (lane << log_width);  // of this column
  const int at_once = kColumnThreads >> log_width >> 4;
  const int64_t across = ceil_div(p.after, width), items = p.before * across;
  const int chunks = static_cast<int>(smaller<int64_t>(kLanes, ceil_div(p.length, kSumChunk)));
  for (int64_t first = int64_t{blockIdx.x} * at_once; first < items; first += int64_t{gridDim.x} * at_once) {
    const int64_t item = first + place, start = item % across * width + column;
    const bool takes = item < items && start < p.after;
    const int64_t offset = item / across * p.length * p.after + start, length = takes ? p.length : 0;
    A top = -formulas::kInfinity<A>;
    if constexpr (Op::kShifts) {
#pragma unroll 4
      for (int64_t i = lane; i < length; i += kLanes) top = larger_number(top, widen(a[offset + i * p.after]));
      room[t] = top;
      __syncthreads();
      for (int l = 0; l < kLanes; ++l) top = larger_number(top, room[first_lane + (l << log_width)]);
      __syncthreads();
    }
    const auto value = [&](int64_t i) {
      const int64_t at = offset + i * p.after;
      return Op::keep(widen(a[at]), Op::kTwo ? widen(b[at]) : A(0), top);
    };
    SumTotal<A> mine;  // of the chunks whose number is this lane's
    int64_t chunk = 0;
    for (int64_t begin = 0; begin < p.length; begin += kSumChunk, ++chunk) {
      A part = A(0);
      const int64_t end = smaller<int64_t>(begin + kSumChunk, length);
#pragma unroll 4
      for (int64_t i = begin + lane; i < end; i += kLanes) part = part + Op::term(value(i));
      room[t] = part;
      __syncthreads();
      for (int half = kLanes / 2; half > 0; half /= 2) {
        if (lane < half) room[t] = room[t] + room[t + (half << log_width)];
        __syncthreads();
      }
      if (lane == chunk % kLanes) mine.add(room[first_lane]);
      __syncthreads();
    }
    totals[t] = mine;
    __syncthreads();
    SumTotal<A> total;
    for (int l = 0; l < chunks; ++l) total.join(totals[first_lane + (l << log_width)]);
    const A number = Op::of_sum(total.value());
#pragma unroll 4
    for (int64_t i = lane; i < length; i += kLanes) {
      y[offset + i * p.after] = narrow<T>(Op::output(value(i), number));
    }
    __syncthreads();
  }
}

template <template <typename> typename Operation, typename T>
void along_axis(const Stream& stream, const AxisBlocks& p, const T* a, const T* b, T* y) {
  using Op = Operation<Wide<T>>;
  using A = Wide<T>;
  if (p.before == 0 || p.length == 0 || p.after == 0) return;
  if (p.after > 1) {
    int log_width = 0;
    while (log_width < 5 && (int64_t{1} << log_width) < p.after) ++log_width;
    const int64_t items = p.before * ceil_div(p.after, int64_t{1} << log_width);
    const unsigned blocks = blocks_for(items, 1, kColumnThreads >> log_width >> 4);
    along_columns<Op><<<blocks, kColumnThreads, 0, stream.handle>>>(p, log_width, a, b, y);
    return;
  }
  const RowPlan<typename Op::Kept> plan(p.before, p.length);
  const auto launch = [&](auto kernel) {
    kernel<<<plan.blocks, kThreads, plan.shared, stream.handle>>>(p.before, p.length, plan.keeps, a, b, y);
  };
  if (plan.teams) {
    launch(&along_rows<TeamRow<A>, Op, T>);
  } else {
    launch(&along_rows<BlockRow<A>, Op, T>);
  }
}

template <typename T>
void softmax(const Stream& stream, const AxisBlocks& p, const T* x, T* y) {
  along_axis<Softmax, T>(stream, p, x, nullptr, y);
}
template <typename T>
void log_softmax(const Stream& stream, const AxisBlocks& p, const T* x, T* y) {
  along_axis<LogSoftmax, T>(stream, p, x, nullptr, y);
}
template <typename T>
void softmax_backward(const Stream& stream, const AxisBlocks& p, const T* y, const T* grad, T* dx) {
  along_axis<SoftmaxBackward, T>(stream, p, y, grad, dx);
}
template <typename T>
void log_softmax_backward(const Stream& stream, const AxisBlocks& p, const T* y, const T* grad, T* dx) {
  along_axis<LogSoftmaxBackward, T>(stream, p, y, grad, dx);
}

}  // namespace
DEFINE_KERNEL(softmax, FLOATING, BFloat16, Float16)
DEFINE_KERNEL(log_softmax, FLOATING, BFloat16, Float16)
DEFINE_KERNEL(softmax_backward, FLOATING, BFloat16, Float16)
DEFINE_KERNEL(log_softmax_backward, FLOATING, BFloat16, Float16)
}  // namespace tilegrad::cuda
