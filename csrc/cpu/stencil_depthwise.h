// Depthwise stencils: lanes run along channels, and there is little arithmetic for each element, so what counts is how often
// elements are moved and from where. Of some channels of an image, the few rows of x that an output row meets are kept in a
// ring of rows in the L1 cache, aligned and with zeros beside the image. Every element of x is read once, row by row; a tile
// loads a column of the ring once for all neighbouring taps that meet it.
//
// In place a tile would read from so many places at a distance of a whole pixel that no prefetcher follows and, with a power
// of two of channels, that they push each other out of the cache; and most loads would cross cache lines where x does not
// begin at one, as memory from elsewhere does not.
#pragma once

#include "cpu/depthwise_pairs.h"
#include "cpu/epilogue.h"
#include "cpu/stencil_walk.h"
#include "cpu/transpose.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// One member's part of the work.
template <typename T>
struct Depthwise {
  const Stencil& s;
  DepthwiseRing shape;
  const T* x;
  StencilWeights<T> weights;  // weights.base[tap * tap_step + channel]: contiguous along channels in both passes
  Epilogue<T> epilogue;
  T* packed;  // weights and bias of a block of channels
  T* bias;
  T* ring;
  int row_tap_count, run_count;
  TapRun row_taps[kDepthwiseTaps], column_runs[kDepthwiseTaps];
  TapRow rows_met[kDepthwiseTaps];
  TapRun runs_inside[kDepthwiseTaps];  // those of one pixel that meet the image
  DepthwiseTile<T> tile;

  TILEGRAD_INLINE Depthwise(const Stencil& s, const ConvPlan& plan, const T* x, const StencilWeights<T>& weights,
                            const Epilogue<T>& epilogue, T* scratch)
      : s(s),
        shape(depthwise_ring(s, plan, sizeof(T))),
        x(x),
        weights(weights),
        epilogue(epilogue),
        packed(scratch),
        bias(packed + s.row.taps * s.column.taps * shape.width),
        ring(bias + shape.width),
        row_tap_count(find_runs(s.row, 1, row_taps)),
        run_count(find_runs(s.column, s.column.step() > 2 ? 1 : kRunTaps, column_runs)) {
    tile.rows = rows_met;
    tile.relu = epilogue.activation == Activation::relu;
    tile.out_step = s.column.period * s.in_channels;
    tile.out_ahead = fetched() ? line() : 0;
    tile.zeros = nullptr;
    tile.ahead = {};
  }
  TILEGRAD_INLINE int64_t in_line() const { return s.column.in * s.in_channels; }
  TILEGRAD_INLINE int64_t line() const { return s.column.out * s.out_channels; }
  TILEGRAD_INLINE int64_t moved() const { return s.N * (s.row.in * in_line() + s.row.out * line()); }
  TILEGRAD_INLINE bool fetched() const { return fetched_ahead<T>(moved()); }

  // Pixels read at `column` elements' distance, weights at `tap_step`.
  void set_steps(int64_t column, const T* weights_base, int64_t tap_step) {
    tile.weights = weights_base;
    tile.column = column;
    tile.in_step = s.column.step() * column;
    tile.tap_step = tap_step;
    tile.next_tap = s.column.period * tap_step;
  }

  // Fills rows_met with the rows inside the image, for the row taps of class `residue` from number `taken` on. Returns the
  // number behind the last.
  int find_rows(int taken, int64_t residue, int64_t top) {
    tile.row_count = 0;
    for (; taken < row_tap_count && row_taps[taken].residue == residue; ++taken) {
      const int64_t row = top + row_taps[taken].position;
      if (row < 0 || row >= s.row.in) continue;
      rows_met[tile.row_count++] = {row, row_taps[taken].tap * s.column.taps * tile.tap_step};
    }
    return taken;
  }

