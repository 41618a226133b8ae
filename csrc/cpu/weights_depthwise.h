// Backward-weights of depthwise convolution: lanes run along channels, and the sums of a filter's taps stay in registers
// while the pixels of some rows go by. The rows of x that these meet lie in a ring in the L1 cache, with zeros beside the
// image and a row of zeros for those above and below it (stencil_depthwise.h says why a ring); dy is read where it lies.
#pragma once

#include "cpu/depthwise_ring.h"
#include "cpu/weights_blocks.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// A tile is one filter row, in pieces of up to so many taps, or all of a 3x3 filter where the registers hold two vectors of it.
inline constexpr int kRowTaps = kHasFma ? 5 : 2;
inline constexpr int kTapVectors = kVectorRegisters == 32 ? 2 : 1;

// dy's lines are fetched so many pixels ahead.
inline constexpr int64_t kGradientsAhead = 64;

// Some pixels of one output row, and where filter rows meet x for the first of them.
template <typename T>
struct PixelRun {
  const T* rows[kDepthwiseTaps];
  const T* dy;
  int64_t pixels;
  bool beside;  // the first column of all is beside the image: zeros
};

template <typename T>
struct DepthwiseWeightsTile {
  const PixelRun<T>* runs;
  int run_count;
  int64_t row, shift;      // the tile's first filter row, and how far from the filter's its first column is in x
  int64_t step, tap_step;  // in x: from pixel to pixel, and from tap to tap
  int64_t dy_step;
  int64_t x_ahead, dy_ahead;  // how far ahead x, unless that is 0, and dy are fetched
  T* sums;
  int64_t sum_step, sum_row;  // from tap to tap of a filter row, and from row to row
};

// kStep: pixels are so many columns apart, and every column is loaded once; 0: any number.
template <typename T, int kRows, int kLength, int kStep, int kVectors>
[[gnu::noinline]] void depthwise_weights_tile(const DepthwiseWeightsTile<T>& p, int64_t c) {
  constexpr int kKept = kStep ? kLength - kStep : 0;  // columns that the next pixel meets again
  Vec<T> sum[kRows][kLength][kVectors];
  const auto each = [&](auto f) {
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
#pragma GCC unroll 8
        for (int t = 0; t < kLength; ++t) f(r, t, v);
      }
    }
  };
  const int64_t step = p.step, tap_step = p.tap_step, dy_step = p.dy_step, sum_step = p.sum_step, sum_row = p.sum_row;
  const int64_t x_ahead = p.x_ahead, dy_ahead = p.dy_ahead;
  T* const sums = p.sums + c;
  each([&](int r, int t, int v) { sum[r][t][v] = load_vector(sums + r * sum_row + t * sum_step, v); });
  for (int i = 0; i < p.run_count; ++i) {
    const T* x[kRows];
    Vec<T> kept[kRows][kLength][kVectors];
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) x[r] = p.runs[i].rows[p.row + r] + p.shift + c;
    each([&](int r, int t, int v) {
      if (t >= kKept) return;
      kept[r][t][v] = t == 0 && p.runs[i].beside ? Vec<T>{} : load_vector(x[r] + t * tap_step, v);
    });
    const T* dy = p.runs[i].dy + c;
    for (int64_t q = p.runs[i].pixels; q > 0; --q, dy += dy_step) {
      Vec<T> row[kVectors];
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
        row[v] = load_vector(dy, v);
        if (kStep && dy_ahead) prefetch(dy + dy_ahead + v * kLanes<T>);
        if (kStep == 2 && x_ahead) {
          for (int r = 1; r < kRows; ++r) {
            prefetch(x[r] + x_ahead + v * kLanes<T>);
            prefetch(x[r] + x_ahead + tap_step + v * kLanes<T>);
          }
        }
      }
      each([&](int r, int t, int v) {
        Vec<T> value = t < kKept ? kept[r][t][v] : load_vector(x[r] + t * tap_step, v);
        if (kStep && t >= kStep) {
          if (t >= kKept) keep_whole(value);  // one load
          kept[r][t - kStep][v] = value;
        }
        sum[r][t][v] = fma_lanes(value, row[v], sum[r][t][v]);
      });
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) x[r] += step;
    }
  }
  each([&](int r, int t, int v) { store_vector(sums + r * sum_row + t * sum_step, v, sum[r][t][v]); });
}

template <typename T>
struct DepthwiseBlocks {
  static constexpr bool kWholeChunks = true;
  const Conv2d& p;
  const Stencil& s;
  const T* x;
  const T* dy;
  const bool in_place, fetches;
  DepthwiseWeightsRing shape;
  WeightsScratch<T> scratch{};

