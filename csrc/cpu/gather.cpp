// Indexing: gathers, scatters and one-hot rows. Offsets come checked from csrc/ops, but for index_offsets, which makes
// and checks them.
//
// Scatters: the destination of several values is written, or added to, in ascending order of the index by one member
// alone, so that the result does not depend on the team.
#include "params/gather.h"
#include "cpu/isa.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// Elements a member takes at least, so that members do not share cache lines.
inline constexpr int64_t kGrain = 128;

// Where each operand of a nest is at its `position`-th element.
template <int kOperands>
TILEGRAD_INLINE void locate(const LoopNest<kOperands>& nest, int64_t position, int64_t* at) {
  for (int o = 0; o < kOperands; ++o) at[o] = 0;
  for (int d = nest.ndim - 1; d >= 0; --d) {
    const int64_t index = position % nest.shape[d];
    position /= nest.shape[d];
    for (int o = 0; o < kOperands; ++o) at[o] += index * nest.stride[o][d];
  }
}

struct Pair {
  int64_t big, small;
};
TILEGRAD_INLINE Pair locate(const LoopNest<2>& nest, int64_t position) {
  int64_t at[2];
  locate<2>(nest, position, at);
  return {at[0], at[1]};
}

// Calls run(count, at) for runs along the innermost loop, each member for its share of the elements; at[o] is where
// operand o's run begins.
template <int kOperands, typename Run>
TILEGRAD_INLINE void for_each_run_of(const Team& team, const LoopNest<kOperands>& nest, int64_t grain, Run run) {
  const Range mine = team.share(nest.numel, grain);
  const int64_t length = nest.ndim ? nest.shape[nest.ndim - 1] : 1;
  int64_t at[kOperands];
  for (int64_t position = mine.begin; position < mine.end;) {
    const int64_t count = smaller(length - position % length, mine.end - position);
    locate<kOperands>(nest, position, at);
    run(count, at);
    position += count;
  }
}

