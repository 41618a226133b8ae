// The driver of stencils whose vector lanes run along images: for convolutions with too few output channels (of a group)
// to fill vectors with. Every lane is one image's own sum, so the bits are those of stencil.h, where lanes run along
// channels.
//
// A unit of work is a band of rows of kBatchLanes images. Its input is transposed into a zero-padded window [row][column]
// [channel][image], its output computed as [row][column][channel][image] and transposed back. A tile is some output
// channels by some vectors (pixels, or parts of a pixel's images where vectors are shorter than kBatchLanes): per term one
// load per vector and one broadcast weight per channel serve all its multiply-adds.
#pragma once

#include "cpu/epilogue.h"
#include "cpu/stencil_walk.h"
#include "cpu/transpose.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// Calls f(e) for every vector of elements; the last ones overlap those before. False if there is less than a vector.
template <typename T, typename F>
TILEGRAD_INLINE bool for_each_vector(int64_t elements, F f) {
  constexpr int64_t L = kLanes<T>;
  if (elements < L) return false;
  for (int64_t e = 0; e + L <= elements; e += L) f(e);
  if (elements % L != 0) f(elements - L);
  return true;
}

// to[e * kBatchLanes + i] = from[i * stride + e]; zeros for the lanes behind the last image.
template <typename T>
[[gnu::noinline]] void images_to_lanes(const T* from, int64_t stride, int64_t images, int64_t elements, T* to) {
  constexpr int L = kLanes<T>;
  for (int64_t first = 0; first < kBatchLanes; first += L) {
    const bool whole = for_each_vector<T>(elements, [&](int64_t e) {
      Vec<T> rows[L];
#pragma GCC unroll 16
      for (int i = 0; i < L; ++i) {
        rows[i] = first + i < images ? load(from + (first + i) * stride + e) : Vec<T>{};
        keep_whole(rows[i]);
      }
      transpose<T>(rows);
#pragma GCC unroll 16
      for (int i = 0; i < L; ++i) store(to + (e + i) * kBatchLanes + first, rows[i]);
    });
    if (whole) continue;
    for (int64_t e = 0; e < elements; ++e) {
      for (int64_t i = first; i < first + L; ++i) to[e * kBatchLanes + i] = i < images ? from[i * stride + e] : T(0);
    }
  }
}

// to[i * stride + e] = from[e * kBatchLanes + i].
template <typename T>
[[gnu::noinline]] void lanes_to_images(const T* from, int64_t elements, T* to, int64_t stride, int64_t images) {
  constexpr int L = kLanes<T>;
  for (int64_t first = 0; first < images; first += L) {
    const int64_t count = smaller<int64_t>(images - first, L);
    const bool whole = for_each_vector<T>(elements, [&](int64_t e) {
      Vec<T> rows[L];
#pragma GCC unroll 16
      for (int i = 0; i < L; ++i) {
        rows[i] = load(from + (e + i) * kBatchLanes + first);
        keep_whole(rows[i]);
      }
      transpose<T>(rows);
#pragma GCC unroll 16
      for (int i = 0; i < L; ++i) {
        if (i < count) store(to + (first + i) * stride + e, rows[i]);
      }
    });
    if (whole) continue;
    for (int64_t e = 0; e < elements; ++e) {
      for (int64_t i = first; i < first + count; ++i) to[i * stride + e] = from[e * kBatchLanes + i];
    }
  }
}

// A part of the channels of all pixels of kBatchLanes images: some groups of them.
template <typename T>
struct BatchImages {
  T* base;  // the first channel of the first image
  int64_t image_size, pixel_size;
  int64_t images, channels;
};

