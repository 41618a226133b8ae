// What a contraction multiplies, seen as matrices of rows i (outputs) and columns k (terms of the sums) whatever memory
// they lie in. An operand gives
//
//     kAlongK        whether neighbours in memory are neighbours along k (else along i)
//     kOverlaps      whether what a block reads is read again soon by the same multiprocessor: worth its L1 cache
//     kCheapRows     whether row(i) is a few instructions
//     row(i)         what there is to know about a row before the loop over k
//     column(k)      what there is to know about a column, whatever the row
//     at(row, column)  the element's address, or null where the operand is zero: outside the matrix or in the padding
//
// so that a thread that loads several rows of one column (or columns of one row) computes what they share once.
#pragma once

#include <cstdint>

#include "cuda/device/fast_divide.cuh"

namespace tilegrad::cuda {
namespace {

// A matrix with strides of any sign.
template <typename T, bool kAlong>
struct Strided {
  using Element = T;
  static constexpr bool kAlongK = kAlong, kOverlaps = false, kCheapRows = true;
  const T* data;
  int64_t rows, terms;
  int64_t i_stride, k_stride;

  struct Row {
    const T* start;
  };
  struct Column {
    int64_t offset;
    bool inside;
  };
  __device__ __forceinline__ Row row(int64_t i) const { return {i < rows ? data + i * i_stride : nullptr}; }
  __device__ __forceinline__ Column column(int64_t k) const { return {k * k_stride, k < terms}; }
  __device__ __forceinline__ const T* at(const Row& row, const Column& column) const {
    return row.start && column.inside ? row.start + column.offset : nullptr;
  }
};

// One axis of a stencil: output i meets at tap j the input position i * scale + j * dilation + origin.
struct TapAxis {
  int in, out, taps;
  int scale, dilation, origin;
  int first, step;  // tap j is row (or column) first + j * step of the filter
};

// Places outside every image: stays so with any tap added (the host checks that positions are within +-2^28).
inline constexpr int kNowhere = -(1 << 30);

// Pixels of images under a filter: row i is output pixel (n, p, q) of fewer than 2^31, column k is tap and channel (r, s, c).
template <typename T>
struct Windows {
  using Element = T;
  static constexpr bool kAlongK = true, kOverlaps = true, kCheapRows = false;
  const T* data;  // the first channel of the group
  int64_t rows, terms;
  TapAxis vertical, horizontal;
  int channels, pixel;  // of the group; elements from one pixel to the next
  FastDivide by_channels, by_taps;
  FastDivide by_line, by_lines;  // output pixels of a line, lines of an image

  struct Row {
    const T* image;
    int y, x;
  };
  struct Column {
    int y, x, channel;
  };
  __device__ __forceinline__ Row row(int64_t i) const {
    if (i >= rows) return {data, kNowhere, kNowhere};
    const uint32_t at = static_cast<uint32_t>(i), line = by_line.quotient(at), n = by_lines.quotient(line);
    const int q = static_cast<int>(at - line * by_line.divisor), p = static_cast<int>(line - n * by_lines.divisor);
    return {data + static_cast<int64_t>(n) * vertical.in * horizontal.in * pixel, p * vertical.scale + vertical.origin,
            q * horizontal.scale + horizontal.origin};
  }
  __device__ __forceinline__ Column column(int64_t k) const {
    if (k >= terms) return {kNowhere, kNowhere, 0};
    const uint32_t tap = by_channels.quotient(static_cast<uint32_t>(k)), r = by_taps.quotient(tap);
    const int s = static_cast<int>(tap - r * by_taps.divisor);
    return {static_cast<int>(r) * vertical.dilation, s * horizontal.dilation,
            static_cast<int>(static_cast<uint32_t>(k) - tap * by_channels.divisor)};
  }
  __device__ __forceinline__ const T* at(const Row& row, const Column& column) const {
    const int y = row.y + column.y, x = row.x + column.x;
    if (static_cast<uint32_t>(y) >= static_cast<uint32_t>(vertical.in) ||
        static_cast<uint32_t>(x) >= static_cast<uint32_t>(horizontal.in)) {
      return nullptr;
    }
    return row.image + static_cast<int64_t>(y * horizontal.in + x) * pixel + column.channel;
  }
};

// The same read the other way round: row i is tap and channel (r, s, c), column k is output pixel (n, p, q).
template <typename T>
struct WindowsTurned {
  using Element = T;
  static constexpr bool kAlongK = false, kOverlaps = true, kCheapRows = false;
  const T* data;
  int64_t rows, terms;
  TapAxis vertical, horizontal;
  int channels, pixel;
  FastDivide by_line, by_lines;  // output pixels of a line, lines of an image

