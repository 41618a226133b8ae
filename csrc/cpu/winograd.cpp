// Winograd's convolution: 3x3, stride 1 or 2. Of tiles of m x m outputs, a block at a time:
//
//     v[plane][tile][c]  the tile's inputs, transformed; at stride 2 c runs over the channels of some parts
//     m[plane][tile][k] = sum over c of v[plane][tile][c] * u[plane][c][k], one matrix product for each plane
//     y's m x m outputs, transformed back, with bias and activation
//
// A block's v and m stay in the L2 cache. No padded copy: pixels outside the image are pointers to a pixel of zeros.
// Channels that do not fill a vector overlap the vector before: csrc/ops sends C and K of at least 16.
#include "params/winograd.h"
#include "cpu/epilogue.h"
#include "cpu/pack_panel.h"
#include "cpu/transpose.h"
#include "cpu/winograd_tiles.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// Calls f with the tile and the step of p.
template <typename T, typename Sizes, typename F>
TILEGRAD_INLINE void with_tile(const Sizes& p, F f) {
  if constexpr (sizeof(T) == 4) {
    if (p.step < p.tile) return f(Constant<4>{}, Constant<2>{});
    if (p.tile == 4) return f(Constant<4>{}, Constant<4>{});
    if (p.step == 4) return f(Constant<2>{}, Constant<4>{});
  }
  f(Constant<2>{}, Constant<2>{});
}

// u = G w G^T for `channels` x `width` filters, w: [tap][channel][width].
template <typename T, int kTile, int kStep>
[[gnu::noinline]] void transform_weights(const T* w, int64_t tap_step, int64_t channels, int64_t width, T* u,
                                         int64_t plane, int64_t part) {
  constexpr WinogradAxis axis = winograd_axis(kTile, kStep);
  constexpr int kSide = axis.parts;
  using Weights = Transform<T, kTile, kStep>;
  for (int64_t at = 0; at < channels * width; at += kLanes<T>) {
    Vec<T> half[3][kSide];
#pragma GCC unroll 3
    for (int s = 0; s < 3; ++s) {
      const Vec<T> g[3] = {load(w + s * tap_step + at), load(w + (3 + s) * tap_step + at),
                           load(w + (6 + s) * tap_step + at)};
      Weights::weights(g, half[s]);
    }
#pragma GCC unroll 6
    for (int i = 0; i < kSide; ++i) {
      const Vec<T> g[3] = {half[0][i], half[1][i], half[2][i]};
      Vec<T> row[kSide];
      Weights::weights(g, row);
#pragma GCC unroll 6
      for (int j = 0; j < kSide; ++j) store(u + winograd_place(axis, i, j, plane, part) + at, row[j]);
    }
  }
}

template <typename T>
void winograd_weights(const Team& team, const WinogradWeights& p, const T* w, T* u) {
  constexpr int64_t kChannels = 16;  // of one piece of work
  constexpr int64_t kTap = kChannels * kWinogradPanel;
  T taps[9 * kTap];
  const int64_t panels = ceil_div(p.K, kWinogradPanel), pieces = ceil_div(p.C, kChannels);
  const int64_t plane = winograd_weights_plane(p.panel_channels(), p.K);
  const Range mine = team.share(p.groups * panels * pieces);
  for (int64_t i = mine.begin; i < mine.end; ++i) {
    const int64_t group = i / (panels * pieces), in_group = i % (panels * pieces);
    const int64_t first = in_group / pieces * kWinogradPanel, channel = in_group % pieces * kChannels;
    const int64_t columns = smaller(kWinogradPanel, p.K - first), width = winograd_columns(columns);
    const int64_t channels = smaller(kChannels, p.C - channel);
    const T* from = w + p.first + group * p.group_step + channel * p.channel_step + first * p.column_step;
    for (int tap = 0; tap < 9; ++tap, from += p.tap_step) {
      pack_panel(from, p.channel_step, p.column_step, channels, columns, width, taps + tap * kTap, width);
    }
    T* const to =
        u + group * winograd_weights_group(p.tile, p.step, p.C, p.K) + first * p.panel_channels() + channel * width;
    with_tile<T>(p, [&](auto tile, auto step) {
      transform_weights<T, tile, step>(taps, kTap, channels, width, to, plane, p.C * width);
    });
  }
}