// Moves `pixels` pixels of a line to lanes, or back.
template <typename T>
void pixels_to_lanes(const BatchImages<const T>& x, int64_t pixel, int64_t pixels, T* to) {
  const T* from = x.base + pixel * x.pixel_size;
  if (x.channels == x.pixel_size) return images_to_lanes(from, x.image_size, x.images, pixels * x.channels, to);
  constexpr int64_t kAhead = 4;  // pieces of so many streams are too short for the hardware's prefetcher
  for (int64_t i = 0; i < pixels; ++i) {
    for (int64_t image = 0; image < x.images; ++image) {
      prefetch(from + (i + kAhead) * x.pixel_size + image * x.image_size);
    }
    images_to_lanes(from + i * x.pixel_size, x.image_size, x.images, x.channels, to + i * x.channels * kBatchLanes);
  }
}
template <typename T>
void lanes_to_pixels(const T* from, const BatchImages<T>& y, int64_t pixel, int64_t pixels) {
  T* to = y.base + pixel * y.pixel_size;
  if (y.channels == y.pixel_size) return lanes_to_images(from, pixels * y.channels, to, y.image_size, y.images);
  for (int64_t i = 0; i < pixels; ++i) {
    lanes_to_images(from + i * y.channels * kBatchLanes, y.channels, to + i * y.pixel_size, y.image_size, y.images);
  }
}

// copy_window (conv_tile.h) for kBatchLanes images at once.
template <typename T>
void batch_window(const BatchImages<const T>& x, const Stencil& s, int64_t row, int64_t rows, int64_t columns,
                  T* window) {
  const int64_t channels = s.in_channels, column = s.column.begin(0);
  const int64_t left = smaller(larger<int64_t>(-column, 0), columns);
  const int64_t inside = larger<int64_t>(smaller(s.column.in - column, columns) - left, 0);
  const int64_t line = columns * channels, from = left * channels, to = (left + inside) * channels;
  const auto clear = [&](int64_t begin, int64_t end) {
    for (int64_t j = begin * kBatchLanes; j < end * kBatchLanes; ++j) window[j] = 0;
  };
  for (int64_t i = 0; i < rows; ++i, window += line * kBatchLanes) {
    if (row + i < 0 || row + i >= s.row.in || inside == 0) {
      clear(0, line);
      continue;
    }
    clear(0, from);
    pixels_to_lanes(x, (row + i) * s.column.in + column + left, inside, window + from * kBatchLanes);
    clear(to, line);
  }
}

// The tiles' most columns (output channels), and how many vectors fit beside so many.
inline constexpr int kBatchColumns = kVectorRegisters == 32 ? 8 : kHasFma ? 6 : 4;
template <int kColumns>
inline constexpr int kBatchVectors = kHasFma ? larger(1, smaller(8, (kVectorRegisters - 1) / (kColumns + 1))) : 1;

// The filter rows of one class, and which of the window's rows are inside the image: a tile leaves out the filter rows
// that meet only others.
struct FilterRows {
  const Stencil* stencil;
  int64_t h_class, terms_of_row;
  int64_t begin, end;  // the window's rows inside the image

  // The terms of the filter rows that the tile's output rows, grid rows first .. last of the class, meet inside.
  TILEGRAD_INLINE Range terms(int64_t first, int64_t last) const {
    const StencilAxis& axis = stencil->row;
    Range range{0, 0};
    for (int64_t r = 0; r < axis.taps; ++r) {
      const int64_t row = axis.tap_position(h_class, r);
      if (row < 0) continue;
      if (row + last * axis.step() < begin) range.begin += terms_of_row;
      if (row + first * axis.step() < end) range.end += terms_of_row;
    }
    return {smaller(range.begin, range.end), range.end};
  }
};

// What the tiles of one class and strip of columns need.
template <typename T>
struct BatchTile {
  FilterRows filter_rows;
  const int64_t* offsets;
  const T* weights;  // [term][column]
  ChunkEnds chunks;
  Epilogue<T> epilogue;
  int64_t first;  // the first column
};

template <typename T, int kColumns, int kVectors>
TILEGRAD_INLINE void accumulate_batch(RegisterTile<T, kColumns, kVectors>& tile, const T* const (&in)[kVectors],
                                      const int64_t* offsets, int64_t count, const T* weights) {
  for (int64_t k = 0; k < count; ++k) {
    const int64_t offset = offsets[k] * kBatchLanes;
    Vec<T> x[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) x[v] = load(in[v] + offset);
#pragma GCC unroll 8
    for (int m = 0; m < kColumns; ++m) {
      const Vec<T> w = broadcast(weights[m]);
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) tile.sum[m][v] = fma_lanes(x[v], w, tile.sum[m][v]);
    }
    weights += kColumns;
  }
}

