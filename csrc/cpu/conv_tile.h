// The inner loops of all convolution kernels, on top of the register tile. Their sums run over a table of offsets:
//
//     sum[m][n] = sum over k of rows[m][offsets[k]] * b[k][n]
//
// Forward and backward-data: m counts output pixels, k taps and channels (r, s, c), n output channels.
// Backward-weights: m counts filter elements (r, s, c), k pixels. A table makes stride, dilation, groups and padding
// the business of who fills it, and costs one load per k, which the arithmetic of a whole tile hides.
#pragma once

#include "cpu/epilogue.h"
#include "cpu/register_tile.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// Channelwise (depthwise) convolution multiplies vector by vector: rows[m][offsets[k] + n] * b[k][n].
enum class Kind { dense, channelwise };

// Two vectors of columns where there are as many, one for a ragged end.
inline constexpr int kConvVectors = 2;

template <typename T, int kVectors>
inline constexpr int kConvRows = kMaxRows<T, kVectors>;

template <Kind kind, typename T, int kRows, int kVectors>
TILEGRAD_INLINE void accumulate(RegisterTile<T, kRows, kVectors>& tile, const T* const* rows, const int64_t* offsets,
                                int64_t count, const T* b, int64_t b_step) {
  for (int64_t k = 0; k < count; ++k) {
    const int64_t offset = offsets[k];
    Vec<T> row[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) row[v] = load_vector(b, v);
#pragma GCC unroll 16
    for (int m = 0; m < kRows; ++m) {
      const T* a = rows[m] + offset;
      if constexpr (kind == Kind::dense) {
        const Vec<T> x = broadcast(*a);
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) tile.sum[m][v] = fma_lanes(x, row[v], tile.sum[m][v]);
      } else {
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) tile.sum[m][v] = fma_lanes(load_vector(a, v), row[v], tile.sum[m][v]);
      }
    }
    b += b_step;
  }
}

// Calls f with the smallest tile height, of a few that are compiled, that covers `rows` rows. Rows beyond `rows` are
// computed and not stored: tables of rows are filled up with valid pointers.
template <int kMost, typename F>
TILEGRAD_INLINE void with_height(int64_t rows, F f) {
  if (rows > kMost / 2) return f(Constant<kMost>{});
  if constexpr (kMost > 1) with_height<kMost / 2>(rows, f);
}

// Columns n0, n0 + 1, ... of `columns` in panels: two vectors wide, the last one a single vector if that is enough.
template <typename T>
struct Panels {
  int64_t columns;
  static constexpr int64_t kWide = kConvVectors * kLanes<T>;
  TILEGRAD_INLINE int64_t count() const { return ceil_div(columns, kWide); }
  TILEGRAD_INLINE int64_t first(int64_t panel) const { return panel * kWide; }
  TILEGRAD_INLINE int64_t width(int64_t panel) const { return smaller(kWide, columns - first(panel)); }
  TILEGRAD_INLINE int64_t packed_width(int64_t panel) const { return width(panel) <= kLanes<T> ? kLanes<T> : kWide; }
};

// Copies rows x columns pixels of `channels` elements, from (row, column) on, out of an image of height x width pixels;
// zeros where that is outside the image.
template <typename T>
void copy_window(const T* image, int64_t height, int64_t width, int64_t channels, int64_t row, int64_t column,
                 T* window, int64_t rows, int64_t columns) {
  const int64_t left = smaller(larger<int64_t>(-column, 0), columns);
  const int64_t inside = larger<int64_t>(smaller(width - column, columns) - left, 0);
  const int64_t line = columns * channels, from = left * channels, to = (left + inside) * channels;
  for (int64_t i = 0; i < rows; ++i, window += line) {
    if (row + i < 0 || row + i >= height) {
      for (int64_t j = 0; j < line; ++j) window[j] = 0;
      continue;
    }
    const T* source = image + ((row + i) * width + column + left) * channels - from;
    for (int64_t j = 0; j < from; ++j) window[j] = 0;
    for (int64_t j = from; j < to; ++j) window[j] = source[j];
    for (int64_t j = to; j < line; ++j) window[j] = 0;
  }
}

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
