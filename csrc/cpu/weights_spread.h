// Backward-weights with lanes along runs of dw: all (s, c, k) of a filter row where groups == 1, else all (c, k) of a tap.
#pragma once

#include "cpu/weights_blocks.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// The window holds, for one panel of lanes, what each lane reads of some rows of x: an element for every output column, or
// for every column of the padded image. It is a ring of rows, small enough for the L1 cache: stores that miss it cost more
// than the arithmetic. dy is spread to lanes as it is read.
template <typename T>
struct SpreadBlocks {
  static constexpr bool kWholeChunks = true;
  const Conv2d& p;
  const Stencil& s;
  const T* x;
  const T* dy;
  bool by_rows;
  int64_t taps, lanes;          // dw is [taps][lanes]
  int64_t first, left, inside;  // of x's columns that a line shows: the first, zeros beside the image, what is in it
  Panels<T> panels;
  bool alone;                    // whether the ring holds all panels, side by side
  int64_t columns, pitch, ring;  // of the window: pixels of a row, elements from one to the next, rows
  RowTiles tap_tiles;
  WeightsScratch<T> scratch{};

  TILEGRAD_INLINE SpreadBlocks(const Conv2d& p, const Stencil& s, const T* x, const T* dy)
      : p(p),
        s(s),
        x(x),
        dy(dy),
        by_rows(spreads_rows(p)),
        taps(by_rows ? p.R : p.R * p.S),
        lanes(s.terms() * p.K / taps),
        first(s.column.begin(0)),
        left(smaller(larger<int64_t>(-first, 0), s.column.extent(p.Q))),
        inside(larger<int64_t>(smaller(p.W - first, s.column.extent(p.Q)) - left, 0)),
        panels{lanes},
        alone(spread_lanes() * static_cast<int64_t>(sizeof(T)) <= kSpreadBytes),
        columns(by_rows ? p.Q : s.column.extent(p.Q)),
        pitch(alone ? spread_lanes() : Panels<T>::kWide),
        ring(larger(s.row.extent(1),
                    kSpreadWindowBytes / larger<int64_t>(columns * pitch * static_cast<int64_t>(sizeof(T)), 1))),
        tap_tiles(taps, kMaxRows<T, kConvVectors>) {}
  static constexpr int64_t kMostTogether = 16;  // output rows that are taken together

  TILEGRAD_INLINE int64_t spread_lanes() const {
    return panels.first(panels.count() - 1) + panels.packed_width(panels.count() - 1);
  }
  TILEGRAD_INLINE int64_t tiles() const { return panels.count() * tap_tiles.count; }
  TILEGRAD_INLINE int64_t wrap(int64_t slot) const { return slot < ring ? slot : slot % ring; }