template <typename T, int kColumns, int kVectors>
[[gnu::noinline]] void batch_tile(const BatchTile<T>& p, Range terms, const T* const (&in)[kVectors],
                                  T* const (&out)[kVectors]) {
  using Tile = RegisterTile<T, kColumns, kVectors>;
  Tile tile;
  tile.clear();
  T total[kColumns * Tile::kColumns];
  for (int i = 0; i < p.chunks.count; ++i) {
    const int64_t begin = larger(terms.begin, i ? p.chunks.ends[i - 1] : 0), end = smaller(terms.end, p.chunks.ends[i]);
    if (i > 0) {
      tile.store(total, Tile::kColumns);
      tile.clear();
    }
    accumulate_batch(tile, in, p.offsets + begin, end - begin, p.weights + begin * kColumns);
    if (i > 0) tile.add_to(total, Tile::kColumns);
  }
  const Vec<T> zero{};
#pragma GCC unroll 8
  for (int m = 0; m < kColumns; ++m) {
    const Vec<T> bias = p.epilogue.bias ? broadcast(p.epilogue.bias[p.first + m]) : zero;
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      Vec<T> sum = tile.sum[m][v];
      if (p.epilogue.bias) sum = sum + bias;
      if (p.epilogue.activation == Activation::relu) sum = sum < zero ? zero : sum;
      store(out[v] + m * kBatchLanes, sum);
    }
  }
}

template <typename T, int kColumns>
void batch_strip(const BatchTile<T>& p, const PixelGrid& grid, const T* in, T* out) {
  constexpr int kVectors = kBatchVectors<kColumns>;
  constexpr int64_t kParts = kBatchLanes / kLanes<T>;
  const T* ins[kVectors];
  T* outs[kVectors];
  PixelWalk at;
  int64_t part = 0;
  for (int64_t left = grid.count() * kParts; left > 0; left -= kVectors) {
    const int64_t first_row = at.h;
    int64_t last_row = at.h;
    for (int v = 0; v < kVectors; ++v) {
      if (v >= left) {  // computed twice, to the same place
        ins[v] = ins[0], outs[v] = outs[0];
        continue;
      }
      ins[v] = in + at.in * kBatchLanes + part * kLanes<T>;
      outs[v] = out + at.out * kBatchLanes + part * kLanes<T>;
      last_row = at.h;
      if (++part == kParts) part = 0, at.next(grid);
    }
    batch_tile<T, kColumns, kVectors>(p, p.filter_rows.terms(first_row, last_row), ins, outs);
  }
}

// Some groups' part of a stencil.
TILEGRAD_INLINE Stencil part_of(const Stencil& s, int64_t parts) {
  Stencil part = s;
  part.groups = s.groups / parts;
  part.in_channels = part.groups * s.group_in;
  part.out_channels = part.groups * s.group_out;
  return part;
}

