// Stencils over images of one channel, with few output channels: lanes run along neighbouring pixels of a row, which are
// neighbours in memory. Every lane is one pixel's own sum, so the bits are those of stencil.h, where lanes run along
// output channels and most would be empty.
//
// A tile is all channels of some vectors of pixels. Each term costs a load for each vector and a broadcast weight for each
// channel. The sums are transposed in registers to [pixel][channel] as they are stored.
#pragma once

#include "cpu/epilogue.h"
#include "cpu/stencil_walk.h"
#include "cpu/transpose.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// Vectors of pixels of a tile: their sums, the vectors themselves and a weight fill the registers.
template <int kChannels>
inline constexpr int kPixelVectors = kHasFma ? larger(1, smaller(8, (kVectorRegisters - 1) / (kChannels + 1))) : 1;

template <typename T>
struct PixelTile {
  const int64_t* offsets;
  const T* weights;  // [term][kChannels]
  int64_t terms;
  const T* bias;  // or null
  bool relu;
  int64_t channels;  // those that exist
  int64_t pixels;    // of a vector: all lanes, or less where rows are shorter
  const T* end;      // of what the member may write
};

// Stores the sums of one vector of pixels. A pixel's last lanes may stick out into the next pixel, which is stored later;
// at the end of all they are cut.
template <int kChannels, typename T>
TILEGRAD_INLINE void store_pixels(const PixelTile<T>& p, const Vec<T> (&sums)[kChannels], T* y) {
  constexpr int L = kLanes<T>, kGroup = smaller(8, L), kGroups = ceil_div(kChannels, kGroup);
  typedef T Group __attribute__((vector_size(kGroup * static_cast<int>(sizeof(T)))));
  T cut[(L - 1) * kChannels + kGroups * kGroup];
  const bool whole = p.pixels == L && p.end - y >= (L - 1) * p.channels + kGroups * kGroup;
  T* const to = whole ? y : cut;
  Vec<T> rows[kGroups][kGroup];
#pragma GCC unroll 8
  for (int g = 0; g < kGroups; ++g) {
#pragma GCC unroll 8
    for (int i = 0; i < kGroup; ++i) rows[g][i] = g * kGroup + i < kChannels ? sums[g * kGroup + i] : Vec<T>{};
    transpose_blocks<kGroup>(rows[g]);
  }
#pragma GCC unroll 8
  for (int first = 0; first < L; first += kGroup) {
#pragma GCC unroll 8
    for (int i = 0; i < kGroup; ++i) {
#pragma GCC unroll 8
      for (int g = 0; g < kGroups; ++g) {
        Group part;
        __builtin_memcpy(&part, reinterpret_cast<const char*>(&rows[g][i]) + first * static_cast<int>(sizeof(T)),
                         sizeof part);
        __builtin_memcpy(to + (first + i) * p.channels + g * kGroup, &part, sizeof part);
      }
    }
  }
  if (!whole) __builtin_memcpy(y, cut, static_cast<size_t>(p.pixels * p.channels) * sizeof(T));
}

// The vectors of pixels whose windows begin at x[v] and whose results at y[v], in ascending order.
template <int kChannels, int kVectors, typename T>
[[gnu::noinline]] void pixel_tile(const PixelTile<T>& p, const T* const* x, T* const* y) {
  Vec<T> sums[kVectors][kChannels];
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) {
#pragma GCC unroll 8
    for (int k = 0; k < kChannels; ++k) sums[v][k] = Vec<T>{};
  }
  const T* weights = p.weights;
  for (int64_t t = 0; t < p.terms; ++t, weights += kChannels) {
    Vec<T> pixels[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) pixels[v] = load(x[v] + p.offsets[t]);
#pragma GCC unroll 8
    for (int k = 0; k < kChannels; ++k) {
      const Vec<T> weight = broadcast(weights[k]);
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) sums[v][k] = fma_lanes(pixels[v], weight, sums[v][k]);
    }
  }