  // Makes the ring narrower, so that four rows of it fit the L1 cache beside what is read and written. Returns how many output
  // columns it takes then, of `columns`.
  int64_t narrow(int64_t columns) {
    const auto fits = [&] {
      return 4 * s.column.extent(columns) * shape.width * static_cast<int64_t>(sizeof(T)) <= 24 * 1024;
    };
    while (!fits() && shape.width * static_cast<int64_t>(sizeof(T)) % 512 == 0) shape.width /= 2;
    while (!fits() && columns > kDepthwisePixels) columns = round_up(columns / 2, kDepthwisePixels);
    shape.columns = s.column.extent(columns);
    return columns;
  }

  void pack_block(int64_t channel, int64_t channels) {
    const int64_t width = shape.width;
    for (int64_t t = 0; t < s.row.taps * s.column.taps; ++t) {
      const T* const from = weights.base + t * weights.tap_step + channel;
      for (int64_t c = 0; c < channels; ++c) packed[t * width + c] = from[c];
    }
    for (int64_t c = 0; epilogue.bias && c < channels; ++c) bias[c] = epilogue.bias[channel + c];
    tile.bias = epilogue.bias ? bias : nullptr;
    tile.channels = channels;
    set_steps(width, packed, width);
  }

  // What all tiles of depthwise_pairs.h share.
  PlacedPair<T> placed_pair() {
    constexpr int64_t L = kLanes<T>;
    for (int64_t c = 0; c < s.in_channels; c += L) {
      for (int64_t t = 0; t < 9; ++t) store(packed + 9 * c + t * L, load(weights.base + t * weights.tap_step + c));
    }
    PlacedPair<T> pair;
    pair.pixel = pair.channels = s.in_channels;
    pair.in_line = in_line(), pair.out_line = line();
    pair.weights = packed;
    pair.bias = epilogue.bias;
    pair.least = tile.relu ? Vec<T>{} : broadcast(-static_cast<T>(__builtin_inf()));
    // Of pixels at multiples of 2 KB a tile's lines share two sets of the L1 cache, and more would push them out.
    pair.fetches = fetched_ahead<T>(moved(), int64_t{10} << 20) && s.in_channels * sizeof(T) % 2048 != 0;
    return pair;
  }

  // Output rows [begin, end) of one image, `count` columns from `first` on, `channels` channels from `channel` on, two rows at
  // a time.
  [[gnu::noinline]] void run_pairs(const T* image, int64_t begin, int64_t end, int64_t first, int64_t count,
                                   int64_t channel, int64_t channels, T* out) {
    constexpr int64_t L = kLanes<T>;
    pack_block(channel, channels);
    const int64_t width = shape.width, pitch = shape.columns * width;
    const int64_t first_column = s.column.begin(first), columns = s.column.extent(count);
    const bool fetches = fetched();
    RowPair<T> pair{ring,  ring + 2 * pitch, width, pitch, 0, packed, tile.bias, tile.relu, fetches, 0,
                    count, s.in_channels,    line()};
    const bool wide = round_up(count, 8) < round_up(count, 7);
    T* const cut = ring + 4 * pitch + 8 * width;  // of channels that fill no vector
    // Rows `row` and the next. Returns which are outside.
    const auto fill = [&](int64_t row, T* to, int rows) {
      int outside = 0;
      for (int i = 0; i < 2; ++i, ++row, to += pitch) {
        if (row < 0 || row >= s.row.in || i >= rows) {
          outside |= 1 << i;
        } else {
          fill_ring_row(image + row * in_line() + channel, s.column.in, s.in_channels, first_column, channels, to,
                        columns, width, fetches ? 2 * in_line() : 0);
        }
      }
      return outside;
    };
    int64_t top = begin + s.row.origin, slot = 0;
    int older = fill(top, ring, 2);
    for (int64_t h = begin; h < end; h += 2, out += 2 * line()) {
      top += 2, slot = 2 - slot;
      pair.rows = h + 1 < end ? 2 : 1;
      const int newer = fill(top, ring + slot * pitch, pair.rows);
      pair.older = ring + (2 - slot) * pitch;
      pair.newer = ring + slot * pitch;
      pair.outside = older | newer << 2;
      older = newer;
      for (int64_t c = 0; c < channels; c += L) {
        const bool whole = channels - c >= L;
        pair.out_pixel = whole ? s.in_channels : L;
        pair.out_row = whole ? line() : count * L;
        T* const to = whole ? out + c : cut;
        wide ? depthwise_row_pair<8>(pair, c, to) : depthwise_row_pair<7>(pair, c, to);
        for (int64_t i = 0; !whole && i < pair.rows * count; ++i) {
          copy_few<L / 2>(cut + i * L, out + i / count * line() + i % count * s.in_channels + c, channels - c);
        }
      }
    }
  }