// All outputs of the pixels of one unit, as [row][column][channel][image].
template <typename T>
void batch_block(const Stencil& s, const RowTiles& strips, int64_t first_row, int64_t height, const int64_t* offsets,
                 const T* packed, int64_t first_channel, const Epilogue<T>& epilogue, const T* window, T* block) {
  const int64_t terms = s.terms(), window_columns = s.column.extent(s.column.out);
  int64_t taken = 0;  // terms of the classes so far
  for (int64_t h = 0; h < s.row.classes(); ++h) {
    for (int64_t w = 0; w < s.column.classes(); ++w) {
      const PixelGrid grid = class_grid(s, h, w, 1, height, s.row.extent(height), window_columns);
      const int64_t out = (h * s.column.out + w) * s.out_channels;
      BatchTile<T> tile;
      tile.chunks = find_chunks(s, h, w);
      const int64_t top = s.row.begin(first_row);
      tile.filter_rows = {&s, h, taps_of_row(s, w) * s.group_in, -top, s.row.in - top};
      tile.offsets = offsets + taken;
      tile.epilogue = epilogue;
      for (int64_t i = 0; i < s.groups * strips.count; ++i) {
        const int64_t group = i / strips.count, strip = i % strips.count, columns = strips.rows(strip);
        const int64_t channel = group * s.group_out + strips.begin(strip);
        tile.first = first_channel + channel;
        tile.weights = packed + tile.first * terms + taken * columns;
        with_rows<kBatchColumns>(static_cast<int>(columns), [&](auto count) {
          batch_strip<T, count>(tile, grid, window + group * s.group_in * kBatchLanes,
                                block + (out + channel) * kBatchLanes);
        });
      }
      taken += for_each_tap(s, h, w, 0, [](int64_t, int64_t, int64_t, int64_t) {}) * s.group_in;
    }
  }
}

template <typename T>
void run_batch_stencil(const Team& team, const Stencil& s, const ConvPlan& plan, const T* x,
                       const StencilWeights<T>& weights, const Epilogue<T>& epilogue, T* y,
                       const Workspace& workspace) {
  const BatchWorkspace at = batch_workspace(s, plan, sizeof(T));
  char* const scratch = static_cast<char*>(workspace.data);
  int64_t* const offsets = reinterpret_cast<int64_t*>(scratch + at.offsets);
  T* const packed = reinterpret_cast<T*>(scratch + at.weights);
  const Stencil part = part_of(s, plan.parts);
  const int64_t window_columns = s.column.extent(s.column.out);

  const RowTiles strips(s.group_out, kBatchColumns);
  const Range packing = team.share(s.groups * strips.count);
  for (int64_t i = packing.begin; i < packing.end; ++i) {
    const int64_t group = i / strips.count, strip = i % strips.count, first = strips.begin(strip);
    pack_stencil_panel(s, weights, group, first, strips.rows(strip), strips.rows(strip),
                       packed + (group * s.group_out + first) * s.terms());
  }
  if (team.rank == team.size - 1) fill_offsets(part, window_columns, offsets);
  team.barrier();

  const int64_t members = smaller<int64_t>(team.size, plan.members);
  if (team.rank >= members) return;
  T* const window = reinterpret_cast<T*>(scratch + at.members + team.rank * at.per_member);
  T* const block = reinterpret_cast<T*>(scratch + at.members + team.rank * at.per_member + at.block);
  const int64_t bands = ceil_div(s.row.out, plan.band);
  const int64_t in_image = s.row.in * s.column.in * s.in_channels;
  const int64_t out_image = s.row.out * s.column.out * s.out_channels;
  const Team working{team.rank, static_cast<int>(members), nullptr};
  const Range units = working.share(ceil_div(s.N, kBatchLanes) * bands * plan.parts);
  for (int64_t unit = units.begin; unit < units.end; ++unit) {
    const int64_t part_index = unit % plan.parts, band = unit / plan.parts % bands;
    const int64_t image = unit / plan.parts / bands * kBatchLanes, images = smaller<int64_t>(kBatchLanes, s.N - image);
    const int64_t first = band * plan.band, height = smaller(plan.band, s.row.out - first);
    const int64_t in_channel = part_index * part.in_channels, out_channel = part_index * part.out_channels;
    const BatchImages<const T> in{x + image * in_image + in_channel, in_image, s.in_channels, images, part.in_channels};
    const BatchImages<T> out{y + image * out_image + out_channel, out_image, s.out_channels, images, part.out_channels};
    batch_window(in, part, s.row.begin(first), s.row.extent(height), window_columns, window);
    batch_block(part, strips, first, height, offsets, packed, out_channel, epilogue, window, block);
    const int64_t pixels = height * s.column.out, elements = pixels * part.out_channels * kBatchLanes;
    if (epilogue.activation > Activation::relu) activate(block, elements, 1, elements, epilogue.activation);
    lanes_to_pixels(block, out, first * s.column.out, pixels);
  }
}

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
