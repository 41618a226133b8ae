// What the drivers of stencils share: the walk over a class's pixels, its taps, the chunks of its sums, and its packed
// weights (params/stencil.h says what a stencil and its classes are).
#pragma once

#include "cpu/isa.h"
#include "params/stencil.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// Element (tap, channel, column) of the weights of one group is at base + tap * tap_step + channel * channel_step +
// column * column_step.
template <typename T>
struct StencilWeights {
  const T* base;
  int64_t tap_step, channel_step, column_step, group_step;
};

// The output pixels of one class in one unit of work, in row-major order: where they are in the window and in the
// output.
struct PixelGrid {
  int64_t images, rows, columns;
  int64_t in_image, in_row, in_column;
  int64_t out_image, out_row, out_column;
  TILEGRAD_INLINE int64_t count() const { return images * rows * columns; }
};

struct PixelWalk {
  int64_t i = 0, h = 0, w = 0;
  int64_t in = 0, out = 0;
  TILEGRAD_INLINE void next(const PixelGrid& g) {
    in += g.in_column, out += g.out_column;
    if (++w < g.columns) return;
    w = 0, in += g.in_row - g.columns * g.in_column, out += g.out_row - g.columns * g.out_column;
    if (++h < g.rows) return;
    h = 0, in += g.in_image - g.rows * g.in_row, out += g.out_image - g.rows * g.out_row;
    ++i;
  }
};

// The pixels of class (h, w) in `height` output rows of each of `images` images, whose inputs are windows of window_rows x
// window_columns pixels.
TILEGRAD_INLINE PixelGrid class_grid(const Stencil& s, int64_t h, int64_t w, int64_t images, int64_t height,
                                     int64_t window_rows, int64_t window_columns) {
  PixelGrid grid;
  grid.images = images;
  grid.rows = height > h ? ceil_div(height - h, s.row.period) : 0;
  grid.columns = ceil_div(s.column.out - w, s.column.period);
  grid.in_column = s.column.step() * s.in_channels;
  grid.in_row = s.row.step() * window_columns * s.in_channels;
  grid.in_image = window_rows * window_columns * s.in_channels;
  grid.out_column = s.column.period * s.out_channels;
  grid.out_row = s.row.period * s.column.out * s.out_channels;
  grid.out_image = s.row.out * s.column.out * s.out_channels;
  return grid;
}

// Calls f(position, tap, row_position, column_position) for the taps of one class, (r, s) ascending; positions count
// from `first`. Returns the position behind the last.
template <typename F>
TILEGRAD_INLINE int64_t for_each_tap(const Stencil& s, int64_t h_class, int64_t w_class, int64_t first, F f) {
  for (int64_t r = 0; r < s.row.taps; ++r) {
    const int64_t row = s.row.tap_position(h_class, r);
    if (row < 0) continue;
    for (int64_t c = 0; c < s.column.taps; ++c) {
      const int64_t column = s.column.tap_position(w_class, c);
      if (column >= 0) f(first++, r * s.column.taps + c, row, column);
    }
  }
  return first;
}

// How many taps of a filter row belong to a class of columns.
TILEGRAD_INLINE int64_t taps_of_row(const Stencil& s, int64_t w_class) {
  int64_t count = 0;
  for (int64_t c = 0; c < s.column.taps; ++c) count += s.column.tap_position(w_class, c) >= 0;
  return count;
}

// Fills the table of offsets: where each term of each class, one after the other, is in a window.
template <typename Index>
TILEGRAD_INLINE void fill_offsets(const Stencil& s, int64_t window_columns, Index* offsets) {
  int64_t taps = 0;
  for (int64_t h = 0; h < s.row.classes(); ++h) {
    for (int64_t w = 0; w < s.column.classes(); ++w) {
      taps = for_each_tap(s, h, w, taps, [&](int64_t position, int64_t, int64_t row, int64_t column) {
        Index* to = offsets + position * s.group_in;
        for (int64_t c = 0; c < s.group_in; ++c) to[c] = (row * window_columns + column) * s.in_channels + c;
      });
    }
  }
}

// Where the chunks of a class's sum end, counted in the terms of its taps: these are some of all taps, and the sum is cut
// where the sum over all of them is. Without taps ends[0] is 0.
struct ChunkEnds {
  int count;
  int64_t ends[kMostChunks];
};

TILEGRAD_INLINE ChunkEnds find_chunks(const Stencil& s, int64_t h_class, int64_t w_class) {
  const int64_t chunk = contraction_chunk(s.terms());
  int64_t current = -1, taken = 0;
  ChunkEnds chunks;
  chunks.count = 0, chunks.ends[0] = 0;
  for_each_tap(s, h_class, w_class, 0, [&](int64_t, int64_t tap, int64_t, int64_t) {
    for (int64_t k = tap * s.group_in, end = k + s.group_in; k < end;) {
      const int64_t next = smaller((k / chunk + 1) * chunk, end);
      if (k / chunk != current) ++chunks.count;
      current = k / chunk;
      taken += next - k;
      chunks.ends[chunks.count - 1] = taken;
      k = next;
    }
  });
  return chunks;
}

template <typename T>
void pack_stencil_panel(const Stencil& s, const StencilWeights<T>& weights, int64_t group, int64_t first, int64_t width,
                        int64_t packed_width, T* to) {
  const T* base = weights.base + group * weights.group_step + first * weights.column_step;
  for (int64_t h = 0; h < s.row.classes(); ++h) {
    for (int64_t w = 0; w < s.column.classes(); ++w) {
      for_each_tap(s, h, w, 0, [&](int64_t, int64_t tap, int64_t, int64_t) {
        const T* from = base + tap * weights.tap_step;
        for (int64_t c = 0; c < s.group_in; ++c, from += weights.channel_step, to += packed_width) {
          for (int64_t n = 0; n < width; ++n) to[n] = from[n * weights.column_step];
          for (int64_t n = width; n < packed_width; ++n) to[n] = 0;
        }
      });
    }
  }
}

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
