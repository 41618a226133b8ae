// The driver of conv2d_forward and conv2d_backward_data (params/stencil.h says what they share): weights are packed
// once by the whole team into panels [k][columns]; then every member takes units of work (whole images, or bands of
// rows), makes a zero-padded copy of the unit's input in a window of its own, and runs register tiles over it. No
// im2col: element k of a pixel's window is at the pixel's pointer plus offsets[k].
#pragma once

#include "cpu/conv_tile.h"
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

// What a tile of one class and panel needs. ends[i] is where chunk i of the sum ends, counted in this class's taps.
template <typename T>
struct StencilTile {
  const int64_t* offsets;
  const T* weights;
  int64_t weights_step;
  int chunks;
  int64_t ends[kMostChunks];
  Epilogue<T> epilogue;
  int64_t first, columns;
  int64_t out_step;  // elements from one row of the tile to the next in the output; 0: see outs
};

template <Kind kind, typename T, int kRows, int kVectors>
[[gnu::noinline]] void stencil_tile(const StencilTile<T>& p, const T* const* rows, T* const* outs, int64_t count) {
  using Tile = RegisterTile<T, kRows, kVectors>;
  Tile tile;
  tile.clear();
  if (p.chunks > 0) accumulate<kind>(tile, rows, p.offsets, p.ends[0], p.weights, p.weights_step);
  if (p.chunks > 1) {
    T total[kRows * Tile::kColumns];
    for (int i = 1; i < p.chunks; ++i) {
      tile.store(total, Tile::kColumns);
      tile.clear();
      accumulate<kind>(tile, rows, p.offsets + p.ends[i - 1], p.ends[i] - p.ends[i - 1],
                       p.weights + p.ends[i - 1] * p.weights_step, p.weights_step);
      tile.add_to(total, Tile::kColumns);
    }
  }
  if (p.out_step && count == kRows) return finish(tile, p.epilogue, p.first, outs[0], p.out_step, p.columns);
  // Scattered or surplus rows go through a block of their own.
  T block[kRows * Tile::kColumns];
  finish(tile, p.epilogue, p.first, block, Tile::kColumns, p.columns);
  for (int64_t m = 0; m < count; ++m) {
    for (int64_t n = 0; n < p.columns; ++n) outs[m][n] = block[m * Tile::kColumns + n];
  }
}

