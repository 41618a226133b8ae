// Max and average pooling, vectorised over channels. Every output is computed by one member from its window in row-major
// order; gradients are gathered, too: every input pixel sums over the windows that cover it, in row-major order of
// windows. So nothing depends on threads, and overlapping windows need no atomics.
//
// Results are written in ascending order, so a vector that sticks out over a pixel's last channel may be stored whole:
// the pixel behind overwrites what was too much. Only where no pixel of the same member follows must it be cut.
#include "params/pool2d.h"
#include "cpu/vec.h"

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

// Calls f(block) for the channels of a pixel.
template <typename T, typename F>
TILEGRAD_INLINE void for_each_block(int64_t C, bool cut, F f) {
  int64_t c = 0;
  for (; c + kLanes<T> <= C; c += kLanes<T>) f(Block{c, true, kLanes<T>});
  if (c < C) f(Block{c, !cut, C - c});
}

// Whether a vector of channels that begins in this pixel may stick out of memory that has `pixels` pixels: then it is cut.
template <typename T>
TILEGRAD_INLINE bool near_end(int64_t pixel, int64_t pixels, int64_t C) {
  return (pixels - pixel) * C < C + kLanes<T>;
}

// Calls f(n, row, rows, column, columns, cut) for this member's share of the output pixels, with the window's rows and
// columns inside the image.
template <typename T, typename F>
TILEGRAD_INLINE void for_each_window(const Team& team, const Pool2d& p, F f) {
  const Range share = team.share(p.N * p.row.out);
  for (int64_t i = share.begin; i < share.end; ++i) {
    const int64_t n = i / p.row.out, row = i % p.row.out;
    const Range rows = p.row.inside(row);
    for (int64_t column = 0; column < p.column.out; ++column) {
      const Range columns = p.column.inside(column);
      // Reads: the window's last pixel. Writes: this pixel, of those of the member.
      const bool cut = near_end<T>((n * p.row.in + rows.end - 1) * p.column.in + columns.end - 1,
                                   p.N * p.row.in * p.column.in, p.C) ||
                       near_end<T>(i * p.column.out + column, share.end * p.column.out, p.C);
      f(n, row, rows, column, columns, cut);
    }
  }
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

// Windows side by side: every input pixel is in one window at most.
TILEGRAD_INLINE bool are_side_by_side(const Pool2d& p) {
  return !p.row.adaptive && p.row.stride == p.row.kernel && p.column.stride == p.column.kernel;
}

// The gradient of windows side by side: dx of pixel (h, w) is of(out, tap, pixels, block), where `out` is the window's
// element of the block, `tap` its pixel's number and `pixels` how many of them are inside the image. Input rows are walked
// in order, and a window of few channels is looked up once for all its pixels in the row.
template <typename T, typename Of>
TILEGRAD_INLINE void backward_side_by_side(const Team& team, const Pool2d& p, T* dx, Of of) {
  const Range share = team.share(p.N * p.row.in);
  for (int64_t i = share.begin; i < share.end; ++i) {
    const int64_t n = i / p.row.in, h = i % p.row.in;
    const int64_t row = (h + p.row.before) / p.row.kernel, tap = (h + p.row.before) % p.row.kernel * p.column.kernel;
    T* to = dx + i * p.column.in * p.C;
    const Range rows = p.row.inside(row);
    int64_t column = 0, w = 0;
    for (; row < p.row.out && column < p.column.out; ++column) {
      const Range columns = p.column.inside(column);
      const int64_t window = (n * p.row.out + row) * p.column.out + column, out = window * p.C;
      const int64_t pixels = pixels_of(p, row, rows, column, columns);
      const int64_t first_tap = tap + columns.begin - p.column.first(column);
      const bool cut = near_end<T>(window, p.N * p.row.out * p.column.out, p.C) ||
                       near_end<T>(i * p.column.in + columns.end - 1, share.end * p.column.in, p.C);
      w = columns.end;
      if (p.C <= kLanes<T>) {
        const Block block{0, !cut, p.C};
        const auto at = of(out, pixels, block);
        for (int64_t s = 0; s < columns.end - columns.begin; ++s, to += p.C) {
          store_lanes(to, at(first_tap + s), block.whole, block.count);
        }
        continue;
      }
      for (int64_t s = 0; s < columns.end - columns.begin; ++s, to += p.C) {
        for_each_block<T>(p.C, cut, [&](Block block) {
          store_lanes(to + block.channel, of(out + block.channel, pixels, block)(first_tap + s), block.whole,
                      block.count);
        });
      }
    }
    for (int64_t rest = (p.column.in - w) * p.C, e = 0; e < rest; ++e) to[e] = 0;  // in no window
  }
}

// y = max over the window, index = the tap (r * S + s) that it came from: the first of equal ones, and a NaN before any
// number.
template <bool kWithIndex, typename T, typename Index>
void max_pool(const Team& team, const Pool2d& p, const T* x, T* y, Index* index) {
  for_each_window<T>(team, p, [&](int64_t n, int64_t row, Range rows, int64_t column, Range columns, bool cut) {
    const int64_t out = ((n * p.row.out + row) * p.column.out + column) * p.C;
    const int64_t first_row = p.row.first(row), first_column = p.column.first(column);
    for_each_block<T>(p.C, cut, [&](Block block) {
      Vec<T> best{};
      Mask<T> best_tap{};
      for (int64_t h = rows.begin; h < rows.end; ++h) {
        const T* from = x + ((n * p.row.in + h) * p.column.in + columns.begin) * p.C + block.channel;
        int64_t tap = (h - first_row) * p.column.kernel + columns.begin - first_column;
        for (int64_t w = columns.begin; w < columns.end; ++w, ++tap, from += p.C) {
          const Vec<T> value = load_lanes(from, block.whole, block.count);
          const Mask<T> taps = Mask<T>{} + static_cast<decltype(best_tap[0] + 0)>(tap);
          if (h == rows.begin && w == columns.begin) {
            best = value;
            best_tap = taps;
            continue;
          }
          const Mask<T> wins = (value > best) | ((value != value) & (best == best));
          best = wins ? value : best;
          if constexpr (kWithIndex) best_tap = wins ? taps : best_tap;
        }
      }
      store_lanes(y + out + block.channel, best, block.whole, block.count);
      if constexpr (kWithIndex) store_index<T>(index + out + block.channel, best_tap, block.whole, block.count);
    });
  });
}

// index is [N, P, Q, C] of bytes where a window has at most 256 taps, else of 32-bit integers; both null where nobody
// asks for it.
template <typename T>
void max_pool2d(const Team& team, const Pool2d& p, const T* x, T* y, uint8_t* byte_index, int32_t* index) {
  if (index) return max_pool<true>(team, p, x, y, index);
  if (byte_index) return max_pool<true>(team, p, x, y, byte_index);
  max_pool<false>(team, p, x, y, byte_index);
}

template <typename T, typename Index>
void max_pool_backward(const Team& team, const Pool2d& p, const T* dy, const Index* index, T* dx) {
  if (are_side_by_side(p)) {
    return backward_side_by_side(team, p, dx, [&](int64_t out, int64_t, Block block) {
      const Vec<T> grad = Vec<T>{} + load_lanes(dy + out, block.whole, block.count);
      const Mask<T> taps = load_index<T>(index + out, block.whole, block.count);
      return [=](int64_t tap) -> Vec<T> {
        const Mask<T> here = Mask<T>{} + static_cast<decltype(taps[0] + 0)>(tap);
        return taps == here ? grad : Vec<T>{};
      };
    });
  }
  for_each_pixel<T>(team, p, [&](int64_t n, int64_t h, Range rows, int64_t w, Range columns, bool cut) {
    const int64_t in = ((n * p.row.in + h) * p.column.in + w) * p.C;
    for_each_block<T>(p.C, cut, [&](Block block) {
      Vec<T> sum{};
      for (int64_t row = rows.begin; row < rows.end; ++row) {
        const int64_t first_tap = (h - p.row.first(row)) * p.column.kernel + w;
        for (int64_t column = columns.begin; column < columns.end; ++column) {
          const int64_t out = ((n * p.row.out + row) * p.column.out + column) * p.C + block.channel;
          const Mask<T> taps = load_index<T>(index + out, block.whole, block.count);
          const Mask<T> here = Mask<T>{} + static_cast<decltype(taps[0] + 0)>(first_tap - p.column.first(column));
          sum += taps == here ? load_lanes(dy + out, block.whole, block.count) : Vec<T>{};
        }
      }
      store_lanes(dx + in + block.channel, sum, block.whole, block.count);
    });
  });
}

template <typename T>
void max_pool2d_backward(const Team& team, const Pool2d& p, const T* dy, const uint8_t* byte_index,
                         const int32_t* index, T* dx) {
  if (index) return max_pool_backward(team, p, dy, index, dx);
  max_pool_backward(team, p, dy, byte_index, dx);
}

// y = sum over the window / number of its pixels, inside the image or with the padding.
template <typename T>
void avg_pool2d(const Team& team, const Pool2d& p, const T* x, T* y) {
  for_each_window<T>(team, p, [&](int64_t n, int64_t row, Range rows, int64_t column, Range columns, bool cut) {
    const Vec<T> count = broadcast(static_cast<T>(pixels_of(p, row, rows, column, columns)));
    const int64_t out = ((n * p.row.out + row) * p.column.out + column) * p.C;
    for_each_block<T>(p.C, cut, [&](Block block) {
      Vec<T> sum{};
      for (int64_t h = rows.begin; h < rows.end; ++h) {
        const T* from = x + ((n * p.row.in + h) * p.column.in + columns.begin) * p.C + block.channel;
        for (int64_t w = columns.begin; w < columns.end; ++w, from += p.C) {
          sum += load_lanes(from, block.whole, block.count);
        }
      }
      store_lanes(y + out + block.channel, sum / count, block.whole, block.count);
    });
  });
}

template <typename T>
void avg_pool2d_backward(const Team& team, const Pool2d& p, const T* dy, T* dx) {
  if (are_side_by_side(p)) {
    return backward_side_by_side(team, p, dx, [&](int64_t out, int64_t pixels, Block block) {
      const Vec<T> part = Vec<T>{} + load_lanes(dy + out, block.whole, block.count) / broadcast(static_cast<T>(pixels));
      return [=](int64_t) { return part; };
    });
  }
  for_each_pixel<T>(team, p, [&](int64_t n, int64_t h, Range rows, int64_t w, Range columns, bool cut) {
    const int64_t in = ((n * p.row.in + h) * p.column.in + w) * p.C;
    for_each_block<T>(p.C, cut, [&](Block block) {
      Vec<T> sum{};
      for (int64_t row = rows.begin; row < rows.end; ++row) {
        const Range inside_h = p.row.inside(row);
        for (int64_t column = columns.begin; column < columns.end; ++column) {
          const Range inside_w = p.column.inside(column);
          const T count = static_cast<T>(pixels_of(p, row, inside_h, column, inside_w));
          const T* const from = dy + ((n * p.row.out + row) * p.column.out + column) * p.C + block.channel;
          sum += load_lanes(from, block.whole, block.count) / broadcast(count);
        }
      }
      store_lanes(dx + in + block.channel, sum, block.whole, block.count);
    });
  });
}

}  // namespace
DEFINE_KERNEL(max_pool2d, FLOATING)
DEFINE_KERNEL(max_pool2d_backward, FLOATING)
DEFINE_KERNEL(avg_pool2d, FLOATING)
DEFINE_KERNEL(avg_pool2d_backward, FLOATING)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
