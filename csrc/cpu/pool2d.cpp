// Max and average pooling, vectorised over channels. Every output is computed by one member from its window in row-major
// order; gradients are gathered, too: every input pixel sums over the windows that cover it, in row-major order of
// windows. So nothing depends on threads, and overlapping windows need no atomics.
//
// Results are written in ascending order, so a vector that sticks out over a pixel's last channel may be stored whole:
// the pixel behind overwrites what was too much. Only where no pixel of the same member follows must it be cut.
#include "cpu/pool_windows.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// Windows side by side: every input pixel is in one window at most.
TILEGRAD_INLINE bool are_side_by_side(const Pool2d& p) {
  return !p.row.adaptive && p.row.stride == p.row.kernel && p.column.stride == p.column.kernel;
}

// The gradient of windows side by side: dx of a window's pixel is of(out, pixels, block)(tap), where `out` is the window's
// element of the block, `pixels` how many its mean is over and `tap` the pixel's number. A window is looked up once for
// all its pixels. So several rows are written at once, and vectors must not stick out of any.
template <typename T, typename Of>
TILEGRAD_INLINE void backward_side_by_side(const Team& team, const Pool2d& p, T* dx, Of of) {
  const int64_t P = p.row.out, Q = p.column.out, H = p.row.in, W = p.column.in, line = W * p.C;
  const Range share = team.share(p.N * P);
  for (int64_t i = share.begin; i < share.end; ++i) {
    const int64_t n = i / P, row = i % P;
    const Range rows = p.row.inside(row);
    const int64_t high = rows.end - rows.begin, kernel = p.column.kernel;
    const int64_t row_tap = (rows.begin - p.row.first(row)) * kernel;
    T* const to = dx + (n * H + rows.begin) * line;
    int64_t written = 0;  // pixels of each row
    for (int64_t column = 0; column < Q; ++column) {
      const Range columns = p.column.inside(column);
      const int64_t out = (i * Q + column) * p.C, wide = columns.end - columns.begin;
      const int64_t tap = row_tap + columns.begin - p.column.first(column);
      const int64_t pixels = pixels_of(p, row, rows, column, columns);
      // The last of several blocks would reach into the pixel behind, whose first block has been written.
      const int64_t room = p.C > kLanes<T> ? p.C : smaller((p.N * P - i) * Q - column, W - columns.end + 1) * p.C;
      for_each_block<T>(p.C, room, [&](Block block) __attribute__((always_inline)) {
        const auto at = of(out + block.channel, pixels, block);
        T* const first = to + columns.begin * p.C + block.channel;
        if (high == 2 && wide == 2 && kernel == 2) {
#pragma GCC unroll 4
          for (int64_t t = 0; t < 4; ++t) {
            store_lanes(first + t / 2 * line + t % 2 * p.C, at(tap + t), block.whole, block.count);
          }
          return;
        }
        for (int64_t r = 0; r < high; ++r) {
          for (int64_t s = 0; s < wide; ++s) {
            store_lanes(first + r * line + s * p.C, at(tap + r * kernel + s), block.whole, block.count);
          }
        }
      });
      written = columns.end;
    }
    const auto clear = [](T* begin, int64_t count) {
      for (int64_t e = 0; e < count; ++e) begin[e] = T(0);
    };
    for (int64_t r = 0; r < high; ++r) clear(to + r * line + written * p.C, (W - written) * p.C);
    // What lies below the last windows is in none.
    if (row == P - 1) clear(to + high * line, (H - rows.end) * line);
  }
}

// Lanes chosen by a vector of numbers, in one instruction: clang has no name for it, and shorter vectors have not enough lanes.
#if defined(__clang__)
inline constexpr bool kHasLaneChoice = false;
#else
inline constexpr bool kHasLaneChoice = kVectorBytes >= 32;
#endif

