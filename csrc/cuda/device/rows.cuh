// Rows of contiguous elements, each worked on by a group of threads that can take the row's sums and its largest element:
// a warp for rows of short and medium length; a block for others, with sums in the order of
// device/sums.cuh, which keeps 16 threads busy for each 1024 elements.
#pragma once

#include "cuda/device/sums.cuh"
#include "formulas/arithmetic.h"

namespace tilegrad::cuda {
namespace {

inline constexpr int kMostRowThreads = 512;  // of a block
// How often loops over a row are unrolled. Formulas of doubles are several times as long, and no loads wait for each other.
template <typename A>
inline constexpr int kRowUnroll = sizeof(A) > 4 ? 1 : 4;

// What a block has in shared memory.
template <typename A>
struct RowRoom {
  Room<SumTotal<A>, kLanes> totals;
  Room<A, kMostRowThreads / kLanes> largest;
};

// A row by a warp. What is kept of element i is made by thread i % size(). Lane l adds up elements l, l + 32, ..., every fourth
// of them on its own, and then the lanes' sums are added as a tree.
template <typename A>
struct WarpRow {
  using Index = int;  // such rows are short
  static constexpr int kSize = 32;
  static constexpr bool kSpills = false;
  __device__ __forceinline__ explicit WarpRow(RowRoom<A>*) {}
  __device__ __forceinline__ static int size() { return kSize; }
  __device__ __forceinline__ static int thread() { return static_cast<int>(threadIdx.x) % kSize; }
  __device__ __forceinline__ static int group() { return static_cast<int>(threadIdx.x) / kSize; }
  __device__ __forceinline__ static int groups() { return static_cast<int>(blockDim.x) / kSize; }
  __device__ __forceinline__ void meet() const { __syncwarp(); }

  template <typename F>
  __device__ __forceinline__ SumTotal<A> sum(int64_t length, F f) const {
    constexpr int kChains = 4;
    A parts[kChains] = {};
    // What lies behind the row's end is chosen away, not jumped over: f is written out once a chain, and all of them are
    // under way at once.
    const Index count = static_cast<Index>(length);
    for (Index i = thread(); i < count; i += kChains * kSize) {
#pragma unroll
      for (int c = 0; c < kChains; ++c) {
        const Index at = i + c * kSize;
        const A term = f(smaller(at, count - 1));
        parts[c] = at < count ? parts[c] + term : parts[c];
      }
    }
    A part = (parts[0] + parts[1]) + (parts[2] + parts[3]);
#pragma unroll
    for (int half = kSize / 2; half > 0; half /= 2) part = part + from_thread(0xffffffffu, part, thread() ^ half);
    SumTotal<A> total;
    total.add(part);
    return total;
  }
  __device__ __forceinline__ A largest(A own) const {
#pragma unroll
    for (int half = kSize / 2; half > 0; half /= 2) {
      own = formulas::maximum(from_thread(0xffffffffu, own, thread() ^ half), own);
    }
    return own;
  }
};

// A row by a block of any size. All threads meet in sum() and largest().
template <typename A>
struct BlockRow {
  using Index = int64_t;
  static constexpr bool kSpills = true;
  RowRoom<A>* room;
  __device__ __forceinline__ explicit BlockRow(RowRoom<A>* room) : room(room) {}
  __device__ __forceinline__ static int size() { return static_cast<int>(blockDim.x); }
  __device__ __forceinline__ static int thread() { return static_cast<int>(threadIdx.x); }
  __device__ __forceinline__ static int group() { return 0; }
  __device__ __forceinline__ static int groups() { return 1; }
  __device__ __forceinline__ void meet() const { __syncthreads(); }