// y = activation(A^T m A + bias), of which rows x columns outputs exist, `pixel` elements apart. Only relu is done here
// (activate() does the longer ones).
template <typename T, int kTile, int kStep>
[[gnu::noinline]] void transform_output(const T* m, int64_t plane, const T* bias, bool relu, T* y, int64_t line,
                                        int64_t pixel, int64_t channels, int64_t rows, int64_t columns,
                                        int64_t swapped) {
  if constexpr (kStep >= kTile) swapped = 0;
  constexpr int kSide = winograd_axis(kTile, kStep).planes;
  // Of a tile that is cut, a vector of channels goes here first.
  const bool whole = rows == kTile && columns == kTile;
  T cut[kTile * kTile * kLanes<T>];
  const int64_t to_line = whole ? line : kTile * kLanes<T>, to_column = whole ? pixel : kLanes<T>;
  const int64_t last = channels - kLanes<T>;
  for (int64_t first = 0; first < channels; first += kLanes<T>) {
    const int64_t k = smaller(first, last);
    Vec<T> half[kTile][kSide];
#pragma GCC unroll 6
    for (int j = 0; j < kSide; ++j) {
      Vec<T> products[kSide], column[kTile];
      const T* from = m + j * plane + k;
#pragma GCC unroll 6
      for (int i = 0; i < kSide; ++i) products[i] = load(from + i * kSide * plane);
      Transform<T, kTile, kStep>::output(products, column);
#pragma GCC unroll 4
      for (int i = 0; i < kTile; ++i) half[i][j] = column[i];
    }
    const Vec<T> zero{}, addend = bias ? load(bias + k) : zero;
    T* const to = whole ? y + k : cut;
#pragma GCC unroll 4
    for (int i = 0; i < kTile; ++i) {
      Vec<T> row[kTile];
      Transform<T, kTile, kStep>::output(half[i], row);
      T* const to_row = to + (i ^ swapped) * to_line;
#pragma GCC unroll 4
      for (int j = 0; j < kTile; ++j) {
        if (bias) row[j] = row[j] + addend;
        if (relu) row[j] = row[j] < zero ? zero : row[j];
        store(to_row + (j ^ swapped) * to_column, row[j]);
      }
    }
    if (whole) continue;
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < columns; ++j) {
        store(y + i * line + j * pixel + k, load(cut + (i * kTile + j) * kLanes<T>));
      }
    }
  }
}

// A register tile of one plane's product: kRows tiles by kVectors vectors of columns.
template <typename T>
struct Product {
  const T* v;
  int64_t v_row;
  const T* u;
  int64_t u_row;
  T* m;
  int64_t m_row;
  int64_t channels, chunk;
};

template <typename T, int kRows, int kVectors>
[[gnu::noinline]] void multiply(const Product<T>& p) {
  RegisterTile<T, kRows, kVectors> tile;
  for (int64_t c = 0; c < p.channels; c += p.chunk) {
    tile.clear();
    tile.accumulate(smaller(p.chunk, p.channels - c), TallRows<T, kRows>(p.v + c, p.v_row), p.u + c * p.u_row, p.u_row);
    if (c > 0) tile.add_to(p.m, p.m_row);
    tile.store(p.m, p.m_row);
  }
}

