// The driver of conv2d_forward and conv2d_backward_data (params/stencil.h says what they share): weights are packed
// once by the whole team into panels [k][columns]; then every member takes units of work (whole images, or bands of
// rows), makes a zero-padded copy of the unit's input in a window of its own, and runs register tiles over it. No
// im2col: element k of a pixel's window is at the pixel's pointer plus offsets[k].
#pragma once

#include "cpu/conv_tile.h"
#include "cpu/stencil_batch.h"
#include "cpu/stencil_depthwise.h"
#include "cpu/stencil_pixels.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// What a tile of one class and panel needs.
template <typename T>
struct StencilTile {
  const int64_t* offsets;
  const T* weights;
  int64_t weights_step;
  ChunkEnds chunks;
  Epilogue<T> epilogue;
  int64_t first, columns;
  int64_t taps;
  int64_t run;        // so many terms lie behind each other, again and again
  LinesAhead* ahead;  // the input of the next unit of work, some lines before every run of terms
};

// Tiles of neighbours in a row, one after the other: one distance says where all of a tile's pixels are, so that a term costs no
// load of a pointer to each (two loads a cycle are all there are), and where terms are neighbours none of an offset.
//
// kOneChunk: the usual sum has one chunk of whole runs, and short runs (of 3 channels: 9 terms) feel all that is done
// around them. With 32 registers one of these had its sums in memory.
template <typename T, int kRows, int kVectors, bool kOneChunk>
[[gnu::noinline]] void stencil_row_tiles(const StencilTile<T>& p, int64_t tiles, const T* in, int64_t in_step, T* out,
                                         int64_t out_step) {
  using Tile = RegisterTile<T, kRows, kVectors>;
  const int64_t run = p.run, all = p.chunks.ends[0], step = p.weights_step;
  for (; kOneChunk && tiles > 0; --tiles, in += kRows * in_step, out += kRows * out_step) {
    Tile tile;
    tile.clear();
    const T* weights = p.weights;
    for (int64_t k = 0; k < all; k += run) {
      p.ahead->fetch();
      SpacedRows<T, kRows> rows(in + p.offsets[k], in_step);
      tile.accumulate_on(run, rows, weights, step);
    }
    finish(tile, p.epilogue, p.first, out, out_step, p.columns);
  }
  for (; tiles > 0; --tiles, in += kRows * in_step, out += kRows * out_step) {
    Tile tile;
    T total[kRows * Tile::kColumns];
    const T* weights = p.weights;
    const int64_t* offset = p.offsets;
    int64_t k = 0, left = p.run;
    for (int i = 0;;) {  // as in stencil_tile
      tile.clear();
      for (const int64_t end = p.chunks.ends[i]; k < end;) {
        p.ahead->fetch();
        const int64_t count = smaller(left, end - k);
        SpacedRows<T, kRows> rows(in + *offset, in_step);
        tile.accumulate_on(count, rows, weights, p.weights_step);
        offset += count;
        k += count;
        left = left == count ? p.run : left - count;
      }
      if (i > 0) tile.add_to(total, Tile::kColumns);
      if (++i >= p.chunks.count) break;
      tile.store(total, Tile::kColumns);
    }
    finish(tile, p.epilogue, p.first, out, out_step, p.columns);
  }
}

// The tallest tiles of neighbours. Heights are even, down to about half of it.
template <typename T, int kVectors>
inline constexpr int kRowTileRows = kVectors == 1 && kVectorRegisters == 32 ? 16 : kMaxRows<T, kVectors>;

// How a row of `columns` pixels is cut into tiles of neighbours: as few as can be, `tall` of height + 2 and `low` of height. The
// last ends with the row: of an odd number a pixel is computed twice. Neither where that is no gain over tiles of pixels
// anywhere.
struct RowCut {
  int64_t tall, low;
  int height;
};
template <typename T, int kVectors>
TILEGRAD_INLINE RowCut cut_row(int64_t columns) {
  constexpr int64_t kMost = kRowTileRows<T, kVectors>;
  const int64_t tiles = ceil_div(columns, kMost), pairs = ceil_div(columns, 2);
  if (!kHasFma || 2 * columns < kMost || (columns % 2 != 0 && (columns < 8 || tiles == 1))) return {0, 0, 0};
  const int64_t tall = pairs % tiles;
  return {tall, tiles - tall, static_cast<int>(pairs / tiles * 2)};
}

