// What conv2d_backward_weights does with one block of pixels.
#pragma once

#include "cpu/depthwise_ring.h"
#include "cpu/weights_tiles.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// A member's own memory: where the block's pixels are in the window, a panel of dy, a line of x, the window; of lanes along dw
// (weights_spread.h), the sums so far and the places of lanes.
template <typename T>
struct WeightsScratch {
  int64_t* offsets;
  T* panel;
  T* line;
  T* window;
  T* sums;
  PanelPlaces<T>* places;
};

// Calls f(image, top, rows, base) for each piece of an image that pixels [begin, end) of the (n, p, q) sequence see: `rows`
// input rows from `top` on, which go to line `base` of the window; and fills offsets with where each pixel's window
// begins, in lines of `line` elements and columns of `column`.
template <typename F>
TILEGRAD_INLINE void for_each_piece(const Conv2d& p, const StencilAxis& axis, int64_t begin, int64_t end, int64_t line,
                                    int64_t column, int64_t* offsets, F f) {
  const int64_t last_row = (end - 1) / p.Q;
  int64_t at = begin;
  int64_t base = 0;
  for (int64_t row = begin / p.Q; row <= last_row;) {
    const int64_t image = row / p.P, first = row % p.P;
    const int64_t height = smaller(p.P - first, last_row - row + 1);
    const int64_t rows = axis.extent(height);
    const int64_t from = f(image, axis.begin(first), rows, base);
    for (int64_t i = 0; i < height; ++i, ++row) {
      const int64_t stop = smaller((row + 1) * p.Q, end);
      int64_t offset = from + i * p.stride_h * line + at % p.Q * column;
      for (; at < stop; ++at, offset += column) *offsets++ = offset;
    }
    base += rows * line;
  }
}

// The tiles of `runs` runs of `length` rows of dw in a panel: parts of a run, or two short runs, as too few sums at a time wait for
// each other.
struct RunTiles {
  bool pairs;
  RowTiles rows;
  int64_t count;
  TILEGRAD_INLINE RunTiles(int64_t runs, int64_t length, int64_t most)
      : pairs(2 * length <= most), rows(length, most), count(pairs ? ceil_div(runs, 2) : runs * rows.count) {}
};

// Lanes along the output channels of a group.
template <typename T>
struct DenseBlocks {
  static constexpr bool kWholeChunks = false;
  const Conv2d& p;
  const Stencil& s;
  const T* x;
  const T* dy;
  bool in_place;
  int64_t runs, run_length;  // rows of dw that are neighbours in x: the (s, c) of a filter row where these touch
  Panels<T> panels;
  RunTiles wide, narrow;
  WeightsScratch<T> scratch{};

  TILEGRAD_INLINE DenseBlocks(const Conv2d& p, const Stencil& s, const T* x, const T* dy)
      : p(p),
        s(s),
        x(x),
        dy(dy),
        in_place(p.plan.window == 0),
        runs(joined() ? p.R : p.R * p.S),
        run_length(joined() ? p.S * p.C : s.group_in),
        panels{s.group_out},
        wide(runs, run_length, kMaxRows<T, kConvVectors>),
        narrow(runs, run_length, kMaxRows<T, 1>) {}
  void prepare() const {}
  TILEGRAD_INLINE bool joined() const { return p.groups == 1 && p.dilation_w == 1; }
  // Where a run begins in a pixel's window, whose lines and pixels are so far apart.
  TILEGRAD_INLINE int64_t run_begin(int64_t run, int64_t line, int64_t pixel) const {
    const int64_t row = joined() ? run : run / p.S, column = joined() ? 0 : run % p.S;
    return row * p.dilation_h * line + column * p.dilation_w * pixel;
  }
  TILEGRAD_INLINE bool is_narrow(int64_t panel) const { return panels.packed_width(panel) == kLanes<T>; }
  TILEGRAD_INLINE const RunTiles& of(int64_t panel) const { return is_narrow(panel) ? narrow : wide; }
  // Only the last panel of a group may be narrow.
  TILEGRAD_INLINE int64_t per_group() const { return (panels.count() - 1) * wide.count + of(panels.count() - 1).count; }
  TILEGRAD_INLINE int64_t tiles() const { return p.groups * per_group(); }

