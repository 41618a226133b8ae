// Scatters that add. What goes to one place is added by one thread in ascending order of the index, as on the CPU: no atomics
// on floating-point numbers, and the same bits in every run.
#include "cuda/device/indexed.cuh"
#include "cuda/device/row_grid.cuh"
#include "cuda/device/scatter_order.cuh"
#include "formulas/arithmetic.h"

namespace tilegrad::cuda {
namespace {

template <typename T>
__global__ void __launch_bounds__(kThreads)
    add_slices(const __grid_constant__ Gather p, const __grid_constant__ ScatterOrder order, const T* values, T* y) {
  const bool dense = is_dense(p.inner);
  for_each_row(p.outer.numel * p.count, p.inner.numel, [&](int64_t r) {
    const int64_t outer = r / p.count, s = r - outer * p.count;
    const Located<2> place = locate(p.outer, outer);
    const bool adds = order.is_somewhere(s) && order.is_first(s);
    T* const to = y + place.at[0] + (adds ? order.offset(s) : 0);
    const T* const from = values + place.at[1];
    return [&p, &order, dense, adds, to, from, s](int64_t item) {
      if (!adds) return;
      const Located<2> inside = dense ? Located<2>{{item, item}} : locate(p.inner, item);
      const uint64_t key = order.keys[s];
      T sum = to[inside.at[0]];
      for (int64_t k = s; k < order.count && order.keys[k] == key; ++k) {
        sum = formulas::add(sum, from[order.index(k) * p.small_stride + inside.at[1]]);
      }
      to[inside.at[0]] = sum;
    };
  });
}

template <typename T>
void scatter_add_slices(const Stream& stream, const Gather& p, const T* values, const int64_t* offsets, T* y) {
  if (p.outer.numel == 0 || p.inner.numel == 0 || p.count == 0) return;
  const ScatterOrder order = order_of(stream, p, offsets);
  const RowGrid grid = row_grid(p.outer.numel * p.count, p.inner.numel);
  add_slices<<<grid.blocks, grid.threads, 0, stream.handle>>>(p, order, values, y);
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
