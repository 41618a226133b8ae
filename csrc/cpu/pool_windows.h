// How pools walk: the windows of a member's share, the pixels of a window, and vectors of channels that may be cut.
#pragma once

#include "cpu/vec.h"
#include "params/pool2d.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// As many integers as a Vec<T> has lanes: of T's size, which comparisons of Vec<T> give, and of the size of Index.
template <typename T>
using Mask = decltype(Vec<T>{} < Vec<T>{});
template <typename T, typename Index>
struct IndexOf {
  typedef Index type __attribute__((vector_size(kLanes<T> * static_cast<int>(sizeof(Index)))));
  typedef Index unaligned
      __attribute__((vector_size(kLanes<T> * static_cast<int>(sizeof(Index))), aligned(alignof(Index)), may_alias));
};

// Converts between vectors of integers by halving or doubling their width: gcc 12 makes single instructions of such steps
// and goes lane by lane for wider ones.
template <typename To, typename From>
TILEGRAD_INLINE To convert_index(From from) {
  constexpr int kLanesHere = sizeof(To) / sizeof(To{}[0]);
  typedef int16_t Shorts __attribute__((vector_size(kLanesHere * 2)));
  typedef int32_t Ints __attribute__((vector_size(kLanesHere * 4)));
  constexpr int kFrom = sizeof(from[0]), kTo = sizeof(To{}[0]);
  if constexpr ((kFrom <= 2 && kTo == 8) || (kFrom == 8 && kTo <= 2)) {
    return convert_index<To>(convert_index<Ints>(from));
  } else if constexpr ((kFrom == 1 && kTo == 4) || (kFrom == 4 && kTo == 1)) {
    return __builtin_convertvector(__builtin_convertvector(from, Shorts), To);
  } else {
    return __builtin_convertvector(from, To);
  }
}

// Vectors at p, of which only `count` lanes need to exist unless `whole`.
template <typename T>
TILEGRAD_INLINE Vec<T> load_lanes(const T* p, bool whole, int64_t count) {
  return whole ? load(p) : load_partial(p, count);
}
template <typename T>
TILEGRAD_INLINE void store_lanes(T* p, Vec<T> v, bool whole, int64_t count) {
  if (whole) return store(p, v);
  store_partial(p, v, count);
}
template <typename T, typename Index>
TILEGRAD_INLINE Mask<T> load_index(const Index* p, bool whole, int64_t count) {
  using Vector = IndexOf<T, Index>;
  typename Vector::type v{};
  if (whole) {
    v = *reinterpret_cast<const typename Vector::unaligned*>(p);
  } else {
    for (int64_t i = 0; i < count; ++i) v[i] = p[i];
  }
  return convert_index<Mask<T>>(v);
}
template <typename T, typename Index>
TILEGRAD_INLINE void store_index(Index* p, Mask<T> index, bool whole, int64_t count) {
  using Vector = IndexOf<T, Index>;
  const typename Vector::type v = convert_index<typename Vector::type>(index);
  if (whole) {
    *reinterpret_cast<typename Vector::unaligned*>(p) = v;
  } else {
    for (int64_t i = 0; i < count; ++i) p[i] = v[i];
  }
}

// The windows that cover position `at`, given those that cover the position before it ({0, 0} at the start).
TILEGRAD_INLINE void advance(Range& windows, int64_t at, const PoolAxis& axis) {
  if (axis.adaptive) {
    windows = axis.over(at);
    return;
  }
  while (windows.end < axis.out && windows.end * axis.stride - axis.before <= at) ++windows.end;
  while (windows.begin < windows.end && windows.begin * axis.stride - axis.before + axis.kernel <= at) ++windows.begin;
}

// How many pixels a window's mean is over, given those inside the image.
TILEGRAD_INLINE int64_t pixels_of(const Pool2d& p, int64_t row, Range rows, int64_t column, Range columns) {
  if (p.count_padding) return p.row.padded(row) * p.column.padded(column);
  return (rows.end - rows.begin) * (columns.end - columns.begin);
}

// One block of channels of one pixel of the result: `whole` where a whole vector may be read and written.
struct Block {
  int64_t channel;
  bool whole;
  int64_t count;
};

// Calls f(block) for the channels of a pixel, from whose first there is room for `room` elements.
template <typename T, typename F>
TILEGRAD_INLINE void for_each_block(int64_t C, int64_t room, F f) {
  int64_t c = 0;
  for (; c + kLanes<T> <= C; c += kLanes<T>) f(Block{c, true, kLanes<T>});
  if (c < C) f(Block{c, c + kLanes<T> <= room, C - c});
}
template <typename T, typename F>
TILEGRAD_INLINE void for_each_block(int64_t C, bool cut, F f) {
  for_each_block<T>(C, cut ? C : C + kLanes<T>, f);
}