// All tiles of one class and panel.
template <Kind kind, int kVectors, typename T>
void stencil_panel(const StencilTile<T>& p, const PixelGrid& grid, const T* in, T* out) {
  constexpr int kMost = kConvRows<T, kVectors>;
  const T* rows[kMost];
  T* outs[kMost];
  PixelWalk at;
  for (int64_t left = grid.count(); left > 0;) {
    const int64_t count = smaller<int64_t>(left, kMost);
    for (int64_t m = 0; m < count; ++m, at.next(grid)) rows[m] = in + at.in, outs[m] = out + at.out;
    for (int64_t m = count; m < kMost; ++m) rows[m] = rows[0];
    with_height<kMost>(count, [&](auto height) { stencil_tile<kind, T, height, kVectors>(p, rows, outs, count); });
    left -= count;
  }
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

// Cuts the sum of a class, whose taps are some of all taps, where the sum over all taps is cut.
template <typename T>
void find_chunks(const Stencil& s, int64_t h_class, int64_t w_class, StencilTile<T>& tile) {
  const int64_t chunk = contraction_chunk(s.terms());
  int64_t current = -1, taken = 0;
  tile.chunks = 0;
  for_each_tap(s, h_class, w_class, 0, [&](int64_t, int64_t tap, int64_t, int64_t) {
    for (int64_t k = tap * s.group_in, end = k + s.group_in; k < end;) {
      const int64_t next = smaller((k / chunk + 1) * chunk, end);
      if (k / chunk != current) ++tile.chunks;
      current = k / chunk;
      taken += next - k;
      tile.ends[tile.chunks - 1] = taken;
      k = next;
    }
  });
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

template <Kind kind, typename T>
void run_stencil(const Team& team, const Stencil& s, const ConvPlan& plan, const T* x, const StencilWeights<T>& weights,
                 const Epilogue<T>& epilogue, T* y, const Workspace& workspace) {
  constexpr bool kChannelwise = kind == Kind::channelwise;
  const StencilWorkspace at = stencil_workspace(s, plan, sizeof(T));
  char* const scratch = static_cast<char*>(workspace.data);
  int64_t* const offsets = reinterpret_cast<int64_t*>(scratch + at.offsets);
  T* const packed = reinterpret_cast<T*>(scratch + at.weights);

  const bool in_place = plan.window == 0;
  const int64_t channels = s.in_channels;
  const int64_t window_rows = in_place ? s.row.in : s.row.extent(plan.band);
  const int64_t window_columns = in_place ? s.column.in : s.column.extent(s.column.out);
  const int64_t terms = s.terms();
  const Panels<T> panels{kChannelwise ? s.out_channels : s.group_out};
  const int64_t groups = kChannelwise ? 1 : s.groups;
  // A group's panels in the packed weights: the last may be narrower.
  const int64_t group_columns = panels.first(panels.count() - 1) + panels.packed_width(panels.count() - 1);

  const Range packing = team.share(groups * panels.count());
  for (int64_t i = packing.begin; i < packing.end; ++i) {
    const int64_t group = i / panels.count(), panel = i % panels.count();
    pack_stencil_panel(s, weights, group, panels.first(panel), panels.width(panel), panels.packed_width(panel),
                       packed + (group * group_columns + panels.first(panel)) * terms);
  }
  if (team.rank == team.size - 1) {
    int64_t tap_count = 0;
    for (int64_t h = 0; h < s.row.classes(); ++h) {
      for (int64_t w = 0; w < s.column.classes(); ++w) {
        tap_count = for_each_tap(s, h, w, tap_count, [&](int64_t position, int64_t, int64_t row, int64_t column) {
          int64_t* to = offsets + position * s.group_in;
          for (int64_t c = 0; c < s.group_in; ++c) to[c] = (row * window_columns + column) * channels + c;
        });
      }
    }
  }
  team.barrier();

  const int64_t members = smaller<int64_t>(team.size, plan.members);
  if (team.rank >= members) return;
  const int64_t window_bytes = whole_lines(plan.window * static_cast<int64_t>(sizeof(T)));
  T* const window = reinterpret_cast<T*>(scratch + at.windows + team.rank * window_bytes);

  // Units of several images are counted in images, so that members get as many images as each other.
  const int64_t bands = ceil_div(s.row.out, plan.band);
  const bool counts_images = plan.images > 1;
  const int64_t parts = counts_images ? 1 : plan.parts;
  const int64_t all_panels = groups * panels.count();
  const Team working{team.rank, static_cast<int>(members), nullptr};
  const Range items = working.share(counts_images ? s.N : s.N * bands * parts);
  int64_t loaded = -1;
  for (int64_t item = items.begin; item < items.end; item += plan.images) {
    const int64_t unit = item / parts;
    const int64_t image = counts_images ? item : unit / bands;
    const int64_t images = smaller(plan.images, items.end - item);
    const int64_t first = counts_images ? 0 : unit % bands * plan.band;
    const int64_t height = smaller(plan.band, s.row.out - first);
    const int64_t image_size = s.row.in * s.column.in * channels;
    const T* source = x + image * image_size;
    if (in_place) {
      source += (s.row.begin(first) * s.column.in + s.column.begin(0)) * channels;
    } else {
      if (unit != loaded) {
        for (int64_t i = 0; i < images; ++i) {
          copy_window(source + i * image_size, s.row.in, s.column.in, channels, s.row.begin(first), s.column.begin(0),
                      window + i * window_rows * window_columns * channels, s.row.extent(height), window_columns);
        }
      }
      loaded = unit;
      source = window;
    }

    const Team part{static_cast<int>(item % parts), static_cast<int>(parts), nullptr};
    const Range mine = part.share(all_panels);
    int64_t taken = 0;  // taps of the classes so far
    for (int64_t h = 0; h < s.row.classes(); ++h) {
      for (int64_t w = 0; w < s.column.classes(); ++w) {
        const int64_t taps = for_each_tap(s, h, w, 0, [](int64_t, int64_t, int64_t, int64_t) {});
        const int64_t row_period = s.row.period, column_period = s.column.period;
        PixelGrid grid;
        grid.images = images;
        grid.rows = height > h ? ceil_div(height - h, row_period) : 0;
        grid.columns = ceil_div(s.column.out - w, column_period);
        grid.in_column = s.column.step() * channels;
        grid.in_row = s.row.step() * window_columns * channels;
        grid.in_image = window_rows * window_columns * channels;
        grid.out_column = column_period * s.out_channels;
        grid.out_row = row_period * s.column.out * s.out_channels;
        grid.out_image = s.row.out * s.column.out * s.out_channels;
        StencilTile<T> tile;
        find_chunks(s, h, w, tile);
        tile.offsets = offsets + taken * s.group_in;
        tile.epilogue = epilogue;
        const bool evenly = grid.out_row == grid.columns * grid.out_column &&
                            (images == 1 || grid.out_image == grid.rows * grid.out_row);
        tile.out_step = evenly ? grid.out_column : 0;
        T* const out = y + ((image * s.row.out + first + h) * s.column.out + w) * s.out_channels;
        for (int64_t i = mine.begin; i < mine.end; ++i) {
          const int64_t group = i / panels.count(), panel = i % panels.count();
          const int64_t column = group * panels.columns + panels.first(panel);
          tile.weights_step = panels.packed_width(panel);
          tile.weights =
              packed + (group * group_columns + panels.first(panel)) * terms + taken * s.group_in * tile.weights_step;
          tile.first = column;
          tile.columns = panels.width(panel);
          const T* in = source + (kChannelwise ? column : group * s.group_in);
          if (tile.weights_step == kLanes<T>) {
            stencil_panel<kind, 1>(tile, grid, in, out + column);
          } else {
            stencil_panel<kind, kConvVectors>(tile, grid, in, out + column);
          }
        }
        taken += taps;
      }
    }
  }
}

// The kernel for a stencil of either kind.
template <typename T>
TILEGRAD_INLINE void stencil(const Team& team, const Stencil& s, const ConvPlan& plan, const T* x,
                             const StencilWeights<T>& weights, const Epilogue<T>& epilogue, T* y, Workspace workspace) {
  if (s.channelwise) return run_stencil<Kind::channelwise>(team, s, plan, x, weights, epilogue, y, workspace);
  run_stencil<Kind::dense>(team, s, plan, x, weights, epilogue, y, workspace);
}

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