// All tiles of one class and panel, of rows cut into `tall` tiles of kRows + 2 pixels and `low` of kRows.
template <int kVectors, int kRows, typename T>
TILEGRAD_INLINE void stencil_rows(const RowCut& cut, const StencilTile<T>& p, const PixelGrid& grid, const T* in,
                                  T* out) {
  constexpr int kTall = smaller(kRows + 2, kRowTileRows<T, kVectors>);
  if constexpr (2 * (kRows - 2) >= kRowTileRows<T, kVectors>) {
    if (cut.height < kRows) return stencil_rows<kVectors, kRows - 2>(cut, p, grid, in, out);
  }
  for (int64_t image = 0; image < grid.images; ++image) {
    for (int64_t h = 0; h < grid.rows; ++h) {
      const T* const from = in + image * grid.in_image + h * grid.in_row;
      T* const to = out + image * grid.out_image + h * grid.out_row;
      const int64_t odd = grid.columns % 2, first = cut.tall * kTall, last = grid.columns - kRows;
      const auto tiles = [&](auto rows, int64_t count, int64_t w) {
        const T* const x = from + w * grid.in_column;
        T* const y = to + w * grid.out_column;
        constexpr bool kApart = kVectorRegisters == 16;
        if (kApart && p.chunks.count == 1) {
          stencil_row_tiles<T, rows, kVectors, kApart>(p, count, x, grid.in_column, y, grid.out_column);
        } else {
          stencil_row_tiles<T, rows, kVectors, false>(p, count, x, grid.in_column, y, grid.out_column);
        }
      };
      tiles(Constant<kTall>{}, cut.tall, 0);
      tiles(Constant<kRows>{}, cut.low - odd, first);
      if (odd) tiles(Constant<kRows>{}, 1, last);
    }
  }
}

template <Kind kind, typename T, int kRows, int kVectors>
[[gnu::noinline]] void stencil_tile(const StencilTile<T>& p, const T* const* rows, T* const* outs, int64_t count) {
  using Tile = RegisterTile<T, kRows, kVectors>;
  Tile tile;
  T total[kRows * Tile::kColumns];
  int64_t k = 0;
  // The sums are never live from one chunk to the next, and there is one loop for all: else gcc keeps some in memory.
  for (int i = 0;;) {
    const int64_t end = p.chunks.ends[i];
    tile.clear();
    accumulate<kind>(tile, rows, p.offsets + k, end - k, p.weights + k * p.weights_step, p.weights_step);
    if (i > 0) tile.add_to(total, Tile::kColumns);
    if (++i >= p.chunks.count) break;
    tile.store(total, Tile::kColumns);
    k = end;
  }
  T block[kRows * Tile::kColumns];
  finish(tile, p.epilogue, p.first, block, Tile::kColumns, p.columns);
  for (int64_t m = 0; m < count; ++m) {
    for (int64_t n = 0; n < p.columns; ++n) outs[m][n] = block[m * Tile::kColumns + n];
  }
}