// `bad` starts beyond every position and ends as the smallest position of an index out of range.
template <typename T>
void index_offsets(const Team& team, const IndexOffsets& p, const T* index, int64_t* offsets, int64_t* bad) {
  const LoopNest<2>& nest = p.nest;
  const int64_t step = nest.ndim ? nest.stride[0][nest.ndim - 1] : 1;
  for_each_run_of(team, nest, kGrain, [&](int64_t count, const int64_t* at) {
    const T* from = index + at[0];
    int64_t* to = offsets + at[1];
    for (int64_t i = 0; i < count; ++i) {
      const int64_t given = static_cast<int64_t>(from[i * step]);
      const int64_t place = given < 0 && p.from_end ? given + p.size : given;
      if (place < 0 || place >= p.size) {
        const int64_t position = at[1] + i;
        int64_t smallest = __atomic_load_n(bad, __ATOMIC_RELAXED);
        while (position < smallest &&
               !__atomic_compare_exchange_n(bad, &smallest, position, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        }
        return;  // this run's later positions are larger
      }
      to[i] = p.accumulate ? to[i] + place * p.stride : place * p.stride;
    }
  });
}

// Calls each(big, small) for every element of the inner nest.
template <typename T, typename U, typename Each>
TILEGRAD_INLINE void for_each_inner(const LoopNest<2>& inner, T* big, U* small, Each each) {
  if (inner.ndim == 0) return each(*big, *small);
  const int last = inner.ndim - 1;
  const int64_t length = inner.shape[last], big_step = inner.stride[0][last], small_step = inner.stride[1][last];
  const int64_t runs = inner.ndim == 1 ? 1 : inner.numel / length;
  for (int64_t run = 0; run < runs; ++run) {
    const Pair at = inner.ndim == 1 ? Pair{0, 0} : locate(inner, run * length);
    T* to = big + at.big;
    U* from = small + at.small;
    if (big_step == 1 && small_step == 1) {
#pragma omp simd
      for (int64_t i = 0; i < length; ++i) each(to[i], from[i]);
    } else {
      for (int64_t i = 0; i < length; ++i) each(to[i * big_step], from[i * small_step]);
    }
  }
}

template <typename T>
void gather_slices(const Team& team, const Gather& p, const T* x, const int64_t* offsets, T* y) {
  if (p.outer.numel == 0 || p.inner.numel == 0 || p.count == 0) return;
  const Range mine = team.share(p.outer.numel * p.count, ceil_div(kGrain, p.inner.numel));
  int64_t unit = mine.begin;
  while (unit < mine.end) {
    const int64_t outer = unit / p.count, first = unit % p.count;
    const int64_t last = smaller(p.count, first + mine.end - unit);
    const Pair at = locate(p.outer, outer);
    const T* from = x + at.big;
    T* to = y + at.small;
    if (p.inner.ndim == 0) {
      for (int64_t i = first; i < last; ++i) to[i * p.small_stride] = from[offsets[i]];
    } else {
      for (int64_t i = first; i < last; ++i) {
        for_each_inner(p.inner, from + offsets[i], to + i * p.small_stride,
                       [](const T& value, T& copy) { copy = value; });
      }
    }
    unit += last - first;
  }
}

// Visits every value of `small` with its destination in `big`: the team shares the outer loop where it can, else the
// destinations.
template <typename T, typename Each>
TILEGRAD_INLINE void scatter_each(const Team& team, const Gather& p, const T* small, const int64_t* offsets, T* big,
                                  Each each) {
  if (p.outer.numel == 0 || p.inner.numel == 0 || p.count == 0) return;
  const bool by_outer = p.outer.numel >= team.size;
  const Range outer = by_outer ? team.share(p.outer.numel) : Range{0, p.outer.numel};
  Range places = by_outer ? Range{0, p.highest - p.lowest + 1} : team.share(p.highest - p.lowest + 1);
  places.begin += p.lowest;
  places.end += p.lowest;
  for (int64_t o = outer.begin; o < outer.end; ++o) {
    const Pair at = locate(p.outer, o);
    for (int64_t i = 0; i < p.count; ++i) {
      if (offsets[i] < places.begin || offsets[i] >= places.end) continue;
      for_each_inner(p.inner, big + at.big + offsets[i], small + at.small + i * p.small_stride, each);
    }
  }
}

template <typename T>
void scatter_slices(const Team& team, const Gather& p, const T* values, const int64_t* offsets, T* y) {
  scatter_each(team, p, values, offsets, y, [](T& place, const T& value) { place = value; });
}

template <typename T>
void scatter_add_slices(const Team& team, const Gather& p, const T* values, const int64_t* offsets, T* y) {
  scatter_each(team, p, values, offsets, y, [](T& place, const T& value) { place = T(place + value); });
}

template <typename T>
void gather_along(const Team& team, const LoopNest<3>& nest, const T* x, const int64_t* offsets, T* y) {
  const int last = nest.ndim - 1;
  const int64_t dx = nest.ndim ? nest.stride[0][last] : 0, di = nest.ndim ? nest.stride[1][last] : 0,
                dy = nest.ndim ? nest.stride[2][last] : 0;
  for_each_run_of(team, nest, kGrain, [&](int64_t count, const int64_t* at) {
    const T* from = x + at[0];
    const int64_t* places = offsets + at[1];
    T* to = y + at[2];
    for (int64_t i = 0; i < count; ++i) to[i * dy] = from[i * dx + places[i * di]];
  });
}

// Values of one line along the axis may meet in one place, those of different lines cannot.
template <typename T, typename Each>
TILEGRAD_INLINE void scatter_along_each(const Team& team, const Along& p, const T* values, const int64_t* offsets, T* y,
                                        Each each) {
  if (p.count == 0) return;
  for_each_run_of(team, p.lines, 1, [&](int64_t count, const int64_t* at) {
    const int last = p.lines.ndim - 1;
    const int64_t dy = p.lines.ndim ? p.lines.stride[0][last] : 0, di = p.lines.ndim ? p.lines.stride[1][last] : 0,
                  dv = p.lines.ndim ? p.lines.stride[2][last] : 0;
    for (int64_t line = 0; line < count; ++line) {
      T* to = y + at[0] + line * dy;
      const int64_t* places = offsets + at[1] + line * di;
      const T* from = values + at[2] + line * dv;
      for (int64_t i = 0; i < p.count; ++i) each(to[places[i * p.offsets_stride]], from[i * p.small_stride]);
    }
  });
}

template <typename T>
void scatter_add_along(const Team& team, const Along& p, const T* values, const int64_t* offsets, T* y) {
  scatter_along_each(team, p, values, offsets, y, [](T& place, const T& value) { place = T(place + value); });
}

template <typename T>
void one_hot(const Team& team, const OneHot& p, const T* value, const int64_t* classes, T* y) {
  const Range mine = team.share(p.count, ceil_div(kGrain, larger(p.classes, int64_t{1})));
  for (int64_t i = mine.begin; i < mine.end; ++i) {
    T* row = y + i * p.classes;
    for (int64_t k = 0; k < p.classes; ++k) row[k] = T{};
    row[classes[i]] = *value;
  }
}

}  // namespace
DEFINE_KERNEL(index_offsets, INDEX)
DEFINE_KERNEL(gather_slices, ALL)
DEFINE_KERNEL(scatter_slices, ALL)
DEFINE_KERNEL(scatter_add_slices, NUMERIC)
DEFINE_KERNEL(gather_along, ALL)
DEFINE_KERNEL(scatter_add_along, NUMERIC)
DEFINE_KERNEL(one_hot, ALL)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