// Windows of two columns, side by side and all whole, of so few channels that a vector holds several of them.
template <typename T>
TILEGRAD_INLINE bool are_narrow_pairs(const Pool2d& p) {
  const auto whole = [](const PoolAxis& axis) { return axis.before == 0 && axis.out * axis.kernel <= axis.in; };
  return are_side_by_side(p) && p.column.kernel == 2 && 2 * p.C <= kLanes<T> && whole(p.row) && whole(p.column);
}

// The gradient of such windows, with lanes along windows and channels: dx of a row of pixels is at(from, number of its first
// tap, 0 and 1 where the column in the window is), where `at` is of(out, whole, count), for the results from `out` on, and
// from[l] is the lane of the window that lane l's pixel is in. Row after row, so that vectors may stick out.
template <typename T, typename Of>
TILEGRAD_INLINE void backward_narrow_pairs(const Team& team, const Pool2d& p, T* dx, Of of) {
  constexpr int64_t L = kLanes<T>;
  const int64_t P = p.row.out, Q = p.column.out, H = p.row.in, line = p.column.in * p.C, total = p.N * P * Q * p.C;
  const int64_t at_once = L / p.C;  // windows
  Mask<T> from[2], column[2];
  for (int64_t l = 0; l < 2 * L; ++l) {
    const int64_t window = smaller(l / (2 * p.C), at_once - 1);
    from[l / L][l % L] = static_cast<decltype(from[0][0] + 0)>(window * p.C + l % p.C);
    column[l / L][l % L] = static_cast<decltype(from[0][0] + 0)>(l / p.C % 2);
  }
  const auto row_at = [&](int64_t i) { return dx + (i / P * H + i % P * p.row.kernel) * line; };
  const auto clear = [](T* begin, T* end) {
    for (T* e = begin; e < end; ++e) *e = T(0);
  };
  const Range share = team.share(p.N * P);
  T* const end = row_at(share.end);
  for (int64_t i = share.begin; i < share.end; ++i) {
    T* to = row_at(i);
    for (int64_t r = 0; r < p.row.kernel; ++r, to += line) {
      for (int64_t q = 0; q < Q; q += at_once) {
        const int64_t out = (i * Q + q) * p.C, count = smaller(at_once, Q - q) * p.C;
        const auto at = of(out, out + L <= total, count);
#pragma GCC unroll 2
        for (int64_t v = 0; v < 2; ++v) {
          T* const here = to + 2 * q * p.C + v * L;
          if (v == 1 && 2 * count <= L) break;
          store_lanes(here, at(from[v], r * 2, column[v]), here + L <= end, smaller(L, 2 * count - v * L));
        }
      }
      clear(to + 2 * Q * p.C, to + line);
    }
    if (i % P == P - 1) clear(to, row_at(i + 1));
  }
}

// y = max over the window, index = the tap (r * S + s) that it came from: the first of equal ones, and a NaN before any
// number.
template <bool kWithIndex, int kSide, typename T, typename Index>
void max_pool(const Team& team, const Pool2d& p, const T* x, T* y, Index* index) {
  using Tap = decltype(Mask<T>{}[0] + 0);
  for_each_window<kSide>(team, p, [&](auto window) __attribute__((always_inline)) {
    for_each_block<T>(p.C, window.room, [&](Block block) __attribute__((always_inline)) {
      const T* const from = x + window.from + block.channel;
      Vec<T> best{};
      Mask<T> best_tap{};
      for_each_tap(window, [&](int64_t r, int64_t s) {
        const Vec<T> value = load_lanes(from + (r * p.column.in + s) * p.C, block.whole, block.count);
        const Mask<T> tap = Mask<T>{} + static_cast<Tap>(window.tap + r * p.column.kernel + s);
        if (r == 0 && s == 0) {
          best = value;
          best_tap = tap;
          return;
        }
        const Mask<T> wins = ~(value <= best) & (best == best);
        best = wins ? value : best;
        if constexpr (kWithIndex) best_tap = wins ? tap : best_tap;
      });
      store_lanes(y + window.out + block.channel, best, block.whole, block.count);
      if constexpr (kWithIndex) {
        store_index<T>(index + window.out + block.channel, best_tap, block.whole, block.count);
      }
    });
  });
}

