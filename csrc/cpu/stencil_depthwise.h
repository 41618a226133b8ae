// Depthwise stencils: lanes run along channels, and there is little arithmetic for each element, so what counts is how often
// elements are moved and from where. Of some channels of an image, the few rows of x that an output row meets are kept in a
// ring of rows in the L1 cache, aligned and with zeros beside the image. Every element of x is read once, row by row; a tile
// loads a column of the ring once for all neighbouring taps that meet it.
//
// In place a tile would read from so many places at a distance of a whole pixel that no prefetcher follows and, with a power
// of two of channels, that they push each other out of the cache; and most loads would cross cache lines where x does not
// begin at one, as memory from elsewhere does not.
#pragma once

#include "cpu/depthwise_ring.h"
#include "cpu/epilogue.h"
#include "cpu/stencil_walk.h"
#include "cpu/transpose.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// The pixels of a tile, the widest and that for what is left, by so many vectors of channels. 7 divides the sides of images
// that began as 224 x 224.
inline constexpr int kDepthwisePixels = !kHasFma ? 2 : kVectorRegisters == 32 ? 7 : 4;
inline constexpr int kFewPixels = kHasFma ? (kDepthwisePixels + 1) / 2 : 2;
inline constexpr int kDepthwiseVectors = kHasFma ? 2 : 1;

// Up to so many taps of a filter row that meet neighbouring columns make a run where pixels are one or two columns apart.
inline constexpr int kRunTaps = kHasFma ? 3 : 1;

// Taps of one class of an axis that meet neighbouring positions (StencilAxis::tap_position): the first of them.
struct TapRun {
  int64_t residue, tap, position, length;
};

// The runs of an axis, at most `most` taps long, class by class.
[[gnu::noinline]] int find_runs(const StencilAxis& axis, int64_t most, TapRun* runs) {
  int count = 0;
  for (int64_t residue = 0; residue < axis.classes(); ++residue) {
    const int begin = count;
    for (int64_t tap = 0; tap < axis.taps; ++tap) {
      const int64_t position = axis.tap_position(residue, tap);
      if (position < 0) continue;
      TapRun& last = runs[count - 1];
      if (count > begin && last.length < most && tap == last.tap + last.length * axis.period &&
          position == last.position + last.length) {
        ++last.length;
      } else {
        runs[count++] = {residue, tap, position, 1};
      }
    }
  }
  return count;
}

// A filter row that meets a row of the image: where that is in the ring, and the row's weights.
struct TapRow {
  int64_t x, weights;
};

template <typename T>
struct DepthwiseTile {
  const TapRow* rows;
  const TapRun* runs;
  int row_count, run_count;
  const T* weights;
  const T* bias;
  bool relu;
  int64_t channels;
  int64_t column;              // from column to column of x or the ring
  int64_t tap_step, next_tap;  // from tap to tap in the weights: of a filter row, of a run
  int64_t in_step, out_step;   // from one pixel of a tile to the next
  const T* zeros;              // read in place of a tile's first column if that is beside the image, else null
  LinesAhead ahead;            // rows that the next row of output will be the first to read
};

// Adds kLength neighbouring taps to pixels that are kStep columns apart. Every column is loaded once, the first at `first`.
template <int kLength, int kStep, typename T, int kPixels, int kVectors>
TILEGRAD_INLINE void add_taps(Vec<T> (&sum)[kPixels][kVectors], const T* first, const T* x, int64_t column_step,
                              const T* weights, int64_t next_tap) {
  Vec<T> w[kLength][kVectors];
#pragma GCC unroll 4
  for (int t = 0; t < kLength; ++t, weights += next_tap) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      Vec<T> value = load_vector(weights, v);
      keep_whole(value);
      w[t][v] = value;
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < (kPixels - 1) * kStep + kLength; ++i, x += column_step) {
    if (i % kStep >= kLength) continue;
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      Vec<T> value = load_vector(i == 0 ? first : x, v);
      keep_whole(value);  // one load, not one for every use
#pragma GCC unroll 4
      for (int t = kLength - 1; t >= 0; --t) {
        const int m = (i - t) / kStep;
        if (i >= t && (i - t) % kStep == 0 && m < kPixels) sum[m][v] = fma_lanes(value, w[t][v], sum[m][v]);
      }
    }
  }
}

// kVectors vectors of channels, from c on, of the first `pixels` of kPixels pixels. kStep: how many columns pixels are
// apart; of runs of single taps it may be any number.
template <int kPixels, int kVectors, int kStep, typename T>
TILEGRAD_INLINE void depthwise_vectors(const DepthwiseTile<T>& p, const T* x, int64_t c, int64_t pixels, T* y,
                                       int64_t out_step) {
  Vec<T> sum[kPixels][kVectors] = {};
  for (int r = 0; r < p.row_count; ++r) {
    const T* const row = x + p.rows[r].x + c;
    const T* const row_weights = p.weights + p.rows[r].weights + c;
    for (int i = 0; i < p.run_count; ++i) {
      const TapRun& run = p.runs[i];
      const T* const from = row + run.position * p.column;
      const T* const w = row_weights + run.tap * p.tap_step;
      const T* const first = p.zeros ? p.zeros + c : from;
      if (kRunTaps >= 3 && run.length == 3) {
        add_taps<3, kStep>(sum, first, from, p.column, w, p.next_tap);
      } else if (kRunTaps >= 2 && run.length == 2) {
        add_taps<2, kStep>(sum, first, from, p.column, w, p.next_tap);
      } else {
        add_taps<1, 1>(sum, first, from, p.in_step, w, 0);
      }
    }
  }
  const Vec<T> zero{};
#pragma GCC unroll 2
  for (int v = 0; v < kVectors; ++v) {
    if (p.bias) {
      const Vec<T> bias = load_vector(p.bias + c, v);
#pragma GCC unroll 8
      for (int m = 0; m < kPixels; ++m) sum[m][v] = sum[m][v] + bias;
    }
    if (p.relu) {
#pragma GCC unroll 8
      for (int m = 0; m < kPixels; ++m) sum[m][v] = sum[m][v] < zero ? zero : sum[m][v];
    }
  }
#pragma GCC unroll 8
  for (int m = 0; m < kPixels; ++m, y += out_step) {
    if (m >= pixels) break;
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) store_vector(y, v, sum[m][v]);
  }
}