// Whether a vector of channels that begins in this pixel may stick out of memory that has `pixels` pixels: then it is cut.
template <typename T>
TILEGRAD_INLINE bool near_end(int64_t pixel, int64_t pixels, int64_t C) {
  return (pixels - pixel) * C < C + kLanes<T>;
}

// A window: its first pixel inside the image and its result (`from` and `out`, in elements), the pixels inside, the number
// of the first one's tap, and over how many pixels a mean is. Where kSide is not 0 the window is whole, a square of that
// side: constants that the compiler unrolls.
template <int kSide>
struct Window {
  int64_t from, out, tap, pixels;
  int64_t some_rows, some_columns;
  int64_t room;  // elements of x from the last pixel on, and of this member's results from `out` on: the lesser
  TILEGRAD_INLINE int64_t rows() const { return kSide ? kSide : some_rows; }
  TILEGRAD_INLINE int64_t columns() const { return kSide ? kSide : some_columns; }
};

// Calls f(window) for this member's share of the windows.
template <int kSide, typename F>
TILEGRAD_INLINE void for_each_window(const Team& team, const Pool2d& p, F f) {
  const int64_t P = p.row.out, Q = p.column.out, H = p.row.in, W = p.column.in;
  const Range share = team.share(p.N * P);
  for (int64_t i = share.begin; i < share.end; ++i) {
    const int64_t n = i / P, row = i % P;
    const Range rows = p.row.inside(row);
    const int64_t high = rows.end - rows.begin;
    const int64_t row_tap = (rows.begin - p.row.first(row)) * p.column.kernel;
    for (int64_t column = 0; column < Q; ++column) {
      const Range columns = p.column.inside(column);
      const int64_t wide = columns.end - columns.begin;
      const int64_t from = ((n * H + rows.begin) * W + columns.begin) * p.C, out = (i * Q + column) * p.C;
      const int64_t tap = row_tap + columns.begin - p.column.first(column);
      const int64_t last = (n * H + rows.end - 1) * W + columns.end - 1;
      const int64_t room = smaller(p.N * H * W - last, (share.end - i) * Q - column) * p.C;
      const int64_t pixels = pixels_of(p, row, rows, column, columns);
      if (kSide > 0 && high == kSide && wide == kSide) {
        f(Window<kSide>{from, out, tap, pixels, high, wide, room});
      } else {
        f(Window<0>{from, out, tap, pixels, high, wide, room});
      }
    }
  }
}

template <int kSide, typename F, int... kTap>
TILEGRAD_INLINE void unroll_taps(F f, std::integer_sequence<int, kTap...>) {
  (f(int64_t{kTap / kSide}, int64_t{kTap % kSide}), ...);
}
// Calls f(r, s) for r < rows and s < columns of a window, unrolled where it is whole.
template <int kSide, typename F>
TILEGRAD_INLINE void for_each_tap(const Window<kSide>& window, F f) {
  if constexpr (kSide > 0) {
    unroll_taps<kSide>(f, std::make_integer_sequence<int, kSide * kSide>{});
  } else {
    for (int64_t r = 0; r < window.rows(); ++r) {
      for (int64_t s = 0; s < window.columns(); ++s) f(r, s);
    }
  }
}

// Calls run(side) with the side of windows that have code of their own, and with 0 for others.
template <typename Run>
TILEGRAD_INLINE void with_window_side(const Pool2d& p, Run run) {
  const int64_t side = p.row.kernel == p.column.kernel ? p.row.kernel : 0;
  if (side == 2) return run(std::integral_constant<int, 2>{});
  if (side == 3) return run(std::integral_constant<int, 3>{});
  run(std::integral_constant<int, 0>{});
}

// Calls f(n, h, rows, w, columns, cut) for this member's share of the input pixels, with the windows over them.
template <typename T, typename F>
TILEGRAD_INLINE void for_each_pixel(const Team& team, const Pool2d& p, F f) {
  const Range share = team.share(p.N * p.row.in);
  for (int64_t i = share.begin; i < share.end; ++i) {
    const int64_t n = i / p.row.in, h = i % p.row.in;
    const Range rows = p.row.over(h);
    Range columns{0, 0};
    for (int64_t w = 0; w < p.column.in; ++w) {
      advance(columns, w, p.column);
      const bool empty = rows.begin >= rows.end || columns.begin >= columns.end;
      const int64_t last = empty ? 0 : (n * p.row.out + rows.end - 1) * p.column.out + columns.end - 1;
      const bool cut = near_end<T>(last, p.N * p.row.out * p.column.out, p.C) ||
                       near_end<T>(i * p.column.in + w, share.end * p.column.in, p.C);
      f(n, h, rows, w, columns, cut);
    }
  }
}

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