  // The same, row by row.
  [[gnu::noinline]] void run_block(const T* image, int64_t begin, int64_t end, int64_t first, int64_t count,
                                   int64_t channel, int64_t channels, T* out) {
    const int64_t width = shape.width, pitch = shape.columns * width;
    pack_block(channel, channels);
    const int64_t first_column = s.column.begin(first), columns = s.column.extent(count);
    int64_t residue = begin % s.row.period, top = s.row.begin(begin - residue);
    const bool fetches = fetched();
    int64_t loaded = 0, slot = 0;  // rows of x up to `loaded` are in the ring, the next goes to `slot`
    int taken = 0;
    while (taken < row_tap_count && row_taps[taken].residue < residue) ++taken;
    for (int64_t h = begin; h < end; ++h, out += line()) {
      taken = find_rows(taken, residue, top);
      // The ring holds what all classes from `top` on meet, as they may meet rows in any order.
      loaded = larger(loaded, top);
      for (int r = 0; r < tile.row_count; ++r) {
        for (; loaded <= rows_met[r].x; ++loaded, slot = slot + 1 == shape.rows ? 0 : slot + 1) {
          fill_ring_row(image + loaded * in_line() + channel, s.column.in, s.in_channels, first_column, channels,
                        ring + slot * pitch, columns, width, fetches ? shape.rows * in_line() : 0);
        }
      }
      for (int r = 0; r < tile.row_count; ++r) {
        const int64_t behind = loaded - rows_met[r].x;
        rows_met[r].x = (slot - behind + (slot < behind ? shape.rows : 0)) * pitch;
      }
      int done = 0;
      for (int64_t w = 0; w < smaller(s.column.period, count); ++w) {
        tile.runs = column_runs + done;
        tile.run_count = 0;
        for (; done < run_count && column_runs[done].residue == w; ++done) ++tile.run_count;
        depthwise_pixels(tile, s.column.step(), ceil_div(count - w, s.column.period), ring, out + w * s.in_channels);
      }
      if (++residue == s.row.period) residue = 0, taken = 0, top += s.row.step();
    }
  }

  // The same of whole rows and all channels, read where they lie.
  [[gnu::noinline]] void run_in_place(const T* image, int64_t begin, int64_t end, T* out) {
    const StencilAxis& axis = s.column;
    const int64_t step = axis.step(), width = s.in_channels, columns = axis.extent(1), first_column = axis.begin(0);
    // Outputs [left, right) meet no column beside the image.
    const int64_t room = axis.in - first_column - columns;
    int64_t left = smaller(axis.out, larger<int64_t>(ceil_div(-first_column, step), 0));
    const int64_t right = larger(left, smaller(axis.out, room < 0 ? 0 : room / step + 1));
    // Or the first of them one, of the first tap of the only run.
    const bool with_edge = first_column == -1 && run_count == 1 && left < right;
    if (with_edge) left = 0;
    for (int64_t c = 0; with_edge && c < width; ++c) ring[c] = 0;
    const bool fetches = fetched();
    const int64_t image_end = x + s.N * s.row.in * in_line() - image;
    tile.bias = epilogue.bias;
    tile.channels = width;
    set_steps(width, weights.base, weights.tap_step);
    for (int64_t h = begin; h < end; ++h, out += line()) {
      find_rows(0, 0, s.row.begin(h));
      for (int r = 0; r < tile.row_count; ++r) rows_met[r].x *= in_line();
      tile.runs = column_runs;
      tile.run_count = run_count;
      if (fetches && h + 1 < end) {
        const T* const next = image + (s.row.begin(h) + s.row.extent(1)) * in_line();
        tile.ahead = LinesAhead::of(next, next + s.row.scale * in_line(), 1);
        tile.ahead.each =
            ceil_div(s.row.scale * s.column.scale * kDepthwisePixels * kDepthwiseVectors * kVectorBytes, kCacheLine);
      }
      const int64_t last_row = tile.row_count > 0 ? rows_met[tile.row_count - 1].x : 0;
      const auto first_read = [&](int64_t q) { return (first_column + q * step) * width; };
      int64_t q = left;
      for (int64_t count; q < right; q += count) {
        count = smaller<int64_t>(right - q, kDepthwisePixels);
        // A tile reads pixels behind the last, too, but none behind x.
        if (last_row + first_read(q + kDepthwisePixels - 1) + columns * width > image_end) break;
        tile.zeros = with_edge && q == 0 ? ring : nullptr;
        depthwise_pixels(tile, step, count, image + first_read(q), out + q * width);
      }
      tile.ahead = {};
      run_beside(image, 0, left, out);
      run_beside(image, q, axis.out, out);
    }
  }