  // Rows of the window are copies of `channels` channels from `channel` on, or where they lie in x.
  const T* load_pixels(int64_t begin, int64_t end, int64_t channel, int64_t channels) const {
    const int64_t column = s.column.begin(0), columns = in_place ? p.W : s.column.extent(p.Q),
                  line = columns * channels;
    for_each_piece(p, s.row, begin, end, line, p.stride_w * channels, scratch.offsets,
                   [&](int64_t image, int64_t top, int64_t rows, int64_t base) {
                     if (in_place) return ((image * p.H + top) * p.W + column) * p.C;
                     T* to = scratch.window + base;
                     for (int64_t row = top; row < top + rows; ++row, to += line) {
                       // A row of no columns is all zeros.
                       fill_ring_row(x + (image * p.H + row) * p.W * p.C + channel, row < 0 || row >= p.H ? 0 : p.W,
                                     p.C, column, channels, to, columns, channels);
                     }
                     return base;
                   });
    return in_place ? x : scratch.window;
  }

  void run(int64_t begin, int64_t end, Range tiles, const WeightsSums<T>& dw) const {
    // The window holds the groups that the tiles belong to.
    const int64_t first_group = in_place ? 0 : tiles.begin / per_group();
    const int64_t groups = in_place ? p.groups : (tiles.end - 1) / per_group() + 1 - first_group;
    const int64_t pixel = groups * s.group_in, line = (in_place ? p.W : s.column.extent(p.Q)) * pixel;
    const T* const a = load_pixels(begin, end, first_group * s.group_in, pixel);
    for (int64_t i = tiles.begin; i < tiles.end;) {
      const int64_t group = i / per_group(), in_group = i % per_group();
      const int64_t panel = smaller(in_group / wide.count, panels.count() - 1);
      const RunTiles& run_tiles = of(panel);
      const int64_t first = in_group - panel * wide.count;
      const int64_t last = smaller(run_tiles.count, first + tiles.end - i);
      const int64_t width = panels.width(panel), packed_width = panels.packed_width(panel);
      const int64_t column = group * s.group_out + panels.first(panel);

      RunTile<T> tile;
      tile.offsets = scratch.offsets;
      tile.pixels = end - begin;
      tile.dy = dy + begin * p.K + column;
      tile.dy_step = p.K;
      // A panel that several tiles will read is worth packing. The lanes behind a ragged one are sums that nobody stores; but
      // they may not be read behind dy's end.
      const bool beyond = (p.N * p.P * p.Q - end) * p.K + p.K - column < packed_width;
      if (beyond || (last - first > 4 && p.K > packed_width)) {
        for (int64_t k = 0; k < tile.pixels; ++k) {
          const T* from = tile.dy + k * p.K;
          T* to = scratch.panel + k * packed_width;
          for (int64_t n = 0; n < width; n += kLanes<T>) store(to + n, load_partial(from + n, width - n));
        }
        tile.dy = scratch.panel;
        tile.dy_step = packed_width;
      }
      for (int64_t t = first; t < last; ++t) {
        const RowTiles& parts = run_tiles.rows;
        const int64_t run = run_tiles.pairs ? 2 * t : t / parts.count;
        const int64_t in_run = run_tiles.pairs ? 0 : parts.begin(t % parts.count);
        const int rows = run_tiles.pairs ? static_cast<int>(run_length) : parts.rows(t % parts.count);
        const bool two = run_tiles.pairs && run + 1 < runs;
        tile.sums = dw.at((run * run_length + in_run) * p.K + column);
        tile.sums.stride = p.K;
        tile.sums.columns = width;
        const T* const from = a + run_begin(run, line, pixel) + (group - first_group) * s.group_in + in_run;
        const int64_t next_run = two ? run_begin(run + 1, line, pixel) - run_begin(run, line, pixel) : 0;
        const auto of_vectors = [&](auto vectors) {
          constexpr int kMost = kMaxRows<T, vectors>;
          if (!two) {
            with_rows<kMost>(rows, [&](auto count) { run_weights_tile<T, 1, count, vectors>(tile, from, 0); });
          } else if constexpr (kMost >= 2) {
            with_rows<kMost / 2>(rows,
                                 [&](auto count) { run_weights_tile<T, 2, count, vectors>(tile, from, next_run); });
          }
        };
        is_narrow(panel) ? of_vectors(Constant<1>{}) : of_vectors(Constant<kConvVectors>{});
      }
      i += last - first;
    }
  }
};

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
