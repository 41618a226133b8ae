// Folds (sums, products, maxima, ...) over any axes of an array: cpu/fold.h is the twin, device/sums.cuh states the order.
//
// A fold is a struct, passed to kernels by value, with
//
//     using Part = ...;                                          // what is folded
//     static Part identity();
//     static Part join(Part, Part);
//     Known known(int64_t output) const;                         // what elements of that output need
//     Part map(T x, Known, int64_t i) const;                     // element number i of the output
//     struct Total { void add(Part); void join(Total); ... };    // of chunks, in ascending order
//     void finish(int64_t output, const Total&) const;           // writes the output
#pragma once

#include "cuda/device/column_place.cuh"
#include "cuda/device/last_block.cuh"
#include "cuda/device/locate.cuh"
#include "params/reduce.h"

namespace tilegrad::cuda {
namespace {

// Where element number i of a nest lies.
__device__ __forceinline__ int64_t offset_of(const LoopNest<1>& nest, int64_t i) { return locate(nest, i).at[0]; }

// Where the elements of an output lie, from one of them on: in one loop, or in several. Loads of the first need not wait for
// each other; the second is rare, and no loop over it is unrolled: that would be most of the code of these kernels.
struct LinePlaces {
  static constexpr int kMostUnrolled = 8;
  int64_t first, step;
  __device__ __forceinline__ int64_t operator()(int i) const { return first + i * step; }
};
struct NestPlaces {
  static constexpr int kMostUnrolled = 1;
  const LoopNest<1>& nest;
  int64_t begin;
  __device__ __forceinline__ int64_t operator()(int i) const { return offset_of(nest, begin + i); }
};
template <typename Run>
__device__ __forceinline__ void with_places(const LoopNest<1>& nest, int64_t begin, Run run) {
  if (nest.ndim <= 1) {
    const int64_t step = nest.ndim ? nest.stride[0][0] : 0;
    run(LinePlaces{begin * step, step});
  } else {
    run(NestPlaces{nest, begin});
  }
}

// What a fold knows of an output where it needs nothing.
struct Nothing {};

// Chunks' parts of an output, [output][chunk], joined by a team.
template <typename Fold>
__device__ __forceinline__ void join_output(const Fold& fold, int64_t o, int64_t chunks,
                                            const typename Fold::Part* parts) {
  typename Fold::Total mine;
#pragma unroll 8
  for (int64_t b = team_lane(); b < chunks; b += kLanes) {
    if constexpr (std::is_arithmetic_v<typename Fold::Part>) {
      mine.add(fresh(parts + o * chunks + b));
    } else {
      mine.add(parts[o * chunks + b]);
    }
  }
  const typename Fold::Total total = join_accumulators(mine);
  if (team_lane() == 0) fold.finish(o, total);
}

// How many blocks of an output, or of outputs that lie side by side, have come to their end; 0 between launches.
inline constexpr int kMostGroups = 1024;
[[maybe_unused]] __device__ unsigned fold_arrivals[kMostGroups];

// Whether the last block may join the parts.
template <typename Fold>
constexpr bool may_join(int64_t chunks) {
  return std::is_arithmetic_v<typename Fold::Part> && chunks > 1 && chunks <= kManyChunks;
}

// A team takes a chunk of an output. With one chunk for every output they are finished, otherwise there are parts, which the
// last block may have to join where there is one output.
template <typename T, typename Fold>
__global__ void __launch_bounds__(kThreads) fold_rows(const __grid_constant__ Reduce p, int64_t chunks, const T* x,
                                                      Fold fold, typename Fold::Part* parts, bool joins) {
  using Part = typename Fold::Part;
  const int64_t items = p.outer.numel * chunks, step = int64_t{gridDim.x} * kTeams;
  for (int64_t item = int64_t{blockIdx.x} * kTeams + threadIdx.x / kLanes; item < items; item += step) {
    const int64_t o = chunks == 1 ? item : item / chunks, begin = (item - o * chunks) * kSumChunk;
    const int count = static_cast<int>(smaller<int64_t>(kSumChunk, p.inner.numel - begin));
    const T* const from = x + offset_of(p.outer, o);
    const auto known = fold.known(o);
    Part part;
    with_places(p.inner, begin, [&]<typename Places>(const Places& place) {
      part = fold_chunk<Places::kMostUnrolled>(count, Fold::identity(), Fold::join,
                                               [&](int i) { return fold.map(from[place(i)], known, begin + i); });
    });
    if (team_lane() != 0) continue;
    if (chunks == 1) {
      typename Fold::Total total;
      total.add(part);
      fold.finish(o, total);
    } else {
      parts[item] = part;
    }
  }
  if (joins && is_last_block(fold_arrivals, gridDim.x) && threadIdx.x < kLanes) join_output(fold, 0, chunks, parts);
}

// Outputs that lie side by side: column_place.cuh.
template <typename T, typename Fold>
__global__ void __launch_bounds__(kColumnThreads)
    fold_columns(const __grid_constant__ Reduce p, int64_t chunks, int log_width, const T* x, Fold fold,
                 typename Fold::Part* parts, bool joins) {
  using Part = typename Fold::Part;
  __shared__ Room<Part, kColumnThreads> room;
  const ColumnPlace at(log_width);
  const int64_t row_width = p.outer.shape[p.outer.ndim - 1], across = ceil_div(row_width, int64_t{1} << log_width);
  const int64_t items = p.outer.numel / row_width * across * chunks;
  for (int64_t first = int64_t{blockIdx.x} * at.at_once; first < items; first += int64_t{gridDim.x} * at.at_once) {
    const int64_t item = first + at.place, group = item / chunks, chunk = item - group * chunks;
    const int64_t column = (group % across << log_width) + at.column, o = group / across * row_width + column;
    const bool takes = item < items && column < row_width;
    Part part = Fold::identity();
    if (takes) {
      const int64_t begin = chunk * kSumChunk;
      const int count = static_cast<int>(smaller<int64_t>(kSumChunk, p.inner.numel - begin));
      const T* const from = x + offset_of(p.outer, o);
      const auto known = fold.known(o);
      with_places(p.inner, begin, [&]<typename Places>(const Places& place) {
#pragma unroll(smaller(kUnroll<Part>, Places::kMostUnrolled))
        for (int i = at.lane; i < count; i += kLanes) {
          part = Fold::join(part, fold.map(from[place(i)], known, begin + i));
        }
      });
    }
    part = at.join(part, room, Fold::join);
    if (!takes || at.lane != 0) continue;
    if (chunks == 1) {
      typename Fold::Total total;
      total.add(part);
      fold.finish(o, total);
    } else {
      parts[o * chunks + chunk] = part;
    }
  }
  if (!joins) return;
  const bool alone = items == chunks;  // one group of outputs
  const int64_t group = alone ? 0 : blockIdx.x / chunks;
  if (!is_last_block(fold_arrivals + group, alone ? gridDim.x : static_cast<unsigned>(chunks))) return;
  const int64_t first = group % across << log_width, before = group / across * row_width;
  for (int c = static_cast<int>(threadIdx.x) / kLanes; c < 1 << log_width; c += static_cast<int>(blockDim.x) / kLanes) {
    if (first + c < row_width) join_output(fold, before + first + c, chunks, parts);
  }
}

// Joined by a team for each output,
template <typename Fold>
__global__ void __launch_bounds__(kThreads)
    fold_parts(int64_t outputs, int64_t chunks, const typename Fold::Part* parts, Fold fold) {
  const int64_t step = int64_t{gridDim.x} * kTeams;
  for (int64_t o = int64_t{blockIdx.x} * kTeams + threadIdx.x / kLanes; o < outputs; o += step) {
    join_output(fold, o, chunks, parts);
  }
}
// or, where there are many chunks, by a block.
template <typename Fold>
__global__ void __launch_bounds__(kThreads)
    fold_many_parts(int64_t outputs, int64_t chunks, const typename Fold::Part* parts, Fold fold) {
  using Total = typename Fold::Total;
  __shared__ Room<Total, kTeams> room;
  for (int64_t o = blockIdx.x; o < outputs; o += gridDim.x) {
    Total mine;
#pragma unroll 8
    for (int64_t b = threadIdx.x; b < chunks; b += kThreads) mine.add(parts[o * chunks + b]);
    const Total joined = join_accumulators(mine);
    if (team_lane() == 0) room[threadIdx.x / kLanes] = joined;
    __syncthreads();
    if (threadIdx.x == 0) {
      Total total;
      for (int team = 0; team < kTeams; ++team) total.join(room[team]);
      fold.finish(o, total);
    }
    __syncthreads();
  }
}

template <typename Fold>
void join_parts(const Stream& stream, int64_t outputs, int64_t chunks, const typename Fold::Part* parts,
                const Fold& fold) {
  if (chunks > kManyChunks) {
    fold_many_parts<<<blocks_for(outputs, 1, 1), kThreads, 0, stream.handle>>>(outputs, chunks, parts, fold);
  } else {
    fold_parts<<<blocks_for(outputs, 1, kTeams), kThreads, 0, stream.handle>>>(outputs, chunks, parts, fold);
  }
}

// Whether neighbouring outputs lie side by side in x and the elements of one do not.
inline bool runs_down_columns(const Reduce& p) {
  return p.outer.ndim > 0 && p.outer.stride[0][p.outer.ndim - 1] == 1 && !is_dense(p.inner);
}

template <typename T, typename Fold>
void fold_axes(const Stream& stream, const Reduce& p, const T* x, const Fold& fold) {
  using Part = typename Fold::Part;
  const int64_t outputs = p.outer.numel, chunks = ceil_div(p.inner.numel, kSumChunk);
  if (outputs == 0) return;
  Part* const parts = chunks > 1 ? stream.scratch_of<Part>(outputs * chunks) : nullptr;
  bool joins = may_join<Fold>(chunks);
  if (chunks > 0 && runs_down_columns(p)) {
    const int64_t width = p.outer.shape[p.outer.ndim - 1];
    const ColumnLaunch launch(outputs / width * chunks, width);
    const int64_t groups = outputs / width * ceil_div(width, int64_t{1} << launch.log_width);
    // (A block that takes several chunks at once must not have some of another group.)
    joins = joins && (groups == 1 || (groups <= kMostGroups && launch.threads == kLanes << launch.log_width));
    fold_columns<<<launch.blocks, launch.threads, 0, stream.handle>>>(p, chunks, launch.log_width, x, fold, parts,
                                                                      joins);
  } else if (chunks > 0) {
    joins = joins && outputs == 1;
    fold_rows<<<blocks_for(outputs * chunks, 1, kTeams), kThreads, 0, stream.handle>>>(p, chunks, x, fold, parts,
                                                                                       joins);
  }
  if (chunks != 1 && !joins) join_parts(stream, outputs, chunks, parts, fold);
}

// A sum over axes of elements T.
template <typename T>
struct SumFold {
  using A = Wide<T>;
  using Part = A;
  using Total = SumTotal<A>;
  T* y;
  double divisor;
  __device__ __forceinline__ static A identity() { return A(0); }
  __device__ __forceinline__ static A join(A a, A b) { return a + b; }
  __device__ __forceinline__ Nothing known(int64_t) const { return {}; }
  __device__ __forceinline__ A map(T x, Nothing, int64_t) const { return widen(x); }
  __device__ __forceinline__ void finish(int64_t o, const Total& total) const {
    y[o] = narrow<T>(total.quotient(divisor));
  }
};

}  // namespace
}  // namespace tilegrad::cuda