// `tiles` rows of a plane's product. Register tiles have an even height (fewer of them are compiled): one row more than
// there are tiles may be computed. Tall ones, because with 16 channels a tile's start and end are a third of its time.
template <typename T, int kVectors>
TILEGRAD_INLINE void multiply_rows(Product<T> p, int64_t tiles) {
  constexpr int kMost = kTallestRows<T, kVectors> / 2;
  const RowTiles pairs(ceil_div(tiles, 2), kMost);
  for (int64_t i = 0; i < pairs.count; ++i) {
    const int count = pairs.rows(i);
    with_rows<kMost>(count, [&](auto pair) { multiply<T, 2 * pair, kVectors>(p); });
    p.v += 2 * count * p.v_row;
    p.m += 2 * count * p.m_row;
  }
}

template <typename T>
struct WinogradBlocks {
  const Winograd& p;
  const WinogradWorkspace& at;
  const T* x;  // x, u, bias and y of the group that is worked on
  const T* u;
  const T* bias;
  T* y;
  T* scratch;

  void next_group() {
    x += p.C;
    u += winograd_weights_group(p.tile, p.step, p.C, p.K);
    if (bias) bias += p.K;
    y += p.K;
  }
  TILEGRAD_INLINE TiledImages<T> inputs() const {
    return {x,      p.H,       p.W,        p.groups * p.C,    p.tile_rows(), p.tile_columns(),
            p.step, p.pad_top, p.pad_left, scratch + at.zeros};
  }
  TILEGRAD_INLINE TiledImages<T> outputs() const {
    return {y, p.P, p.Q, p.groups * p.K, p.tile_rows(), p.tile_columns(), p.tile, 0, 0, nullptr};
  }

  // Transforms the inputs of tiles [begin, end); the block's first is tile `first`.
  template <int kTile, int kStep>
  [[gnu::noinline]] void load_tiles(int64_t first, int64_t begin, int64_t end) const {
    const TiledImages<T> images = inputs();
    TileWalk tile(begin, images.down, images.across);
    for (int64_t i = begin; i < end; ++i, tile.next()) {
      images.template with_tile<winograd_axis(kTile, kStep).inputs>(tile, [&](const auto& pixels) {
        transform_input<T, kTile, kStep>(pixels, p.C, scratch + at.v + (i - first) * at.v_row, at.v_plane, p.swapped);
      });
    }
  }

  // The products [begin, end) of a block of `tiles` tiles, counted by plane, then panel of columns. Memory rests meanwhile:
  // what is read and written next is fetched.
  void multiply_planes(int64_t tiles, int64_t begin, int64_t end, LinesAhead& read, LinesAhead& written) const {
    constexpr int kVectors = 2;
    constexpr int64_t kColumns = kVectors * kLanes<T>;
    const int64_t panels = ceil_div(p.K, kWinogradPanel), columns = winograd_columns(p.K);
    const WinogradAxis axis = winograd_axis(p.tile, p.step);
    const int64_t u_plane = winograd_weights_plane(p.most_channels(), p.K);
    for (int64_t i = begin; i < end; ++i) {
      read.fetch();
      written.fetch();
      const int64_t plane = i / panels, first = i % panels * kWinogradPanel;
      const int64_t width = smaller(kWinogradPanel, columns - first);
      const int64_t parts = axis.parts_of(plane);
      Product<T> product{scratch + at.v + plane * at.v_plane,
                         at.v_row,
                         u + plane * u_plane + first * p.most_channels(),
                         width,
                         scratch + at.m + plane * at.m_plane + first,
                         at.m_row,
                         parts * p.C,
                         contraction_chunk(parts * p.C)};
      int64_t n = 0;
      for (; n + kColumns <= width; n += kColumns, product.u += kColumns, product.m += kColumns) {
        multiply_rows<T, kVectors>(product, tiles);
      }
      if constexpr (kColumns > kWinogradColumns) {
        if (n < width) multiply_rows<T, 1>(product, tiles);
      }
    }
  }

