// Scatters that add. What goes to one place is added in ascending order of the index, as on the CPU: no atomics on
// floating-point numbers, and the same bits in every run.
#include "cuda/device/indexed.cuh"
#include "cuda/device/row_grid.cuh"
#include "cuda/device/scatter_order.cuh"
#include "formulas/arithmetic.h"

namespace tilegrad::cuda {
namespace {

// Values that one thread adds. What goes to one place is cut in pieces of so many, counted from its first value: the first
// piece is added to the place, value by value, then the sums of the others are, in ascending order.
inline constexpr int kPiece = 32;

// begins[s]: where the values begin that go where number s does.
__global__ void __launch_bounds__(kThreads) find_begins(const __grid_constant__ ScatterOrder order, int64_t* begins) {
  for_each_element(order.count, [&](int64_t s) {
    int64_t low = 0, high = s;
    while (low < high) {
      const int64_t middle = (low + high) / 2;
      if (order.keys[middle] < order.keys[s]) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    begins[s] = low;
  });
}

// Calls add(place of y, s, outer, item) for every element of the slices that go where number s does.
template <typename T, typename Add>
__device__ __forceinline__ void for_each_sum(const Gather& p, const ScatterOrder& order, T* y, Add add) {
  const bool dense = is_dense(p.inner);
  for_each_row(p.outer.numel * p.count, p.inner.numel, [&](int64_t r) {
    const int64_t outer = r / p.count, s = r - outer * p.count;
    const bool wanted = order.is_somewhere(s) && add.wants(s);
    const Located<2> place = locate(p.outer, outer);
    T* const to = y + place.at[0] + (wanted ? order.offset(s) : 0);
    return [&p, &add, dense, wanted, to, place, outer, s](int64_t item) {
      if (!wanted) return;
      const Located<2> inside = dense ? Located<2>{{item, item}} : locate(p.inner, item);
      add(to + inside.at[0], place.at[1] + inside.at[1], s, outer, item);
    };
  });
}

// The sums of pieces that are not the first of their place, each behind the number of its first value / kPiece: no two of
// them begin within kPiece values.
template <typename T>
struct PieceSums {
  T* sums;
  int64_t pieces, items;
  __device__ __forceinline__ T& at(int64_t outer, int64_t s, int64_t item) const {
    return sums[(outer * pieces + s / kPiece) * items + item];
  }
};

template <typename T>
struct AddPiece {
  const ScatterOrder& order;
  const int64_t* begins;
  const T* values;
  int64_t stride;
  PieceSums<T> others;

  __device__ __forceinline__ bool wants(int64_t s) const { return (s - begins[s]) % kPiece == 0; }
  __device__ __forceinline__ void operator()(T* place, int64_t from, int64_t s, int64_t outer, int64_t item) const {
    const uint64_t key = order.keys[s];
    int count = 1;
    while (count < kPiece && s + count < order.count && order.keys[s + count] == key) ++count;
    const bool first = begins[s] == s;
    T sum = first ? *place : T(0);
#pragma unroll 4
    for (int k = 0; k < count; ++k) sum = formulas::add(sum, values[from + order.index(s + k) * stride]);
    *(first ? place : &others.at(outer, s, item)) = sum;
  }
};

template <typename T>
struct AddOthers {
  const ScatterOrder& order;
  const int64_t* begins;
  PieceSums<T> others;

  __device__ __forceinline__ bool continues(int64_t s, int64_t piece) const {
    return piece < order.count && order.keys[piece] == order.keys[s];
  }
  __device__ __forceinline__ bool wants(int64_t s) const { return begins[s] == s && continues(s, s + kPiece); }
  __device__ __forceinline__ void operator()(T* place, int64_t, int64_t s, int64_t outer, int64_t item) const {
    T sum = *place;
    for (int64_t piece = s + kPiece; continues(s, piece); piece += kPiece) {
      sum = formulas::add(sum, others.at(outer, piece, item));
    }
    *place = sum;
  }
};

template <typename T>
__global__ void __launch_bounds__(kThreads)
    add_pieces(const __grid_constant__ Gather p, const __grid_constant__ ScatterOrder order, const int64_t* begins,
               const T* values, PieceSums<T> others, T* y) {
  for_each_sum(p, order, y, AddPiece<T>{order, begins, values, p.small_stride, others});
}
template <typename T>
__global__ void __launch_bounds__(kThreads)
    add_other_pieces(const __grid_constant__ Gather p, const __grid_constant__ ScatterOrder order,
                     const int64_t* begins, PieceSums<T> others, T* y) {
  for_each_sum(p, order, y, AddOthers<T>{order, begins, others});
}

template <typename T>
void scatter_add_slices(const Stream& stream, const Gather& p, const T* values, const int64_t* offsets, T* y) {
  if (p.outer.numel == 0 || p.inner.numel == 0 || p.count == 0) return;
  const ScatterOrder order = order_of(stream, p, offsets);
  int64_t* const begins = stream.scratch_of<int64_t>(p.count);
  find_begins<<<blocks_for(p.count), kThreads, 0, stream.handle>>>(order, begins);
  const RowGrid grid = row_grid(p.outer.numel * p.count, p.inner.numel);
  const bool several = p.count > kPiece;
  const int64_t pieces = ceil_div(p.count, kPiece);
  T* const sums = several ? stream.scratch_of<T>(p.outer.numel * pieces * p.inner.numel) : nullptr;
  const PieceSums<T> others{sums, pieces, p.inner.numel};
  add_pieces<<<grid.blocks, grid.threads, 0, stream.handle>>>(p, order, begins, values, others, y);
  if (several) add_other_pieces<<<grid.blocks, grid.threads, 0, stream.handle>>>(p, order, begins, others, y);
}

// Values of one line along the axis may meet in one place, those of different lines cannot: a thread takes a line.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    add_along(const __grid_constant__ Along p, const T* values, const int64_t* offsets, T* y) {
  for_each_element(p.lines.numel, [&](int64_t line) {
    const Located<3> place = locate(p.lines, line);
    T* const to = y + place.at[0];
    const int64_t* const places = offsets + place.at[1];
    const T* const from = values + place.at[2];
    for (int64_t i = 0; i < p.count; ++i) {
      const int64_t offset = places[i * p.offsets_stride];
      if (offset != kNowhere) to[offset] = formulas::add(to[offset], from[i * p.small_stride]);
    }
  });
}

// Few long lines: their values are sorted by where they go. Keys order places of y, whatever their sign.
inline constexpr uint64_t kSign = uint64_t{1} << 63;
inline constexpr uint64_t kNowhereKey = ~uint64_t{0};

__global__ void __launch_bounds__(kThreads)
    make_along_keys(const __grid_constant__ Along p, const int64_t* offsets, uint64_t* keys, int64_t* positions) {
  for_each_element(p.lines.numel * p.count, [&](int64_t n) {
    const int64_t line = n / p.count, i = n - line * p.count;
    const Located<3> place = locate(p.lines, line);
    const int64_t offset = offsets[place.at[1] + i * p.offsets_stride];
    keys[n] = offset == kNowhere ? kNowhereKey : static_cast<uint64_t>(place.at[0] + offset) ^ kSign;
    positions[n] = place.at[2] + i * p.small_stride;
  });
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    add_sorted(int64_t count, const uint64_t* keys, const int64_t* positions, const T* values, T* y) {
  for_each_element(count, [&](int64_t s) {
    const uint64_t key = keys[s];
    if (key == kNowhereKey || (s > 0 && keys[s - 1] == key)) return;
    T& place = y[static_cast<int64_t>(key ^ kSign)];
    T sum = place;
    for (int64_t k = s; k < count && keys[k] == key; ++k) sum = formulas::add(sum, values[positions[k]]);
    place = sum;
  });
}

// Values of a line that a thread adds one by one sooner than they are sorted.
inline constexpr int64_t kShortLine = 32;
// Lines that keep the device busy.
inline constexpr int64_t kManyLines = int64_t{1} << 17;

template <typename T>
void scatter_add_along(const Stream& stream, const Along& p, const T* values, const int64_t* offsets, T* y) {
  const int64_t count = p.lines.numel * p.count;
  if (count == 0) return;
  if (p.count <= kShortLine || p.lines.numel >= kManyLines) {
    add_along<<<blocks_for(p.lines.numel), kThreads, 0, stream.handle>>>(p, values, offsets, y);
    return;
  }
  SortedPairs pairs = pairs_to_sort(stream, count);
  make_along_keys<<<blocks_for(count), kThreads, 0, stream.handle>>>(p, offsets, pairs.keys, pairs.values);
  pairs = sort_pairs(stream, pairs, ~uint64_t{0});
  add_sorted<<<blocks_for(count), kThreads, 0, stream.handle>>>(count, pairs.keys, pairs.values, values, y);
}

}  // namespace
DEFINE_KERNEL(scatter_add_slices, NUMERIC)
DEFINE_KERNEL(scatter_add_along, NUMERIC)
}  // namespace tilegrad::cuda