  TILEGRAD_INLINE DepthwiseBlocks(const Conv2d& p, const Stencil& s, const T* x, const T* dy)
      : p(p),
        s(s),
        x(x),
        dy(dy),
        in_place(reads_without_ring(s, sizeof(T))),
        fetches(fetched_ahead<T>(p.N * (p.H * p.W * p.C + p.P * p.Q * p.K))),
        shape(depthwise_weights_ring(p, s, sizeof(T))) {}

  // Whether one tile has all taps, and loads every column once.
  TILEGRAD_INLINE bool slides() const {
    return kHasFma && p.R == 3 && p.S == 3 && p.dilation_w == 1 && p.stride_w <= 2;
  }
  TILEGRAD_INLINE int64_t tiles() const { return ceil_div(p.C, p.plan.block); }
  TILEGRAD_INLINE int64_t pitch() const { return shape.columns * shape.width; }
  TILEGRAD_INLINE T* sums() const { return scratch.window; }
  TILEGRAD_INLINE T* zeros() const { return sums() + p.R * p.S * shape.width; }
  TILEGRAD_INLINE int64_t zero_count() const { return s.column.extent(p.Q) * shape.width; }
  TILEGRAD_INLINE T* ring() const { return zeros() + zero_count(); }
  TILEGRAD_INLINE T* gradients() const { return ring() + shape.rows * pitch(); }
  // The row of an image that the first filter row meets in output row `row`, counted through all images.
  TILEGRAD_INLINE int64_t top_of(int64_t row) const { return s.row.begin(row % p.P); }

  void prepare() const {
    for (int64_t i = 0; i < zero_count(); ++i) zeros()[i] = 0;
  }

  // All taps meet `count` runs of pixels.
  [[gnu::noinline]] void run_pixels(const PixelRun<T>* runs, int count, int64_t dy_step, int64_t channels) const {
    DepthwiseWeightsTile<T> tile;
    tile.runs = runs;
    tile.run_count = count;
    tile.step = p.stride_w * shape.width;
    tile.tap_step = p.dilation_w * shape.width;
    tile.dy_step = dy_step;
    tile.x_ahead = fetches && in_place ? 2 * p.W * p.C : 0;
    tile.dy_ahead = fetches ? kGradientsAhead * dy_step : 0;
    tile.sum_step = shape.width;
    tile.sum_row = p.S * shape.width;
    const auto run = [&](int64_t r, int64_t first, auto filter_rows, auto length, auto step, auto vectors) {
      tile.row = r;
      tile.shift = first * tile.tap_step;
      tile.sums = sums() + (r * p.S + first) * shape.width;
      int64_t c = 0;
      for (; c + (vectors - 1) * kLanes<T> < channels; c += vectors * kLanes<T>) {
        depthwise_weights_tile<T, filter_rows, length, step, vectors>(tile, c);
      }
      if (c < channels) depthwise_weights_tile<T, filter_rows, length, step, 1>(tile, c);
    };
    if (slides()) {
      if (p.stride_w == 1) return run(0, 0, Constant<3>{}, Constant<3>{}, Constant<1>{}, Constant<1>{});
      return run(0, 0, Constant<3>{}, Constant<3>{}, Constant<2>{}, Constant<kTapVectors>{});
    }
    const RowTiles lengths(p.S, kRowTaps);
    for (int64_t r = 0; r < p.R; ++r) {
      for (int64_t i = 0; i < lengths.count; ++i) {
        with_rows<kRowTaps>(lengths.rows(i), [&](auto length) {
          run(r, lengths.begin(i), Constant<1>{}, length, Constant<0>{}, Constant<kTapVectors>{});
        });
      }
    }
  }