  // Writes the outputs of tiles [begin, end).
  template <int kTile, int kStep>
  [[gnu::noinline]] void store_tiles(int64_t first, int64_t begin, int64_t end) const {
    const int64_t pixel = p.groups * p.K, line = p.Q * pixel;
    TileWalk tile(begin, p.tile_rows(), p.tile_columns());
    for (int64_t i = begin; i < end; ++i, tile.next()) {
      const int64_t row = tile.row * kTile, column = tile.column * kTile;
      const int64_t rows = smaller<int64_t>(kTile, p.P - row), columns = smaller<int64_t>(kTile, p.Q - column);
      T* const to = y + (tile.image * p.P + row) * line + column * pixel;
      transform_output<T, kTile, kStep>(scratch + at.m + (i - first) * at.m_row, at.m_plane, bias,
                                        p.activation == Activation::relu, to, line, pixel, p.K, rows, columns,
                                        p.swapped);
      if (p.activation > Activation::relu) {
        for (int64_t r = 0; r < rows; ++r) activate(to + r * line, pixel, columns, p.K, p.activation);
      }
    }
  }
};

template <typename T>
[[gnu::noinline]] void winograd(const Team& team, const Winograd& p, const T* x, const T* u, const T* bias, T* y,
                                const Workspace& workspace) {
  const bool together = p.members == 0;
  if (!together && team.rank >= p.members) return;
  const WinogradWorkspace at = winograd_workspace(p, sizeof(T));
  T* const scratch = static_cast<T*>(workspace.data) + (together ? 0 : team.rank * at.end);
  if (!together || team.rank == 0) {
    for (int64_t c = 0; c < winograd_columns(p.C); ++c) scratch[at.zeros + c] = 0;
  }
  const WinogradBlocks<T> first_group{p, at, x, u, bias, y, scratch};
  const Team working = together ? team : Team{};
  const Team sharing{team.rank, static_cast<int>(smaller<int64_t>(team.size, p.members)), nullptr};
  const Range mine = together ? Range{0, p.tiles()} : sharing.share(p.tiles());
  const int64_t products = p.planes() * ceil_div(p.K, kWinogradPanel);
  working.barrier();
  for (int64_t first = mine.begin; first < mine.end; first += p.block) {
    const int64_t tiles = smaller(p.block, mine.end - first);
    const Range my_tiles = working.share(tiles), my_products = working.share(products);
    const int64_t after = smaller(first + p.block, mine.end), parts = my_products.end - my_products.begin;
    WinogradBlocks<T> blocks = first_group;
    LinesAhead read = blocks.inputs().lines_ahead(after, smaller(after + p.block, mine.end), p.groups * parts);
    LinesAhead written = blocks.outputs().lines_ahead(first + my_tiles.begin, first + my_tiles.end, parts);
    for (int64_t group = 0; group < p.groups; ++group, blocks.next_group()) {
      with_tile<T>(p, [&](auto tile, auto step) {
        blocks.template load_tiles<tile, step>(first, first + my_tiles.begin, first + my_tiles.end);
      });
      working.barrier();
      blocks.multiply_planes(tiles, my_products.begin, my_products.end, read, written);
      working.barrier();  // and the next v is not read before its own first barrier, nor is m written
      with_tile<T>(p, [&](auto tile, auto step) {
        blocks.template store_tiles<tile, step>(first, first + my_tiles.begin, first + my_tiles.end);
      });
    }
  }
}

// y = activation(conv(x, w) + bias), where u is winograd_weights of w.
template <typename T>
void winograd_forward(const Team& team, const Winograd& p, const T* x, const T* u, const T* bias, T* y,
                      Workspace workspace) {
  winograd(team, p, x, u, bias, y, workspace);
}

// dx from dy, where u is winograd_weights of the turned filter; bias and activation are those of a transposed convolution.
template <typename T>
void winograd_backward_data(const Team& team, const Winograd& p, const T* dy, const T* u, const T* bias, T* dx,
                            Workspace workspace) {
  winograd(team, p, dy, u, bias, dx, workspace);
}

}  // namespace
DEFINE_KERNEL(winograd_weights, FLOATING)
DEFINE_KERNEL(winograd_forward, FLOATING)
DEFINE_KERNEL(winograd_backward_data, FLOATING)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
