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
  int64_t out_ahead;           // how far ahead lines of y are fetched, unless that is 0
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

// Fetches the lines of kPixels pixels that will be written: stores that miss the caches wait for what they are about to
// overwrite, and few of them can.
template <int kPixels, int kVectors, typename T>
TILEGRAD_INLINE void fetch_written(const T* y, int64_t step) {
  for (int m = 0; m < kPixels; ++m, y += step) {
    for (int v = 0; v < kVectors; v += kCacheLine / kVectorBytes) __builtin_prefetch(y + v * kLanes<T>, 1, 2);
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
  if (p.out_ahead) fetch_written<kPixels, kVectors>(y + p.out_ahead, out_step);
#pragma GCC unroll 8
  for (int m = 0; m < kPixels; ++m, y += out_step) {
    if (m >= pixels) break;
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) store_vector(y, v, sum[m][v]);
  }
}

// Some columns of two neighbouring output rows of a 3x3 filter of stride 1, which meet four rows of the ring: two from
// `older` on, two from `newer` on. All weights stay in registers, and every element that is loaded serves both rows.
template <typename T>
struct RowPair {
  const T* older;
  const T* newer;
  int64_t pixel, pitch;
  int outside;  // bit i: row i is outside the image, and is left out
  const T* weights;
  const T* bias;
  bool relu;
  bool fetches;  // whether the lines of the next two rows of y are fetched
  int rows;      // that exist of the two
  int64_t pixels;
  int64_t out_pixel, out_row;
};

inline constexpr bool kHasPairs = kHasFma && kVectorRegisters == 32;

template <int kPixels, typename T>
[[gnu::noinline]] void depthwise_row_pair(const RowPair<T>& p, int64_t c, T* y) {
  Vec<T> w[9];
#pragma GCC unroll 9
  for (int t = 0; t < 9; ++t) {
    Vec<T> value = load(p.weights + t * p.pixel + c);
    keep_whole(value);
    w[t] = value;
  }
  const Vec<T> zero{}, bias = p.bias ? load(p.bias + c) : broadcast(T(-0.0));  // which changes nothing
  const Vec<T> least = p.relu ? zero : broadcast(-static_cast<T>(__builtin_inf()));
  const T* x[2] = {p.older + c, p.newer + c};
  const int64_t pixel = p.pixel, pitch = p.pitch, out_pixel = p.out_pixel, out_row = p.out_row;
  const int outside = p.outside, rows = p.rows;
  const bool fetches = p.fetches;
  for (int64_t left = p.pixels; left > 0; left -= kPixels) {
    Vec<T> sum[2][kPixels] = {};
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      if (outside >> i & 1) continue;
      const T* at = x[i / 2] + i % 2 * pitch;
#pragma GCC unroll 16
      for (int j = 0; j < kPixels + 2; ++j, at += pixel) {
        Vec<T> value = load(at);
        keep_whole(value);
#pragma GCC unroll 2
        for (int o = 0; o < 2; ++o) {
          const int r = i - o;
          if (r < 0 || r >= 3) continue;
#pragma GCC unroll 3
          for (int t = 2; t >= 0; --t) {
            const int m = j - t;
            if (m >= 0 && m < kPixels) sum[o][m] = fma_lanes(value, w[r * 3 + t], sum[o][m]);
          }
        }
      }
    }
#pragma GCC unroll 2
    for (int o = 0; o < 2; ++o) {
      if (o >= rows) break;
      T* to = y + o * out_row;
      if (fetches) fetch_written<kPixels, 1>(to + 2 * out_row, out_pixel);
#pragma GCC unroll 8
      for (int m = 0; m < kPixels; ++m, to += out_pixel) {
        if (m >= left) break;
        Vec<T> value = sum[o][m] + bias;
        value = value < least ? least : value;
        store(to, value);
      }
    }
    x[0] += kPixels * pixel, x[1] += kPixels * pixel, y += kPixels * out_pixel;
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
    tile.out_ahead = fetched() ? line() : 0;
    tile.zeros = nullptr;
    tile.ahead = {};
  }
  TILEGRAD_INLINE int64_t in_line() const { return s.column.in * s.in_channels; }
  TILEGRAD_INLINE int64_t line() const { return s.column.out * s.out_channels; }
  TILEGRAD_INLINE bool fetched() const { return fetched_ahead<T>(s.N * (s.row.in * in_line() + s.row.out * line())); }

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
  const int64_t together = pairs ? work.narrow(plan.columns) : plan.columns;
  const int64_t width = work.shape.width, line = work.line();
  const Range rows = Team{team.rank, static_cast<int>(members), nullptr}.share(s.N * s.row.out);
  for (int64_t at = rows.begin; at < rows.end;) {
    const int64_t image = at / s.row.out, stop = smaller(rows.end, (image + 1) * s.row.out);
    const int64_t begin = at - image * s.row.out, end = stop - image * s.row.out;
    const T* const from = x + image * s.row.in * work.in_line();
    if (reads_without_ring(s, sizeof(T))) {
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
