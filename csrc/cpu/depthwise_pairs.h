// Depthwise stencils of 3x3 taps and stride 1 where 16 registers are too few for stencil_depthwise.h to keep all
// weights in: two rows of output at a time, read where they lie. A tile is a few pixels of both rows and all channels,
// so that x, y and the weights are read and written along memory, in runs of some whole pixels that prefetchers follow;
// nothing is copied. An element that is loaded serves both rows, a weight all pixels, and no more than six weights are
// needed at a time.
#pragma once

#include "cpu/depthwise_tiles.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

inline constexpr bool kPairsInPlace = kHasFma && kVectorRegisters == 16;

// The pixels of a row of a tile: 8 sums, 6 weights and an element fill the registers. What is left of a row takes one
// less.
inline constexpr int kPlacedPixels = 4;

template <typename T>
struct PlacedPair {
  const T* x;  // the first column and row that the tile meets
  int64_t pixel, in_line, out_line;
  int outside;       // bit i: row i is outside the image, and is left out
  int beside;        // bit j: column j is beside the image, and is zero
  int rows, pixels;  // that exist of the tile's
  int64_t channels;  // whole vectors
  const T* weights;  // [vector of channels][tap][lane]
  const T* bias;     // or null
  Vec<T> least;      // of a result
  bool fetches;      // whether the lines that the next two rows will be the first to read or write are fetched
};

// kEdge: columns may be beside the image, or pixels not exist.
template <int kPixels, bool kEdge, typename T>
[[gnu::noinline]] void depthwise_placed_pair(const PlacedPair<T>& p, T* y) {
  constexpr int64_t L = kLanes<T>, kLine = kCacheLine / static_cast<int64_t>(sizeof(T));
  const int64_t pixel = p.pixel, in_line = p.in_line, out_line = p.out_line;
  const int outside = p.outside, beside = p.beside, rows = p.rows, pixels = p.pixels;
  const T* x[4] = {p.x, p.x + in_line, p.x + 2 * in_line, p.x + 3 * in_line};
  const T* w = p.weights;
  const T* const bias = p.bias;
  const bool fetches = p.fetches;
  for (int64_t c = 0; c < p.channels; c += L, y += L, w += 9 * L) {
    if (fetches && c % kLine == 0) {
#pragma GCC unroll 2
      for (int o = 0; o < 2; ++o) {
#pragma GCC unroll 8
        for (int m = 0; m < kPixels; ++m) prefetch(x[2 + o] + 2 * in_line + (m + 1) * pixel);
        fetch_written<kPixels, 1>(y + (2 + o) * out_line, pixel);
      }
    }
    Vec<T> sum[2][kPixels] = {};
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const T* const at = x[i];
      x[i] += L;
      if (outside >> i & 1) continue;
#pragma GCC unroll 16
      for (int j = 0; j < kPixels + 2; ++j) {
        Vec<T> value{};
        if (!kEdge || !(beside >> j & 1)) value = load(at + j * pixel);
        keep_whole(value);
        add_to_pair(sum, i, j, value, [&](int tap) __attribute__((always_inline)) { return load_vector(w, tap); });
      }
    }
#pragma GCC unroll 2
    for (int o = 0; o < 2; ++o) {
      if (o >= rows) break;
      T* to = y + o * out_line;
#pragma GCC unroll 8
      for (int m = 0; m < kPixels; ++m, to += pixel) {
        if (kEdge && m >= pixels) break;
        Vec<T> value = sum[o][m];
        if (bias) value = value + load(bias + c);
        store(to, value < p.least ? p.least : value);
      }
    }
  }
}

// Output rows [begin, end) of one image. `pair` holds what all tiles share.
template <typename T>
[[gnu::noinline]] void run_pairs_in_place(const Stencil& s, PlacedPair<T> pair, const T* image, int64_t begin,
                                          int64_t end, T* out) {
  // The columns in tiles of kPlacedPixels, then of one less: as few as can be.
  const int64_t tiles = ceil_div(s.column.out, kPlacedPixels);
  const int64_t wide = s.column.out - tiles * (kPlacedPixels - 1);
  for (int64_t h = begin; h < end; h += 2, out += 2 * pair.out_line) {
    const int64_t top = s.row.begin(h);
    pair.rows = h + 1 < end ? 2 : 1;
    pair.outside = 0;
    for (int i = 0; i < 4; ++i) {
      if (top + i < 0 || top + i >= s.row.in || i > pair.rows + 1) pair.outside |= 1 << i;
    }
    int64_t q = 0;
    const auto run = [&](auto pixels) {
      const int64_t first = s.column.begin(q);
      pair.x = image + top * pair.in_line + first * pair.pixel;
      pair.pixels = static_cast<int>(smaller<int64_t>(pixels, s.column.out - q));
      pair.beside = 0;
      for (int j = 0; j < pixels + 2; ++j) {
        if (first + j < 0 || first + j >= s.column.in) pair.beside |= 1 << j;
      }
      T* const to = out + q * pair.pixel;
      if (pair.beside != 0 || pair.pixels < pixels) {
        depthwise_placed_pair<pixels, true>(pair, to);
      } else {
        depthwise_placed_pair<pixels, false>(pair, to);
      }
      q += pixels;
    };
    for (int64_t i = 0; i < tiles; ++i) {
      i < wide ? run(Constant<kPlacedPixels>{}) : run(Constant<kPlacedPixels - 1>{});
    }
  }
}

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