  template <int kUnrolled = kRowUnroll<A>, typename F>
  __device__ __forceinline__ SumTotal<A> sum(int64_t length, F f) const {
    const int used = static_cast<int>(smaller<int64_t>(kLanes, ceil_div(length, kSumChunk)));  // accumulators
    __syncthreads();
    for (int a = static_cast<int>(threadIdx.x) / kLanes; a < used; a += size() / kLanes) {
      SumTotal<A> mine;
      for (int64_t begin = int64_t{a} * kSumChunk; begin < length; begin += kLanes * kSumChunk) {
        const int count = static_cast<int>(smaller<int64_t>(kSumChunk, length - begin));
        mine.add(sum_chunk_of_long<A, kUnrolled>(count, [&](int i) { return f(begin + i); }));
      }
      if (team_lane() == 0) room->totals[a] = mine;
    }
    __syncthreads();
    SumTotal<A> total;
    for (int a = 0; a < used; ++a) total.join(room->totals[a]);
    return total;
  }
  __device__ __forceinline__ A largest(A own) const {
#pragma unroll
    for (int half = kLanes / 2; half > 0; half /= 2) own = formulas::maximum(from_lane(own, team_lane() ^ half), own);
    __syncthreads();
    if (team_lane() == 0) room->largest[static_cast<int>(threadIdx.x) / kLanes] = own;
    __syncthreads();
    A all = room->largest[0];
    for (int i = 1; i < size() / kLanes; ++i) all = formulas::maximum(room->largest[i], all);
    return all;
  }
};

// What the rows of a block may keep in shared memory, in bytes: as much as every launch gets.
inline constexpr int64_t kMostKept = 40 * 1024;

// How the rows of a launch are shared out where a Kept is kept for each of a row's elements. The group is part of the result,
// and depends on the length alone: a row has the same bits alone and among others.
template <typename Kept>
struct RowPlan {
  bool warps;
  unsigned blocks;
  int threads;
  int shared;  // bytes, or 0 where they would be too many
  RowPlan(int64_t rows, int64_t length) {
    constexpr int64_t kManyRows = 2048, kLong = 4096, kWarps = kThreads / 32;
    const int64_t of_row = length * static_cast<int64_t>(sizeof(Kept));
    warps = kWarps * of_row <= kMostKept;
    // Few rows are spread over the device by blocks of one warp.
    const int64_t groups = warps && rows >= kManyRows ? kWarps : 1;
    // Sums of blocks are a few threads' work: more rows at once are worth more than more threads for each.
    threads = warps ? static_cast<int>(32 * groups) : length <= kLong ? 128 : kMostRowThreads;
    blocks = blocks_for(rows, 1, static_cast<int>(groups));
    shared = groups * of_row <= kMostKept ? static_cast<int>(groups * of_row) : 0;
  }
  // Where rows are kept that are too long for shared memory: as many as are worked on at a time, so that much stays in the
  // cache. Null for others.
  Kept* spill(const Stream& stream, int64_t length) {
    constexpr int kBlocks = 2;  // of a multiprocessor
    if (shared > 0 || length == 0) return nullptr;
    blocks = smaller(blocks, static_cast<unsigned>(kBlocks * stream.multiprocessors));
    return stream.scratch_of<Kept>(blocks * length);
  }
};

// Calls at(row) for the group's rows. All groups of a warp, and all threads of a block, go through their own.
template <typename Group, typename At>
__device__ __forceinline__ void for_each_row(int64_t rows, At at) {
  const int64_t step = int64_t{gridDim.x} * Group::groups();
  for (int64_t r = int64_t{blockIdx.x} * Group::groups() + Group::group(); r < rows; r += step) {
    at(r);
  }
}

extern __shared__ double dynamic_shared[];
// Where the group keeps what it needs of a row's elements.
template <typename Group, typename Kept>
__device__ __forceinline__ Kept* kept_of(const Group&, int64_t length, Kept* spilled) {
  if (Group::kSpills && spilled) return spilled + blockIdx.x * length;
  return reinterpret_cast<Kept*>(dynamic_shared) + Group::group() * length;
}

// Calls use(i, make(i)) for this thread's elements of a row. Several are made before the first is used: else each would wait
// for the one before, whose use might change what it is made of. What lies behind the end is made of the last, and not used.
template <typename A, typename Group, typename Make, typename Use>
__device__ __forceinline__ void for_own(const Group& group, int64_t length, Make make, Use use) {
  using Index = typename Group::Index;
  constexpr int kAtOnce = kRowUnroll<A>;
  const Index count = static_cast<Index>(length), step = group.size();
#pragma unroll 1
  for (Index first = group.thread(); first < count; first += kAtOnce * step) {
    decltype(make(first)) made[kAtOnce];
#pragma unroll
    for (int u = 0; u < kAtOnce; ++u) made[u] = make(smaller(first + u * step, count - 1));
#pragma unroll
    for (int u = 0; u < kAtOnce; ++u) {
      if (const Index i = first + u * step; i < count) use(i, made[u]);
    }
  }
}

// kept[i] = make(i) for the elements of a row; all of the group can read it afterwards.
template <typename A, typename Group, typename Kept, typename Make>
__device__ __forceinline__ void keep(const Group& group, int64_t length, Kept* kept, Make make) {
  for_own<A>(group, length, make, [kept](int64_t i, const Kept& made) { kept[i] = made; });
  group.meet();
}

// The largest element of a row.
template <typename A, typename Group, typename T>
__device__ __forceinline__ A largest_of(const Group& group, int64_t length, const T* row) {
  A top = -formulas::kInfinity<A>;
  for_own<A>(
      group, length, [row](int64_t i) { return row[i]; },
      [&](int64_t, T x) { top = formulas::maximum(widen(x), top); });
  return group.largest(top);
}

}  // namespace
}  // namespace tilegrad::cuda
