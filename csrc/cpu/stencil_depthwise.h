// Depthwise stencils, in place: lanes run along channels, x is read where it lies and taps outside the image are left out.
// There is little arithmetic for each element, so what counts is that x, weights and result are streamed once, in order:
// no window, no packing.
#pragma once

#include "cpu/epilogue.h"
#include "cpu/stencil_walk.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

inline constexpr int kDepthwiseTaps = 256;  // larger filters go the way of stencil.h; so one chunk holds every sum here
inline constexpr int kDepthwisePixels = kHasFma ? 8 : 2;

// The taps that some output pixels meet inside the image: each one's place in x, from the pixel's base, and in the weights.
struct DepthwiseTaps {
  int count;
  int64_t x[kDepthwiseTaps], weights[kDepthwiseTaps];
};

template <typename T>
struct DepthwiseTile {
  const DepthwiseTaps* taps;
  const T* weights;
  Epilogue<T> epilogue;
  int64_t channels;
  int64_t in_step, out_step;  // from one pixel of a tile to the next
};

// All channels of kPixels pixels. The last vector of channels overlaps the one before; with less than a vector of
// channels it is cut.
template <typename T, int kPixels>
[[gnu::noinline]] void depthwise_tile(const DepthwiseTile<T>& p, const T* x, T* y) {
  constexpr int64_t L = kLanes<T>;
  const Vec<T> zero{};
  const auto vector = [&](int64_t c, auto load_from, auto store_to) {
    Vec<T> sum[kPixels];
#pragma GCC unroll 8
    for (int m = 0; m < kPixels; ++m) sum[m] = zero;
    for (int t = 0; t < p.taps->count; ++t) {
      const Vec<T> w = load_from(p.weights + p.taps->weights[t] + c);
      const T* from = x + p.taps->x[t] + c;
#pragma GCC unroll 8
      for (int m = 0; m < kPixels; ++m) sum[m] = fma_lanes(load_from(from + m * p.in_step), w, sum[m]);
    }
    const Vec<T> bias = p.epilogue.bias ? load_from(p.epilogue.bias + c) : zero;
#pragma GCC unroll 8
    for (int m = 0; m < kPixels; ++m) {
      if (p.epilogue.bias) sum[m] = sum[m] + bias;
      if (p.epilogue.activation == Activation::relu) sum[m] = sum[m] < zero ? zero : sum[m];
      store_to(y + m * p.out_step + c, sum[m]);
    }
  };
  if (p.channels < L) {
    const int64_t count = p.channels;
    return vector(
        0, [&](const T* from) { return load_partial(from, count); },
        [&](T* to, Vec<T> v) { store_partial(to, v, count); });
  }
  for (int64_t c = 0; c < p.channels; c += L) {
    vector(smaller(c, p.channels - L), [](const T* from) { return load(from); }, [](T* to, Vec<T> v) { store(to, v); });
  }
}

// One row of one image's output.
template <typename T>
void depthwise_row(const Stencil& s, const T* x, int64_t h, DepthwiseTile<T>& tile, int64_t tap_step, T* y) {
  const int64_t channels = s.in_channels, h_class = h % s.row.period;
  const int64_t row = h / s.row.period * s.row.step() + floor_div(s.row.origin, s.row.period);
  const int64_t first_column = floor_div(s.column.origin, s.column.period), step = s.column.step();
  // The taps that output `column` of class w meets; `every`: regardless of the image's left and right ends.
  DepthwiseTaps taps;
  const auto find_taps = [&](int64_t w, int64_t column, bool every) {
    taps.count = 0;
    for_each_tap(s, h_class, w, 0, [&](int64_t, int64_t tap, int64_t tap_row, int64_t tap_column) {
      const int64_t in_row = row + tap_row, in_column = first_column + tap_column + column * step;
      if (in_row < 0 || in_row >= s.row.in) return;
      if (!every && (in_column < 0 || in_column >= s.column.in)) return;
      taps.x[taps.count] = (in_row * s.column.in + first_column + tap_column) * channels;
      taps.weights[taps.count++] = tap * tap_step;
    });
  };
  tile.taps = &taps;
  tile.in_step = step * channels;
  tile.out_step = s.column.period * channels;
  for (int64_t w = 0; w < s.column.classes(); ++w) {
    const int64_t count = ceil_div(s.column.out - w, s.column.period);
    int64_t least = 0, most = 0;  // of the columns of this class's taps
    bool any = false;
    for (int64_t c = 0; c < s.column.taps; ++c) {
      const int64_t position = s.column.tap_position(w, c);
      if (position < 0) continue;
      least = any ? smaller(least, position) : position;
      most = any ? larger(most, position) : position;
      any = true;
    }
    // Outputs [begin, end) meet no tap outside the row.
    const int64_t begin = smaller(count, larger<int64_t>(ceil_div(-(first_column + least), step), 0));
    const int64_t room = s.column.in - 1 - first_column - most;
    const int64_t end = larger(begin, smaller(count, room < 0 ? 0 : room / step + 1));
    const auto run = [&](int64_t column, auto pixels) {
      depthwise_tile<T, pixels>(tile, x + column * tile.in_step, y + w * channels + column * tile.out_step);
    };
    for (int64_t column = 0; column < count; ++column) {
      if (column == begin && begin < end) {
        find_taps(w, column, true);
        const RowTiles tiles(end - begin, kDepthwisePixels);
        for (int64_t i = 0; i < tiles.count; ++i) {
          with_rows<kDepthwisePixels>(tiles.rows(i), [&](auto pixels) { run(begin + tiles.begin(i), pixels); });
        }
        column = end - 1;
        continue;
      }
      find_taps(w, column, false);
      run(column, Constant<1>{});
    }
  }
}

// weights[tap * tap_step + channel]: both passes' weights are contiguous along channels.
template <typename T>
void run_depthwise(const Team& team, const Stencil& s, const T* x, const StencilWeights<T>& weights,
                   const Epilogue<T>& epilogue, T* y) {
  const int64_t in_image = s.row.in * s.column.in * s.in_channels, line = s.column.out * s.out_channels;
  DepthwiseTile<T> tile;
  tile.weights = weights.base;
  tile.epilogue = epilogue;
  tile.channels = s.in_channels;
  const Range rows = team.share(s.N * s.row.out);
  for (int64_t i = rows.begin; i < rows.end; ++i) {
    depthwise_row(s, x + i / s.row.out * in_image, i % s.row.out, tile, weights.tap_step, y + i * line);
    if (epilogue.activation > Activation::relu) activate(y + i * line, line, 1, line, epilogue.activation);
  }
}

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