// All tiles of one class and panel.
template <Kind kind, int kVectors, typename T>
void stencil_panel(const StencilTile<T>& p, const PixelGrid& grid, const T* in, T* out) {
  if constexpr (kind == Kind::dense) {
    const RowCut cut = cut_row<T, kVectors>(grid.columns);
    if constexpr (kHasFma) {
      if (cut.height) return stencil_rows<kVectors, kRowTileRows<T, kVectors>>(cut, p, grid, in, out);
    }
  }
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
  if (team.rank == team.size - 1) fill_offsets(s, window_columns, offsets);
  team.barrier();

  const int64_t members = smaller<int64_t>(team.size, plan.members);
  if (team.rank >= members) return;
  const int64_t window_bytes = whole_lines(plan.window * static_cast<int64_t>(sizeof(T)));
  T* const window = reinterpret_cast<T*>(scratch + at.windows + team.rank * window_bytes);

  // Where all weights stay in L2 beside two windows.
  const bool reads_ahead = !in_place && groups * group_columns * terms * static_cast<int64_t>(sizeof(T)) <= 320 * 1024;

  // Units of several images are counted in images, so that members get as many images as each other.
  const int64_t bands = ceil_div(s.row.out, plan.band);
  const bool counts_images = plan.images > 1;
  const int64_t parts = counts_images ? 1 : plan.parts;
  const int64_t all_panels = groups * panels.count();
  const Team working{team.rank, static_cast<int>(members), nullptr};
  const Range items = working.share(counts_images ? s.N : s.N * bands * parts);
  int64_t loaded = -1;
  constexpr int64_t kKeptTiles = 4;
  StencilTile<T> tiles[kKeptTiles + 1];
  int64_t kept = 0;
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

    // Where this unit's input ends as much more will come next.
    const int64_t line = s.column.in * channels;
    const int64_t seen_rows = counts_images ? images * s.row.in : smaller(s.row.extent(height), s.row.in);
    const int64_t seen = counts_images
                             ? (image + images) * s.row.in
                             : image * s.row.in + smaller(s.row.begin(first) + s.row.extent(height), s.row.in);
    LinesAhead ahead = LinesAhead::of(x + seen * line, x + smaller(seen + seen_rows, s.N * s.row.in) * line, 1);

    const Team part{static_cast<int>(item % parts), static_cast<int>(parts), nullptr};
    const Range mine = part.share(all_panels);
    // About as many tiles as there will be.
    const int64_t mine_tiles =
        (mine.end - mine.begin) * ceil_div(images * height * s.column.out, kConvRows<T, kConvVectors>);
    int64_t taken = 0;  // taps of the classes so far
    for (int64_t h = 0; h < s.row.classes(); ++h) {
      for (int64_t w = 0; w < s.column.classes(); ++w) {
        // Classes are few, units many.
        const int64_t number = h * s.column.classes() + w;
        StencilTile<T>& tile = tiles[smaller<int64_t>(number, kKeptTiles)];
        if (number >= kept) {
          tile.chunks = find_chunks(s, h, w);
          tile.taps = for_each_tap(s, h, w, 0, [](int64_t, int64_t, int64_t, int64_t) {});
          tile.offsets = offsets + taken * s.group_in;
          tile.epilogue = epilogue;
          tile.run = s.group_in;
          if (s.groups == 1 && s.column.dilation == 1) tile.run *= taps_of_row(s, w);
          if (number == kept && kept < kKeptTiles) ++kept;
        }
        const int64_t taps = tile.taps;
        const PixelGrid grid = class_grid(s, h, w, images, height, window_rows, window_columns);
        tile.ahead = &ahead;
        const int64_t runs = larger<int64_t>(taps * s.group_in / larger<int64_t>(tile.run, 1), 1);
        ahead.each =
            reads_ahead ? ceil_div((ahead.end - ahead.next) / kCacheLine, larger<int64_t>(runs * mine_tiles, 1)) : 0;
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

// The driver for a stencil.
template <typename T>
TILEGRAD_INLINE void stencil(const Team& team, const Stencil& s, const ConvPlan& plan, const T* x,
                             const StencilWeights<T>& weights, const Epilogue<T>& epilogue, T* y, Workspace workspace) {
  if (plan.block) return run_batch_stencil(team, s, plan, x, weights, epilogue, y, workspace);
  // Where fma is emulated the driver below, which reads the same plan, is short and good enough.
  if constexpr (kHasFma && sizeof(T) == 4) {
    if (plan.pixels) return run_pixels(team, s, plan, x, weights, epilogue, y, workspace);
  }
  if (runs_depthwise(s)) return run_depthwise(team, s, plan, x, weights, epilogue, y, workspace);
  if (s.channelwise) return run_stencil<Kind::channelwise>(team, s, plan, x, weights, epilogue, y, workspace);
  run_stencil<Kind::dense>(team, s, plan, x, weights, epilogue, y, workspace);
}

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