#pragma GCC unroll 8
  for (int k = 0; k < kChannels; ++k) {
    const Vec<T> zero{}, addend = p.bias && k < p.channels ? broadcast(p.bias[k]) : zero;
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      if (p.bias) sums[v][k] = sums[v][k] + addend;
      if (p.relu) sums[v][k] = sums[v][k] < zero ? zero : sums[v][k];
    }
  }
#pragma GCC unroll 1  // a vector's stores are many
  for (int v = 0; v < kVectors; ++v) store_pixels<kChannels>(p, sums[v], y[v]);
}

// `rows` rows of an image's output, the first at `out`, whose input is a window of `line` columns.
template <int kChannels, typename T>
void pixel_rows(const Stencil& s, const PixelTile<T>& tile, const T* window, int64_t line, int64_t rows, T* out) {
  constexpr int kVectors = kPixelVectors<kChannels>;
  const int64_t Q = s.column.out, last = larger<int64_t>(Q - kLanes<T>, 0);
  const T* x[kVectors];
  T* y[kVectors];
  int taken = 0;
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t first = 0; first < Q; first += kLanes<T>) {
      const int64_t column = smaller(first, last);
      x[taken] = window + row * s.row.step() * line + column;
      y[taken] = out + (row * Q + column) * s.out_channels;
      if (++taken < kVectors && (row + 1 < rows || first + kLanes<T> < Q)) continue;
      for (; taken < kVectors; ++taken) x[taken] = x[taken - 1], y[taken] = y[taken - 1];  // the last ones again
      pixel_tile<kChannels, kVectors>(tile, x, y);
      taken = 0;
    }
  }
}

template <typename T>
void run_pixels(const Team& team, const Stencil& s, const ConvPlan& plan, const T* x, const StencilWeights<T>& weights,
                const Epilogue<T>& epilogue, T* y, const Workspace& workspace) {
  const StencilWorkspace at = stencil_workspace(s, plan, sizeof(T));
  char* const scratch = static_cast<char*>(workspace.data);
  int64_t* const offsets = reinterpret_cast<int64_t*>(scratch + at.offsets);
  T* const packed = reinterpret_cast<T*>(scratch + at.weights);
  const int64_t columns = s.column.extent(s.column.out), channels = round_up(s.out_channels, 2);
  if (team.rank == 0) pack_stencil_panel(s, weights, 0, 0, s.out_channels, channels, packed);
  if (team.rank == team.size - 1) fill_offsets(s, columns, offsets);
  team.barrier();

  const int64_t members = smaller<int64_t>(team.size, plan.members), line = s.column.out * s.out_channels;
  if (team.rank >= members) return;
  T* const window = reinterpret_cast<T*>(scratch + at.windows +
                                         team.rank * whole_lines(plan.window * static_cast<int64_t>(sizeof(T))));
  const Range mine = Team{team.rank, static_cast<int>(members), nullptr}.share(s.N * s.row.out);
  PixelTile<T> tile{offsets,
                    packed,
                    s.terms(),
                    epilogue.bias,
                    epilogue.activation == Activation::relu,
                    s.out_channels,
                    smaller<int64_t>(kLanes<T>, s.column.out),
                    y + mine.end * line};
  for (int64_t i = mine.begin; i < mine.end;) {
    const int64_t image = i / s.row.out, first = i % s.row.out;
    const int64_t rows = smaller(smaller(plan.band, s.row.out - first), mine.end - i);
    copy_window(x + image * s.row.in * s.column.in, s.row.in, s.column.in, 1, s.row.begin(first), s.column.begin(0),
                window, s.row.extent(rows), columns);
    T* const out = y + i * line;
    switch (channels) {
      case 2:
        pixel_rows<2>(s, tile, window, columns, rows, out);
        break;
      case 4:
        pixel_rows<4>(s, tile, window, columns, rows, out);
        break;
      case 6:
        pixel_rows<6>(s, tile, window, columns, rows, out);
        break;
      default:
        pixel_rows<8>(s, tile, window, columns, rows, out);
    }
    if (epilogue.activation > Activation::relu) activate(out, line, rows, line, epilogue.activation);
    i += rows;
  }
}

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