// index is [N, P, Q, C] of bytes where a window has at most 256 taps, else of 32-bit integers; both null where nobody
// asks for it.
template <typename T>
void max_pool2d(const Team& team, const Pool2d& p, const T* x, T* y, uint8_t* byte_index, int32_t* index) {
  if (index) return max_pool<true, 0>(team, p, x, y, index);
  with_window_side(p, [&](auto side) {
    if (byte_index) return max_pool<true, side>(team, p, x, y, byte_index);
    max_pool<false, side>(team, p, x, y, byte_index);
  });
}

template <typename T, typename Index>
void max_pool_backward(const Team& team, const Pool2d& p, const T* dy, const Index* index, T* dx) {
  if constexpr (sizeof(Index) == 1 && kHasLaneChoice) {
    if (are_narrow_pairs<T>(p)) {
      return backward_narrow_pairs(
          team, p, dx, [&](int64_t out, bool whole, int64_t count) __attribute__((always_inline)) {
            const Vec<T> grad = Vec<T>{} + load_lanes(dy + out, whole, count);
            const Mask<T> taps = load_index<T>(index + out, whole, count);
            return [=](Mask<T> from, int64_t tap, Mask<T> column) __attribute__((always_inline)) -> Vec<T> {
              const Mask<T> here = column + static_cast<decltype(taps[0] + 0)>(tap);
              return __builtin_shuffle(taps, from) == here ? __builtin_shuffle(grad, from) : Vec<T>{};
            };
          });
    }
  }
  if (are_side_by_side(p)) {
    return backward_side_by_side(team, p, dx, [&](int64_t out, int64_t, Block block) __attribute__((always_inline)) {
      const Vec<T> grad = Vec<T>{} + load_lanes(dy + out, block.whole, block.count);
      const Mask<T> taps = load_index<T>(index + out, block.whole, block.count);
      return [=](int64_t tap) __attribute__((always_inline)) -> Vec<T> {
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
template <int kSide, typename T>
void avg_pool(const Team& team, const Pool2d& p, const T* x, T* y) {
  for_each_window<kSide>(team, p, [&](auto window) __attribute__((always_inline)) {
    const Vec<T> count = broadcast(static_cast<T>(window.pixels));
    for_each_block<T>(p.C, window.room, [&](Block block) __attribute__((always_inline)) {
      const T* const from = x + window.from + block.channel;
      Vec<T> sum{};
      for_each_tap(window, [&](int64_t r, int64_t s) {
        sum += load_lanes(from + (r * p.column.in + s) * p.C, block.whole, block.count);
      });
      store_lanes(y + window.out + block.channel, sum / count, block.whole, block.count);
    });
  });
}

template <typename T>
void avg_pool2d(const Team& team, const Pool2d& p, const T* x, T* y) {
  with_window_side(p, [&](auto side) { avg_pool<side>(team, p, x, y); });
}

template <typename T>
void avg_pool2d_backward(const Team& team, const Pool2d& p, const T* dy, T* dx) {
  if constexpr (kHasLaneChoice) {
    if (are_narrow_pairs<T>(p)) {
      const Vec<T> pixels = broadcast(static_cast<T>(2 * p.row.kernel));
      return backward_narrow_pairs(
          team, p, dx, [&](int64_t out, bool whole, int64_t count) __attribute__((always_inline)) {
            const Vec<T> part = Vec<T>{} + load_lanes(dy + out, whole, count) / pixels;
            return [=](Mask<T> from, int64_t, Mask<T>)
                       __attribute__((always_inline)) { return __builtin_shuffle(part, from); };
          });
    }
  }
  if (are_side_by_side(p)) {
    return backward_side_by_side(
        team, p, dx, [&](int64_t out, int64_t pixels, Block block) __attribute__((always_inline)) {
          const Vec<T> part =
              Vec<T>{} + load_lanes(dy + out, block.whole, block.count) / broadcast(static_cast<T>(pixels));
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
