// The tiles of depthwise stencils (stencil_depthwise.h): some pixels of one or two rows by some vectors of channels.
#pragma once

#include "cpu/depthwise_ring.h"
#include "cpu/register_tile.h"
#include "params/stencil.h"

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

// The element in row i and column j of those that a 3x3 filter meets for pixels of two rows, times the weights of its taps.
template <int kPixels, typename V, typename Weight>
TILEGRAD_INLINE void add_to_pair(V (&sum)[2][kPixels], int i, int j, V value, Weight weight) {
#pragma GCC unroll 2
  for (int o = 0; o < 2; ++o) {
    const int r = i - o;
    if (r < 0 || r >= 3) continue;
#pragma GCC unroll 3
    for (int t = 2; t >= 0; --t) {
      const int m = j - t;
      if (m >= 0 && m < kPixels) add_product(sum[o][m], value, weight(r * 3 + t));
    }
  }
}

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
        add_to_pair(sum, i, j, value, [&](int tap) __attribute__((always_inline)) { return w[tap]; });
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

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