  // Spreads one line of x, or zeros where there is none.
  template <int kVectors>
  void spread_line(const T* image, int64_t row, const PanelPlaces<T>& places, T* to) const {
    // Pixels `from`, from + step, ...; the common case with all that it needs in registers.
    const auto put = [&](const T* from, int64_t step, int64_t count) {
      if (!places.near_x) {
        for (int64_t j = 0; j < count; ++j, from += step, to += pitch) {
          for (int v = 0; v < kVectors; ++v) store_vector(to, v, places.x[v].take(from));
        }
        return;
      }
      const T* vector[kVectors];
      LaneIndex<T> index[kVectors];
      for (int v = 0; v < kVectors; ++v) vector[v] = from + places.x[v].base, index[v] = places.x[v].index;
      const bool together = vector[kVectors - 1] == vector[0];  // one load serves both
      const int64_t apart = pitch;
      T* at = to;
      to += count * apart;
      for (; count > 0; --count, at += apart) {
        const Vec<T> first = load(vector[0]);
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v, vector[v - 1] += step) {
          store_vector(at, v, permute<T>(v == 0 || together ? first : load(vector[v]), index[v]));
        }
      }
    };
    const auto clear = [&](int64_t count) {
      for (int64_t j = 0; j < count; ++j, to += pitch) {
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) store_vector(to, v, Vec<T>{});
      }
    };
    if (row < 0 || row >= p.H) return clear(columns);
    if (by_rows) {
      const T* const from = image + (row * p.W + first + left) * p.C;
      T* const line = scratch.line + left * p.C;
      for (int64_t j = 0; j < inside * p.C; ++j) line[j] = from[j];
      return put(scratch.line, p.stride_w * p.C, columns);
    }
    clear(left);
    put(image + (row * p.W + first + left) * p.C, p.C, inside);
    clear(columns - left - inside);
  }

  // Finds the places of all lanes, once, and leaves zeros in the line, which stay there beside the image.
  void prepare() const {
    for (int64_t i = 0; i < p.plan.block; ++i) scratch.line[i] = 0;
    for (int64_t panel = 0; panel < panels.count(); ++panel) {
      PanelPlaces<T>& of = scratch.places[panel];
      of.near_x = of.near_dy = true;
      for (int v = 0; v < kConvVectors; ++v) {
        int64_t c[kLanes<T>], k[kLanes<T>];
        for (int l = 0; l < kLanes<T>; ++l) {
          const int64_t lane = smaller(panels.first(panel) + v * kLanes<T> + l, lanes - 1);
          c[l] = lane / p.K, k[l] = lane % p.K;
        }
        // Whole vectors may be read of dy's pixels that are narrower than one, but not at dy's end (see run_rows); the
        // line has room behind it.
        of.x[v].set(by_rows ? p.S * p.C + kLanes<T> : p.C,
                    [&](int l) { return by_rows ? c[l] : k[l] / s.group_out * s.group_in + c[l]; });
        of.dy[v].set(larger<int64_t>(p.K, kLanes<T>), [&](int l) { return k[l]; });
        of.near_x = of.near_x && of.x[v].near;
        of.near_dy = of.near_dy && of.dy[v].near;
      }
    }
  }

  // Pixels [begin, end) of `height` rows, the first in column `column`, whose rows of x are in the window: filter row 0
  // meets row `slot` of the ring in begin's row.
  template <int kVectors>
  void run_rows(int64_t begin, int64_t end, int64_t column, int64_t height, int64_t slot, int64_t panel, Range tiles,
                bool starts) const {
    const PanelPlaces<T>& of = scratch.places[panel];
    constexpr int64_t L = kLanes<T>, kWidth = kVectors * L;
    LaneTile<T> tile;
    tile.column = column;
    tile.columns = p.Q;
    tile.step = (by_rows ? 1 : p.stride_w) * pitch;
    tile.pixels = end - begin;
    tile.dy = dy + begin * p.K;
    tile.dy_step = p.K;
    const bool near = of.near_dy && (p.K >= L || end * p.K + L <= p.N * p.P * p.Q * p.K);
    for (int v = 0; v < kVectors; ++v) tile.base[v] = of.dy[v].base, tile.index[v] = of.dy[v].index;
    if (!near) {
      for (int v = 0; v < kVectors; ++v) {
        tile.base[v] = v * L;
        for (int l = 0; l < L; ++l) tile.index[v][l] = l;
      }
      for (int64_t k = 0; k < tile.pixels; ++k) {
        for (int64_t j = 0; j < kWidth; ++j) {
          scratch.panel[k * kWidth + j] = tile.dy[k * p.K + of.dy[j / L].base + of.dy[j / L].index[j % L]];
        }
      }
      tile.dy = scratch.panel;
      tile.dy_step = kWidth;
    }
    for (int64_t t = tiles.begin; t < tiles.end; ++t) {
      const int64_t tap = tap_tiles.begin(t);
      const int count = tap_tiles.rows(t);
      const T* rows[kMostTogether * kMaxRows<T, kConvVectors>];
      for (int j = 0; j < count; ++j) {
        const int64_t r = by_rows ? tap + j : (tap + j) / p.S, c = by_rows ? 0 : (tap + j) % p.S;
        int64_t at = wrap(slot + r * p.dilation_h);
        for (int64_t i = 0; i < height; ++i, at = wrap(at + p.stride_h)) {
          rows[i * count + j] = window_of(panel) + (at * columns + c * p.dilation_w) * pitch;
        }
      }
      T* const sums = sums_of(panel) + tap * kWidth;
      tile.chain = starts ? nullptr : sums;
      tile.sums = sums;
      with_rows<kMaxRows<T, kConvVectors>>(count, [&](auto taps) { lane_weights_tile<T, taps, kVectors>(tile, rows); });
    }
  }

  // A row of x and its place in the ring.
  struct RingRow {
    int64_t row, slot;
  };

  // Loads one panel's part of x's rows from `next` to `bottom`.
  template <int kVectors>
  void load_rows(const T* image, RingRow next, int64_t bottom, int64_t panel) const {
    for (; next.row < bottom; ++next.row, next.slot = wrap(next.slot + 1)) {
      spread_line<kVectors>(image, next.row, scratch.places[panel], window_of(panel) + next.slot * columns * pitch);
    }
  }

  TILEGRAD_INLINE T* window_of(int64_t panel) const { return scratch.window + (alone ? panels.first(panel) : 0); }
  TILEGRAD_INLINE T* sums_of(int64_t panel) const { return scratch.sums + panels.first(panel) * taps; }

  // Calls f(panel, its tiles) for tiles that may belong to several panels.
  template <typename F>
  TILEGRAD_INLINE void for_each_panel(Range tiles, F f) const {
    for (int64_t i = tiles.begin; i < tiles.end;) {
      const int64_t panel = i / tap_tiles.count, first = i % tap_tiles.count;
      const int64_t last = smaller(tap_tiles.count, first + tiles.end - i);
      f(panel, Range{first, last});
      i += last - first;
    }
  }

  // Prefetches part `part` of `parts` of the elements [from, from + count).
  TILEGRAD_INLINE static void prefetch_part(const T* from, int64_t count, int64_t part, int64_t parts) {
    constexpr int64_t kLine = kCacheLine / static_cast<int64_t>(sizeof(T));
    const Range mine = Team{static_cast<int>(part), static_cast<int>(parts), nullptr}.share(count, kLine);
    for (int64_t i = mine.begin; i < mine.end; i += kLine) prefetch(from + i);
  }

  // The whole chunk [begin, end), some output rows at a time: all panels of these, then the next. Where the ring holds all
  // panels it goes on; else they share it, and begin anew.
  void run(int64_t begin, int64_t end, Range tiles, const WeightsSums<T>& dw) const {
    // As many as the ring serves, and as the panel of dy has room for.
    const int64_t room = p.plan.band / p.Q * (kWidestPanel / Panels<T>::kWide);
    const int64_t together = smaller(smaller(kMostTogether, room), (ring - s.row.extent(1)) / p.stride_h + 1);
    for (int64_t at = begin; at < end;) {  // image by image
      const int64_t row = at / p.Q, image = row / p.P, stop = smaller(end, (image + 1) * p.P * p.Q);
      const T* const pixels = x + image * p.H * p.W * p.C;
      RingRow first_tap{s.row.begin(row % p.P), 0}, next_load = first_tap;
      int64_t column = at % p.Q;
      for (int64_t rows = (stop - 1) / p.Q - row + 1; rows > 0;) {
        if (!alone) first_tap.slot = 0, next_load = first_tap;
        const int64_t height = smaller(together, rows), step = height * p.stride_h;
        const int64_t next = smaller(stop, at - column + height * p.Q);
        const int64_t bottom = first_tap.row + step - p.stride_h + s.row.extent(1);
        const T* const x_next = pixels + larger<int64_t>(smaller(first_tap.row + step + p.R, p.H), 0) * p.W * p.C;
        for_each_panel(tiles, [&](int64_t panel, Range of_panel) {
          if (!alone) {
            prefetch_part(x_next, height * p.stride_h * p.W * p.C, panel, panels.count());
            prefetch_part(dy + next * p.K, (next - at) * p.K, panel, panels.count());
          }
          if (panels.packed_width(panel) == kLanes<T>) {
            load_rows<1>(pixels, next_load, bottom, panel);
            run_rows<1>(at, next, column, height, first_tap.slot, panel, of_panel, at == begin);
          } else {
            load_rows<kConvVectors>(pixels, next_load, bottom, panel);
            run_rows<kConvVectors>(at, next, column, height, first_tap.slot, panel, of_panel, at == begin);
          }
        });
        next_load = {bottom, wrap(next_load.slot + bottom - next_load.row)};
        first_tap = {first_tap.row + step, wrap(first_tap.slot + step)};
        rows -= height, column = 0, at = next;
      }
    }
    for_each_panel(tiles, [&](int64_t panel, Range of_panel) {
      const int64_t width = panels.packed_width(panel), columns_here = panels.width(panel);
      const int64_t last_tap = tap_tiles.begin(of_panel.end - 1) + tap_tiles.rows(of_panel.end - 1);
      for (int64_t tap = tap_tiles.begin(of_panel.begin); tap < last_tap; ++tap) {
        const T* const sum = sums_of(panel) + tap * width;
        const int64_t to = tap * lanes + panels.first(panel);
        for (int64_t n = 0; n < columns_here; ++n) dw.to[to + n] = dw.total ? dw.total[to + n] + sum[n] : sum[n];
      }
    });
  }
};

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