  // Channels [channel, channel + channels) of the chunk [begin, end), some output rows at a time through the ring.
  [[gnu::noinline]] void run_in_ring(int64_t begin, int64_t end, int64_t channel, int64_t channels) const {
    const bool whole = channels % kLanes<T> == 0;  // else dy is copied, so as not to read past its end
    PixelRun<T> pixels[kMostPixelRuns];
    int64_t image = -1, loaded = 0,
            slot = 0;  // rows of `image` up to `loaded` are in the ring, the next goes to `slot`
    for (int64_t at = begin; at < end;) {
      const int64_t first = at / p.Q;
      if (first / p.P != image) image = first / p.P, loaded = 0;
      const int64_t behind_last = smaller(smaller(first + shape.together, (image + 1) * p.P), (end - 1) / p.Q + 1);
      const int64_t next = smaller(end, behind_last * p.Q);
      loaded = larger(loaded, top_of(first));
      const int64_t stop = smaller(p.H, top_of(behind_last - 1) + s.row.extent(1));
      for (; loaded < stop; ++loaded, slot = slot + 1 == shape.rows ? 0 : slot + 1) {
        fill_ring_row(x + (image * p.H + loaded) * p.W * p.C + channel, p.W, p.C, s.column.begin(0), channels,
                      ring() + slot * pitch(), shape.columns, shape.width,
                      fetches ? shape.together * p.stride_h * p.W * p.C : 0);
      }
      const T* from = dy + at * p.K + channel;
      int64_t dy_step = p.K;
      if (!whole) {
        for (int64_t k = 0; k < next - at; ++k) {
          for (int64_t c = 0; c < channels; ++c) gradients()[k * shape.width + c] = from[k * p.K + c];
        }
        from = gradients();
        dy_step = shape.width;
      }
      int count = 0;
      for (int64_t row = first; row < behind_last; ++row) {
        PixelRun<T>& of = pixels[count++];
        const int64_t left = larger(at, row * p.Q), right = smaller(next, (row + 1) * p.Q);
        of.pixels = right - left;
        of.beside = false;
        of.dy = from + (left - at) * dy_step;
        for (int64_t r = 0; r < p.R; ++r) {
          const int64_t in_row = top_of(row) + r * p.dilation_h, behind = loaded - in_row;
          const bool inside = in_row >= 0 && in_row < p.H;
          of.rows[r] = (inside ? ring() + (slot - behind + (slot < behind ? shape.rows : 0)) * pitch() : zeros()) +
                       (left - row * p.Q) * p.stride_w * shape.width;
        }
      }
      run_pixels(pixels, count, dy_step, channels);
      at = next;
    }
  }

  // The same with x read where it lies, but for pixels that meet columns beside the image: what these meet goes to the ring.
  [[gnu::noinline]] void run_in_place(int64_t begin, int64_t end, int64_t channel, int64_t channels) const {
    const int64_t first_column = s.column.begin(0), columns = s.column.extent(1);
    const int64_t room = p.W - first_column - columns;
    const int64_t left = smaller(p.Q, larger<int64_t>(ceil_div(-first_column, p.stride_w), 0));
    const int64_t right = larger(left, smaller(p.Q, room < 0 ? 0 : room / p.stride_w + 1));
    for (int64_t at = begin; at < end;) {
      const int64_t row = at / p.Q, image = row / p.P, next = smaller(end, (row + 1) * p.Q);
      const T* const rows = x + (image * p.H + top_of(row)) * p.W * p.C + channel;
      for (; at < next;) {
        const int64_t q = at - row * p.Q, column = first_column + q * p.stride_w;
        PixelRun<T> pixels;
        pixels.beside = slides() && column == -1 && right > 1;
        const bool to_ring = !pixels.beside && (q < left || q >= right);
        pixels.dy = dy + at * p.K + channel;
        pixels.pixels = to_ring ? 1 : smaller(next - at, right - q);
        for (int64_t r = 0; r < p.R; ++r) {
          const int64_t in_row = top_of(row) + r * p.dilation_h;
          const T* const from = rows + r * p.dilation_h * p.W * p.C;
          if (in_row < 0 || in_row >= p.H) {
            pixels.rows[r] = zeros();
          } else if (to_ring) {
            T* const to = ring() + r * pitch();
            fill_ring_row(from, p.W, p.C, column, channels, to, columns, shape.width);
            pixels.rows[r] = to;
          } else {
            pixels.rows[r] = from + column * p.C;
          }
        }
        run_pixels(&pixels, 1, p.K, channels);
        at += pixels.pixels;
      }
    }
  }

  [[gnu::noinline]] void run(int64_t begin, int64_t end, Range tiles, const WeightsSums<T>& dw) const {
    const int64_t step = in_place ? tiles.end - tiles.begin : 1;  // in place all at a time
    for (int64_t i = tiles.begin; i < tiles.end; i += step) {
      const int64_t channel = i * p.plan.block, channels = smaller(p.plan.block * step, p.C - channel);
      for (int64_t j = 0; j < p.R * p.S * shape.width; ++j) sums()[j] = 0;
      if (in_place) {
        run_in_place(begin, end, channel, channels);
      } else {
        run_in_ring(begin, end, channel, channels);
      }
      for (int64_t tap = 0; tap < p.R * p.S; ++tap) {
        const int64_t at = tap * p.K + channel;
        const T* const total = dw.total ? dw.total + at : nullptr;
        for (int64_t c = 0; c < channels; c += kLanes<T>) {
          const int64_t count = channels - c;
          Vec<T> sum = load_partial(sums() + tap * shape.width + c, count);
          if (total) sum = load_partial(total + c, count) + sum;
          store_partial(dw.to + at + c, sum, count);
        }
      }
    }
  }
};

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