  // Output columns [begin, end) of a row, pixel by pixel, without the taps that meet no column of the image.
  [[gnu::noinline]] void run_beside(const T* image, int64_t begin, int64_t end, T* out) {
    tile.runs = runs_inside;
    for (int64_t q = begin; q < end; ++q) {
      const int64_t first = s.column.begin(0) + q * s.column.step();
      tile.run_count = 0;
      for (int i = 0; i < run_count; ++i) {
        const int64_t at = first + column_runs[i].position;
        const int64_t from = larger<int64_t>(-at, 0), to = smaller(column_runs[i].length, s.column.in - at);
        if (from >= to) continue;
        runs_inside[tile.run_count++] = {0, column_runs[i].tap + from, column_runs[i].position + from, to - from};
      }
      depthwise_tile<1, 1>(tile, image + first * s.in_channels, 1, out + q * s.in_channels);
    }
  }
};

template <typename T>
void run_depthwise(const Team& team, const Stencil& s, const ConvPlan& plan, const T* x,
                   const StencilWeights<T>& weights, const Epilogue<T>& epilogue, T* y, const Workspace& workspace) {
  const int64_t members = smaller<int64_t>(team.size, plan.members);
  if (team.rank >= members) return;
  Depthwise<T> work(s, plan, x, weights, epilogue, static_cast<T*>(workspace.data) + team.rank * plan.window);
  const bool pairs = kHasPairs && runs_in_pairs(s);
  const bool placed = kPairsInPlace && runs_in_pairs(s) && s.in_channels % kLanes<T> == 0;
  const PlacedPair<T> placed_pair = placed ? work.placed_pair() : PlacedPair<T>{};
  const int64_t together = pairs ? work.narrow(plan.columns) : plan.columns;
  const int64_t width = work.shape.width, line = work.line();
  const Range rows = Team{team.rank, static_cast<int>(members), nullptr}.share(s.N * s.row.out);
  for (int64_t at = rows.begin; at < rows.end;) {
    const int64_t image = at / s.row.out, stop = smaller(rows.end, (image + 1) * s.row.out);
    const int64_t begin = at - image * s.row.out, end = stop - image * s.row.out;
    const T* const from = x + image * s.row.in * work.in_line();
    if (placed) {
      if constexpr (kPairsInPlace) run_pairs_in_place(s, placed_pair, from, begin, end, y + at * line);
    } else if (reads_without_ring(s, sizeof(T))) {
      work.run_in_place(from, begin, end, y + at * line);
    } else {
      for (int64_t first = 0; first < s.column.out; first += together) {
        for (int64_t c = 0; c < s.in_channels; c += width) {
          const int64_t columns = smaller(together, s.column.out - first), channels = smaller(width, s.in_channels - c);
          T* const to = y + at * line + first * s.out_channels + c;
          if (pairs) {
            work.run_pairs(from, begin, end, first, columns, c, channels, to);
          } else {
            work.run_block(from, begin, end, first, columns, c, channels, to);
          }
        }
      }
    }
    if (epilogue.activation > Activation::relu) {
      activate(y + at * line, line, stop - at, line, epilogue.activation);
    }
    at = stop;
  }
}

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