  struct Row {
    const T* start;
    int y, x;
  };
  struct Column {
    int64_t image;
    int y, x;
  };
  __device__ __forceinline__ Row row(int64_t i) const {
    if (i >= rows) return {data, kNowhere, kNowhere};
    const int at = static_cast<int>(i), tap = at / channels, r = tap / horizontal.taps, s = tap - r * horizontal.taps;
    return {data + (at - tap * channels), r * vertical.dilation + vertical.origin,
            s * horizontal.dilation + horizontal.origin};
  }
  __device__ __forceinline__ Column column(int64_t k) const {
    if (k >= terms) return {0, kNowhere, kNowhere};
    int64_t n;
    uint32_t p, q;
    if (terms < (int64_t{1} << 31)) {
      const uint32_t at = static_cast<uint32_t>(k), line = by_line.quotient(at), image = by_lines.quotient(line);
      q = at - line * by_line.divisor, p = line - image * by_lines.divisor, n = image;
    } else {
      const int64_t line = k / by_line.divisor;
      n = line / by_lines.divisor;
      q = static_cast<uint32_t>(k - line * by_line.divisor), p = static_cast<uint32_t>(line - n * by_lines.divisor);
    }
    return {n * vertical.in * horizontal.in * pixel, static_cast<int>(p) * vertical.scale,
            static_cast<int>(q) * horizontal.scale};
  }
  __device__ __forceinline__ const T* at(const Row& row, const Column& column) const {
    const int y = row.y + column.y, x = row.x + column.x;
    if (static_cast<uint32_t>(y) >= static_cast<uint32_t>(vertical.in) ||
        static_cast<uint32_t>(x) >= static_cast<uint32_t>(horizontal.in)) {
      return nullptr;
    }
    return row.start + column.image + static_cast<int64_t>(y * horizontal.in + x) * pixel;
  }
};

// A filter w [R, S, C, K] with k running along its output channels: row i is an input channel c, column k is tap and
// output channel (r, s, k) for the taps of the two axes.
template <typename T>
struct TurnedFilter {
  using Element = T;
  static constexpr bool kAlongK = true, kOverlaps = false, kCheapRows = true;
  const T* data;  // the first output channel of the group
  int64_t rows, terms;
  int64_t i_stride, tap_stride;  // from one input channel to the next, from one tap to the next
  int filter_columns;            // S
  int first_r, step_r, first_s, step_s;
  FastDivide by_channels, by_taps;

  struct Row {
    const T* start;
  };
  struct Column {
    int64_t offset;
    bool inside;
  };
  __device__ __forceinline__ Row row(int64_t i) const { return {i < rows ? data + i * i_stride : nullptr}; }
  __device__ __forceinline__ Column column(int64_t k) const {
    if (k >= terms) return {0, false};
    const uint32_t tap = by_channels.quotient(static_cast<uint32_t>(k)), r = by_taps.quotient(tap);
    const int s = static_cast<int>(tap - r * by_taps.divisor);
    const int64_t place = (first_r + static_cast<int64_t>(r) * step_r) * filter_columns + (first_s + s * step_s);
    return {place * tap_stride + static_cast<int>(static_cast<uint32_t>(k) - tap * by_channels.divisor), true};
  }
  __device__ __forceinline__ const T* at(const Row& row, const Column& column) const {
    return row.start && column.inside ? row.start + column.offset : nullptr;
  }
};

}  // namespace
}  // namespace tilegrad::cuda
