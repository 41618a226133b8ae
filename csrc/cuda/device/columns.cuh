// Batches of matrices [batch][rows][columns], contiguous, whose columns are summed in the order of device/sums.cuh, or worked
// on with numbers of their own: what normalisation is made of.
#pragma once

#include "cuda/device/folds.cuh"
#include "cuda/device/last_block.cuh"
#include "formulas/arithmetic.h"

namespace tilegrad::cuda {
namespace {

struct Columns {
  int64_t batch, rows, columns;

  __host__ __device__ int64_t chunks() const { return ceil_div(rows, kSumChunk); }
  __host__ __device__ int rows_of(int64_t chunk) const {
    return static_cast<int>(smaller<int64_t>(kSumChunk, rows - chunk * kSumChunk));
  }
  // Chunk sums are [batch][column][chunk].
  int64_t parts() const { return larger<int64_t>(1, batch * columns * chunks()); }
};

// Calls at(chunk, batch, column, row, rows) for all chunks of all columns; rows is 0 where a thread has no column. All
// threads of a block meet in it.
template <typename At>
__device__ __forceinline__ void for_each_column_chunk(const Columns& s, const ColumnPlace& at, At call) {
  const int64_t chunks = s.chunks(), across = ceil_div(s.columns, int64_t{1} << at.log_width);
  const int64_t items = s.batch * across * chunks;
  for (int64_t first = int64_t{blockIdx.x} * at.at_once; first < items; first += int64_t{gridDim.x} * at.at_once) {
    const int64_t item = first + at.place, group = item / chunks, chunk = item - group * chunks;
    const int64_t n = group / across, column = (group - n * across << at.log_width) + at.column;
    const bool takes = item < items && column < s.columns;
    call(chunk, n, column, n * s.rows + chunk * kSumChunk, takes ? s.rows_of(chunk) : 0);
  }
}
inline ColumnLaunch launch_for(const Columns& s) { return {s.batch * s.chunks(), s.columns}; }

// A sum over chunks for a team, where accumulator i % 16 adds value i: f(total, i) adds it. (Where f divides, one apiece is
// enough code.)
template <typename Total, int kUnrolled = 4, typename F>
__device__ __forceinline__ Total accumulate(int64_t count, F f) {
  Total mine;
#pragma unroll(kUnrolled)
  for (int64_t i = team_lane(); i < count; i += kLanes) f(mine, i);
  return join_accumulators(mine);
}

// How many blocks of neighbouring columns have come to their end; 0 between launches.
[[maybe_unused]] __device__ unsigned column_arrivals[kMostGroups];

// Whether a launch over one matrix can finish its columns itself. (Blocks that take several chunks at once have all columns.)
inline bool finishes_columns(const Columns& s, const ColumnLaunch& launch) {
  return s.batch == 1 && s.chunks() > 0 && s.chunks() <= kManyChunks &&
         ceil_div(s.columns, int64_t{1} << launch.log_width) <= kMostGroups;
}
// The last of the blocks that have chunks of the same columns calls finish(column) with a team for each of them.
template <typename Finish>
__device__ __forceinline__ void finish_columns(const Columns& s, const ColumnPlace& at, const Finish& finish) {
  if constexpr (!std::is_same_v<Finish, Nothing>) {
    const int64_t chunks = s.chunks();
    const bool alone = s.columns <= int64_t{1} << at.log_width;
    const int64_t group = alone ? 0 : blockIdx.x / chunks;
    if (!is_last_block(column_arrivals + group, alone ? gridDim.x : static_cast<unsigned>(chunks))) return;
    for (int c = static_cast<int>(threadIdx.x) / kLanes; c < 1 << at.log_width;
         c += static_cast<int>(blockDim.x) / kLanes) {
      const int64_t column = (group << at.log_width) + c;
      if (column < s.columns) finish(column);
    }
  }
}
// The same as a launch of its own.
template <typename Finish>
__global__ void __launch_bounds__(kThreads) finish_all_columns(int64_t columns, Finish finish) {
  const int64_t step = int64_t{gridDim.x} * kTeams;
  for (int64_t c = int64_t{blockIdx.x} * kTeams + threadIdx.x / kLanes; c < columns; c += step) finish(c);
}

// Of every chunk of every column the sum and the sum of squares about the chunk's own mean.
template <typename T, typename Finish>
__global__ void __launch_bounds__(kColumnThreads)
    find_moments(Columns s, int log_width, const T* x, Wide<T>* sums, Wide<T>* squares, Finish finish, bool finishes) {
  using A = Wide<T>;
  constexpr int kFew = 8, kAll = kSumChunk / kLanes;
  __shared__ A room[kColumnThreads];
  const ColumnPlace at(log_width);
  const int64_t chunks = s.chunks();
  for_each_column_chunk(s, at, [&](int64_t chunk, int64_t n, int64_t column, int64_t row, int rows) {
    const T* const from = x + row * s.columns + column;
    const auto value = [&](int i) { return widen(from[int64_t{i} * s.columns]); };
    A sum = A(0), square = A(0);
    const auto put = [&] {
      if (rows == 0 || at.lane != 0) return;
      const int64_t to = (n * s.columns + column) * chunks + chunk;
      sums[to] = sum;
      squares[to] = square;
    };
    // (A chunk has the same height for all threads of a block, but for those that have none.)
    const auto in_registers = [&](auto count) {
      constexpr int kEach = decltype(count)::value;
      A own[kEach];
#pragma unroll
      for (int k = 0; k < kEach; ++k) {
        const int i = k * kLanes + at.lane;
        own[k] = i < rows ? value(i) : A(0);
      }
#pragma unroll
      for (int k = 0; k < kEach; ++k) sum = sum + own[k];  // (adding zeros changes nothing: a sum from +0 is never -0)
      sum = at.join(sum, room, Plus());
      const A mean = sum / static_cast<A>(rows);
#pragma unroll
      for (int k = 0; k < kEach; ++k) {
        const A d = own[k] - mean;
        if (k * kLanes + at.lane < rows) square = square + d * d;
      }
      square = at.join(square, room, Plus());
      put();
    };
    const bool few = s.rows <= kFew * kLanes;
    if (few) {
      in_registers(std::integral_constant<int, kFew>{});
    } else if constexpr (sizeof(A) == 4) {
      in_registers(std::integral_constant<int, kAll>{});
    } else {
#pragma unroll 4
      for (int i = at.lane; i < rows; i += kLanes) sum = sum + value(i);
      sum = at.join(sum, room, Plus());
      const A mean = sum / static_cast<A>(rows);
#pragma unroll 4
      for (int i = at.lane; i < rows; i += kLanes) {
        const A d = value(i) - mean;
        square = square + d * d;
      }
      square = at.join(square, room, Plus());
      put();
    }
  });
  if (finishes) finish_columns(s, at, finish);
}

// Of every chunk of every column the sums of two values of each element, which f makes: f.column(batch, column) gives what
// it wants to know of a column, and f.add(that, row, place, sums) adds an element's values to the two sums.
template <typename A, typename F, typename Finish>
__global__ void __launch_bounds__(kColumnThreads)
    add_columns(Columns s, int log_width, F f, A* first, A* second, Finish finish, bool finishes) {
  __shared__ A room[kColumnThreads];
  const ColumnPlace at(log_width);
  const int64_t chunks = s.chunks();
  for_each_column_chunk(s, at, [&](int64_t chunk, int64_t n, int64_t column, int64_t row, int rows) {
    A sums[2] = {A(0), A(0)};
    if (rows > 0) {
      const auto known = f.column(n, column);
      if (rows == kSumChunk) {
#pragma unroll 8
        for (int k = 0; k < kSumChunk / kLanes; ++k) {
          const int64_t r = row + k * kLanes + at.lane;
          f.add(known, r, r * s.columns + column, sums);
        }
      } else {
#pragma unroll 4
        for (int i = at.lane; i < rows; i += kLanes) f.add(known, row + i, (row + i) * s.columns + column, sums);
      }
    }
    sums[0] = at.join(sums[0], room, Plus());
    sums[1] = at.join(sums[1], room, Plus());
    if (rows == 0 || at.lane != 0) return;
    const int64_t to = (n * s.columns + column) * chunks + chunk;
    first[to] = sums[0];
    second[to] = sums[1];
  });
  if (finishes) finish_columns(s, at, finish);
}

// The two sums of every column of one matrix, whose parts lie one after the other. Each may be unwanted.
template <typename A>
struct TwoSums : SumFold<A> {
  int64_t columns;
  A* second;
  __device__ __forceinline__ void finish(int64_t o, const SumTotal<A>& total) const {
    if (o < columns) {
      if (this->y) this->y[o] = total.value();
    } else if (second) {
      second[o - columns] = total.value();
    }
  }
};
template <typename A>
struct FinishTwoSums {
  int64_t chunks;
  const A *of_first, *of_second;
  A *first, *second;
  __device__ __forceinline__ A sum(const A* parts) const {
    return accumulate<SumTotal<A>>(chunks, [&](SumTotal<A>& total, int64_t b) { total.add(fresh(parts + b)); }).value();
  }
  __device__ __forceinline__ void operator()(int64_t column) const {
    const A one = sum(of_first + column * chunks), other = sum(of_second + column * chunks);
    if (team_lane() != 0) return;
    if (first) first[column] = one;
    if (second) second[column] = other;
  }
};
template <typename F, typename A>
void sum_columns(const Stream& stream, const Columns& s, const F& f, A* first, A* second) {
  const int64_t chunks = s.chunks(), parts = s.columns * chunks;
  A* const of_first = stream.scratch_of<A>(2 * s.parts());
  const ColumnLaunch launch = launch_for(s);
  const bool finishes = finishes_columns(s, launch);
  if (parts > 0) {
    const FinishTwoSums<A> finish{chunks, of_first, of_first + parts, first, second};
    add_columns<<<launch.blocks, launch.threads, 0, stream.handle>>>(s, launch.log_width, f, of_first, of_first + parts,
                                                                     finish, finishes);
  }
  if (finishes) return;
  join_parts(stream, 2 * s.columns, chunks, of_first, TwoSums<A>{{first, 1.0}, s.columns, second});
}

// Works on all elements, kVector of one row at a time: f.store(known, place, f.load(place)), where known[v] is
// f.column(batch, column) of each of them. Several are loaded before the first is stored, as a store might change what is
// loaded after it. f.once(), if there is one, is called once.
inline constexpr int kAhead = 4;

template <int kVector, typename F>
__global__ void __launch_bounds__(kThreads) map_columns(Columns s, int log_width, int height, F f) {
  if constexpr (requires { f.once(); }) {
    if (blockIdx.x == 0 && threadIdx.x == 0) f.once();
  }
  using Known = decltype(f.column(0, 0));
  const int across = static_cast<int>(threadIdx.x) & ((1 << log_width) - 1),
            down = static_cast<int>(threadIdx.x) >> log_width;
  const int step = kThreads >> log_width;
  const int64_t blocks_across = ceil_div(s.columns, int64_t{kVector} << log_width),
                blocks_down = ceil_div(s.rows, height);
  const int64_t items = s.batch * blocks_down * blocks_across;
  for (int64_t item = blockIdx.x; item < items; item += gridDim.x) {
    const int64_t block = item / blocks_across, n = block / blocks_down;
    const int64_t column = ((item - block * blocks_across << log_width) + across) * kVector;
    if (column >= s.columns) continue;
    Known known[kVector];
#pragma unroll
    for (int v = 0; v < kVector; ++v) known[v] = f.column(n, column + v);
    const int64_t row = (block - n * blocks_down) * height, end = smaller(row + height, s.rows);
    const auto place = [&](int64_t r) { return (n * s.rows + r) * s.columns + column; };
    int64_t r = row + down;
    for (; r + (kAhead - 1) * step < end; r += kAhead * step) {
      decltype(f.template load<kVector>(0)) loaded[kAhead];
#pragma unroll
      for (int u = 0; u < kAhead; ++u) loaded[u] = f.template load<kVector>(place(r + u * step));
#pragma unroll
      for (int u = 0; u < kAhead; ++u) f.template store<kVector>(known, place(r + u * step), loaded[u]);
    }
    for (; r < end; r += step) f.template store<kVector>(known, place(r), f.template load<kVector>(place(r)));
  }
}

// `aligned` tells whether all operands of the elements begin at multiples of 16 bytes.
template <typename T, typename F>
void map_all_columns(const Stream& stream, const Columns& s, bool aligned, const F& f) {
  constexpr int kVector = sizeof(T) == 8 ? 2 : 4;
  const auto launch = [&](auto kernel, int vector) {
    const int log_width = log_width_of(ceil_div(s.columns, vector), 8), step = kThreads >> log_width;
    const int64_t across = ceil_div(s.columns, int64_t{vector} << log_width);
    const bool many = s.batch * across * ceil_div(s.rows, step) > 8192;
    const int height = step * (many ? 8 : 2);
    kernel<<<blocks_for(s.batch * across * ceil_div(s.rows, height), 1, 1), kThreads, 0, stream.handle>>>(s, log_width,
                                                                                                          height, f);
  };
  if (aligned && s.columns % kVector == 0) {
    launch(&map_columns<kVector, F>, kVector);
  } else {
    launch(&map_columns<1, F>, 1);
  }
}

// An element of each of two operands.
template <typename T, int kVector>
struct TwoPacks {
  Pack<T, kVector> first, second;
};
template <int kVector, typename T>
__device__ __forceinline__ Pack<T, kVector> load_pack(const T* from) {
  return *reinterpret_cast<const Pack<T, kVector>*>(from);
}
template <int kVector, typename T>
__device__ __forceinline__ void store_pack(T* to, const Pack<T, kVector>& values) {
  *reinterpret_cast<Pack<T, kVector>*>(to) = values;
}

// Whether pointers (null ones too) are multiples of 16 bytes.
template <typename... P>
bool are_aligned(const P*... pointer) {
  return ((reinterpret_cast<uintptr_t>(pointer) % 16 == 0) && ...);
}

__device__ __forceinline__ double inverse_root(double variance, double epsilon) {
  return 1.0 / formulas::square_root(variance + epsilon);
}

}  // namespace
}  // namespace tilegrad::cuda