// All channels of a block, of the first `pixels` of kPixels pixels.
template <int kPixels, int kStep, typename T>
[[gnu::noinline]] void depthwise_tile(DepthwiseTile<T>& p, const T* x, int64_t pixels, T* y) {
  constexpr int64_t L = kLanes<T>, kWidth = kDepthwiseVectors * L;
  int64_t c = 0;
  for (; c + kWidth <= p.channels; c += kWidth) {
    p.ahead.fetch();
    depthwise_vectors<kPixels, kDepthwiseVectors, kStep>(p, x, c, pixels, y + c, p.out_step);
  }
  for (; c < p.channels; c += L) {
    const int64_t count = p.channels - c;
    T cut[kPixels * L];
    depthwise_vectors<kPixels, 1, kStep>(p, x, c, pixels, count < L ? cut : y + c, count < L ? L : p.out_step);
    for (int64_t m = 0; m < pixels && count < L; ++m) copy_few<L / 2>(cut + m * L, y + m * p.out_step + c, count);
  }
}

// `count` pixels of one class in one row.
template <typename T>
[[gnu::noinline]] void depthwise_pixels(DepthwiseTile<T>& p, int64_t step, int64_t count, const T* x, T* y) {
  const auto run = [&](auto pixels) {
    const int64_t valid = smaller<int64_t>(count, pixels);
    if (step == 2 && kRunTaps > 1) {
      depthwise_tile<pixels, 2>(p, x, valid, y);
    } else {
      depthwise_tile<pixels, 1>(p, x, valid, y);
    }
    x += pixels * p.in_step;
    y += pixels * p.out_step;
    count -= pixels;
    p.zeros = nullptr;
  };
  while (count > 0) {
    if (count > kFewPixels && (count != 2 * kFewPixels || 2 * kFewPixels <= kDepthwisePixels)) {
      run(Constant<kDepthwisePixels>{});
    } else {
      run(Constant<kFewPixels>{});
    }
  }
}

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
    tile.zeros = nullptr;
    tile.ahead = {};
  }
  TILEGRAD_INLINE int64_t in_line() const { return s.column.in * s.in_channels; }
  TILEGRAD_INLINE int64_t line() const { return s.column.out * s.out_channels; }

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

  // Output rows [begin, end) of one image, `count` columns from `first` on, `channels` channels from `channel` on.
  [[gnu::noinline]] void run_block(const T* image, int64_t begin, int64_t end, int64_t first, int64_t count,
                                   int64_t channel, int64_t channels, T* out) {
    const int64_t width = shape.width, pitch = shape.columns * width;
    for (int64_t t = 0; t < s.row.taps * s.column.taps; ++t) {
      const T* const from = weights.base + t * weights.tap_step + channel;
      for (int64_t c = 0; c < channels; ++c) packed[t * width + c] = from[c];
    }
    for (int64_t c = 0; epilogue.bias && c < channels; ++c) bias[c] = epilogue.bias[channel + c];
    tile.bias = epilogue.bias ? bias : nullptr;
    tile.channels = channels;
    set_steps(width, packed, width);
    const int64_t first_column = s.column.begin(first), columns = s.column.extent(count);
    int64_t residue = begin % s.row.period, top = s.row.begin(begin - residue);
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
                        ring + slot * pitch, columns, width);
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
    const bool fetches = s.N * s.row.in * in_line() * static_cast<int64_t>(sizeof(T)) >= kFetchedBytes;
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
  const int64_t width = work.shape.width, line = work.line();
  const Range rows = Team{team.rank, static_cast<int>(members), nullptr}.share(s.N * s.row.out);
  for (int64_t at = rows.begin; at < rows.end;) {
    const int64_t image = at / s.row.out, stop = smaller(rows.end, (image + 1) * s.row.out);
    const int64_t begin = at - image * s.row.out, end = stop - image * s.row.out;
    const T* const from = x + image * s.row.in * work.in_line();
    if (reads_without_ring(s, sizeof(T))) {
      work.run_in_place(from, begin, end, y + at * line);
    } else {
      for (int64_t first = 0; first < s.column.out; first += plan.columns) {
        for (int64_t c = 0; c < s.in_channels; c += width) {
          work.run_block(from, begin, end, first, smaller(plan.columns, s.column.out - first), c,
                         smaller(width, s.in_channels - c), y + at * line + first * s.out_channels + c);
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
