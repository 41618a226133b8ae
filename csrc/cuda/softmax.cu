// Softmax and its logarithm along one axis, and their gradients: one pass through memory for each row that fits into shared
// memory. Sums are in the order of device/sums.cuh.
#include "cuda/device/column_place.cuh"
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
__global__ void __launch_bounds__(kMostRowThreads)
    along_rows(int64_t rows, int64_t length, typename Op::Kept* spilled, const T* a, const T* b, T* y) {
  using A = Wide<T>;
  using Kept = typename Op::Kept;
  __shared__ RowRoom<A> room;
  const Group group(&room);
  Kept* const kept = kept_of(group, length, spilled);
  for_each_row<Group>(rows, [&](int64_t row) {
    const T *const from = a + row * length, *const other = Op::kTwo ? b + row * length : nullptr;
    T* const to = y + row * length;
    A top = -formulas::kInfinity<A>;
    if constexpr (Op::kShifts) top = largest_of<A>(group, length, from);
    keep<A>(group, length, kept,
            [&](int64_t i) { return Op::keep(widen(from[i]), Op::kTwo ? widen(other[i]) : A(0), top); });
    const A number = Op::of_sum(group.sum(length, [&](int64_t i) { return Op::term(kept[i]); }).value());
#pragma unroll(kRowUnroll<A>)
    for (int64_t i = group.thread(); i < length; i += group.size()) to[i] = narrow<T>(Op::output(kept[i], number));
  });
}

// The axis is not the last: lines are columns whose elements are `after` apart.
template <typename Op, typename T>
__global__ void __launch_bounds__(kColumnThreads)
    along_columns(AxisBlocks p, int log_width, const T* a, const T* b, T* y) {
  using A = Wide<T>;
  __shared__ A room[kColumnThreads];
  __shared__ Room<SumTotal<A>, kColumnThreads> totals;
  const ColumnPlace at(log_width);
  const int64_t across = ceil_div(p.after, int64_t{1} << log_width), items = p.before * across;
  const int used = static_cast<int>(smaller<int64_t>(kLanes, ceil_div(p.length, kSumChunk)));  // accumulators
  for (int64_t first = int64_t{blockIdx.x} * at.at_once; first < items; first += int64_t{gridDim.x} * at.at_once) {
    const int64_t item = first + at.place, start = (item % across << log_width) + at.column;
    const bool takes = item < items && start < p.after;
    const int64_t offset = item / across * p.length * p.after + start, length = takes ? p.length : 0;
    A top = -formulas::kInfinity<A>;
    if constexpr (Op::kShifts) {
#pragma unroll(kRowUnroll<A>)
      for (int64_t i = at.lane; i < length; i += kLanes) top = formulas::maximum(widen(a[offset + i * p.after]), top);
      top = at.join(top, room, [](A x, A y) { return formulas::maximum(y, x); });
    }
    const auto value = [&](int64_t i) {
      const int64_t place = offset + i * p.after;
      return Op::keep(widen(a[place]), Op::kTwo ? widen(b[place]) : A(0), top);
    };
    SumTotal<A> mine;  // of the chunks whose number is this lane's
    int64_t chunk = 0;
    for (int64_t begin = 0; begin < p.length; begin += kSumChunk, ++chunk) {
      A part = A(0);
      const int64_t end = smaller<int64_t>(begin + kSumChunk, length);
#pragma unroll(kRowUnroll<A>)
      for (int64_t i = begin + at.lane; i < end; i += kLanes) part = part + Op::term(value(i));
      part = at.join(part, room, Plus());
      if (at.lane == chunk % kLanes) mine.add(part);
    }
    totals[static_cast<int>(threadIdx.x)] = mine;
    __syncthreads();
    SumTotal<A> total;
    for (int lane = 0; lane < used; ++lane) total.join(totals[at.thread_of(lane)]);
    const A number = Op::of_sum(total.value());
#pragma unroll(kRowUnroll<A>)
    for (int64_t i = at.lane; i < length; i += kLanes) {
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
    const ColumnLaunch launch(p.before, p.after);
    along_columns<Op><<<launch.blocks, launch.threads, 0, stream.handle>>>(p, launch.log_width, a, b, y);
    return;
  }
  RowPlan<typename Op::Kept> plan(p.before, p.length);
  auto* const spilled = plan.spill(stream, p.length);
  const auto launch = [&](auto kernel) {
    kernel<<<plan.blocks, plan.threads, plan.shared, stream.handle>>>(p.before, p.length, spilled, a, b, y);
  };
  if (plan.warps) {
    launch(&along_rows<WarpRow<A>, Op, T>);
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
