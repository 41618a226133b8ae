// dw[r, s, c, k] = sum over n, p, q of x[n, p * stride_h + r * dilation_h - pad_top, ..., c] * dy[n, p, q, k]: a
// product of dy with x's windows transposed, whose sum runs over pixels. Pixels come in chunks (contraction_chunk), and
// chunks in blocks of plan.band pixels, for which a member makes a zero-padded copy of the image rows that they see.
//
// Work is shared in one of two ways, with the same bits. Large filters: every member owns some tiles of dw and goes
// through all chunks. Small filters, with too few tiles for that (plan.partials > 1): every member takes some chunks,
// and the chunks' results are joined in ascending order at the end.
#include "cpu/conv_tile.h"
#include "params/stencil.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// One tile of dw for one block of pixels.
template <typename T>
struct WeightsTile {
  const int64_t* offsets;  // of the pixels
  int64_t pixels;
  const T* b;
  int64_t b_step;
  const T* chain;  // the chunk's sums so far, or null at its start
  const T* total;  // the sums of the chunks before, to be added at the chunk's end, or null
  T* to;
  int64_t stride;
  int64_t columns;
};

template <Kind kind, typename T, int kRows, int kVectors>
[[gnu::noinline]] void weights_tile(const WeightsTile<T>& p, const T* const* rows, int64_t count) {
  using Tile = RegisterTile<T, kRows, kVectors>;
  Tile tile;
  if (count == kRows) {
    if (p.chain) {
      tile.load(p.chain, p.stride, p.columns);
    } else {
      tile.clear();
    }
    accumulate<kind>(tile, rows, p.offsets, p.pixels, p.b, p.b_step);
    if (p.total) tile.add_to(p.total, p.stride, p.columns);
    tile.store(p.to, p.stride, p.columns);
    return;
  }
  // A tile higher than the rows that are left works on a block of its own.
  const int height = static_cast<int>(count);
  T block[kRows * Tile::kColumns] = {};
  if (p.chain) copy_columns(p.chain, p.stride, block, Tile::kColumns, height, p.columns);
  tile.load(block, Tile::kColumns);
  accumulate<kind>(tile, rows, p.offsets, p.pixels, p.b, p.b_step);
  if (p.total) {
    copy_columns(p.total, p.stride, block, Tile::kColumns, height, p.columns);
    tile.add_to(block, Tile::kColumns);
  }
  tile.store(block, Tile::kColumns);
  copy_columns(block, Tile::kColumns, p.to, p.stride, height, p.columns);
}

// The tiles of dw: for each panel of columns, the filter elements of its group in tiles of even height.
template <typename T>
struct WeightsTiles {
  int64_t group_rows, group_columns, groups;
  Panels<T> panels;
  RowTiles wide, narrow;

  TILEGRAD_INLINE WeightsTiles(int64_t rows, int64_t columns, int64_t groups)
      : group_rows(rows),
        group_columns(columns),
        groups(groups),
        panels{columns},
        wide(rows, kConvRows<T, kConvVectors>),
        narrow(rows, kConvRows<T, 1>) {}
  TILEGRAD_INLINE bool is_narrow(int64_t panel) const { return panels.packed_width(panel) == kLanes<T>; }
  TILEGRAD_INLINE const RowTiles& of(int64_t panel) const { return is_narrow(panel) ? narrow : wide; }
  // Only the last panel of a group may be narrow.
  TILEGRAD_INLINE int64_t per_group() const { return (panels.count() - 1) * wide.count + of(panels.count() - 1).count; }
  TILEGRAD_INLINE int64_t count() const { return groups * per_group(); }
};

// Fills offsets with where pixels [begin, end) of the (n, p, q) sequence begin, and the window with the rows they see.
template <typename T>
const T* load_pixels(const Conv2d& p, const Stencil& s, int64_t begin, int64_t end, const T* x, T* window,
                     int64_t* offsets) {
  const bool in_place = p.plan.window == 0;
  const int64_t columns = in_place ? p.W : s.column.extent(p.Q);
  const int64_t line = columns * p.C;
  const int64_t last_row = (end - 1) / p.Q;
  int64_t at = begin;
  int64_t base = 0;  // of the image's first row in the window
  for (int64_t row = begin / p.Q; row <= last_row;) {
    const int64_t image = row / p.P, first = row % p.P;
    const int64_t height = smaller(p.P - first, last_row - row + 1);
    const int64_t top = s.row.begin(first), rows = s.row.extent(height);
    if (in_place) {
      base = ((image * p.H + top) * p.W + s.column.begin(0)) * p.C;
    } else {
      copy_window(x + image * p.H * p.W * p.C, p.H, p.W, p.C, top, s.column.begin(0), window + base, rows, columns);
    }
    for (int64_t i = 0; i < height; ++i, ++row) {
      const int64_t stop = smaller((row + 1) * p.Q, end);
      int64_t offset = base + i * p.stride_h * line + at % p.Q * p.stride_w * p.C;
      for (; at < stop; ++at, offset += p.stride_w * p.C) *offsets++ = offset;
    }
    base += rows * line;
  }
  return in_place ? x : window;
}

template <Kind kind, int kVectors, typename T>
void weights_panel(WeightsTile<T>& tile, const RowTiles& tiles, int64_t first, int64_t last, const T* a,
                   const int64_t* m_offsets) {
  constexpr int kMost = kConvRows<T, kVectors>;
  const T* const chain = tile.chain;
  const T* const total = tile.total;
  T* const to = tile.to;
  const T* rows[kMost];
  for (int64_t i = first; i < last; ++i) {
    const int64_t m = tiles.begin(i), count = tiles.rows(i);
    for (int64_t j = 0; j < kMost; ++j) rows[j] = a + m_offsets[m + (j < count ? j : 0)];
    tile.chain = chain ? chain + m * tile.stride : nullptr;
    tile.total = total ? total + m * tile.stride : nullptr;
    tile.to = to + m * tile.stride;
    with_height<kMost>(count, [&](auto height) { weights_tile<kind, T, height, kVectors>(tile, rows, count); });
  }
}

template <Kind kind, typename T>
void backward_weights(const Team& team, const Conv2d& p, const Stencil& s, const T* x, const T* dy, T* dw,
                      const Workspace& workspace) {
  constexpr bool kChannelwise = kind == Kind::channelwise;
  const WeightsWorkspace at = weights_workspace(p, sizeof(T));
  char* const scratch = static_cast<char*>(workspace.data);
  int64_t* const m_offsets = reinterpret_cast<int64_t*>(scratch + at.m_offsets);
  T* const partials = reinterpret_cast<T*>(scratch + at.partials);

  const WeightsTiles<T> tiles(s.terms(), kChannelwise ? p.K : s.group_out, kChannelwise ? 1 : p.groups);
  const int64_t pixels = p.N * p.P * p.Q, size = s.terms() * p.K;
  const int64_t chunk = contraction_chunk(pixels), chunks = ceil_div(pixels, chunk);
  const bool by_chunks = p.plan.partials > 1;

  if (team.rank == 0) {
    const int64_t line = (p.plan.window == 0 ? p.W : s.column.extent(p.Q)) * p.C;
    for (int64_t m = 0; m < s.terms(); ++m) {
      const int64_t tap = m / s.group_in;
      m_offsets[m] = tap / p.S * p.dilation_h * line + tap % p.S * p.dilation_w * p.C + m % s.group_in;
    }
  }
  team.barrier();

  const int64_t members = smaller<int64_t>(team.size, p.plan.members);
  if (team.rank < members) {
    char* const own = scratch + at.members + team.rank * at.per_member;
    int64_t* const k_offsets = reinterpret_cast<int64_t*>(own + at.k_offsets);
    T* const packed = reinterpret_cast<T*>(own + at.panel);
    T* const window = reinterpret_cast<T*>(own + at.window);
    const Team working{team.rank, static_cast<int>(members), nullptr};
    const Range my_chunks = by_chunks ? working.share(chunks) : Range{0, chunks};
    const Range my_tiles = by_chunks ? Range{0, tiles.count()} : working.share(tiles.count());
    for (int64_t c = my_chunks.begin; c < my_chunks.end && my_tiles.begin < my_tiles.end; ++c) {
      const int64_t chunk_end = smaller((c + 1) * chunk, pixels);
      T* const partial = partials + (by_chunks ? c * size : 0);
      for (int64_t begin = c * chunk; begin < chunk_end; begin += p.plan.band) {
        const int64_t end = smaller(begin + p.plan.band, chunk_end);
        const bool starts = begin == c * chunk, ends = end == chunk_end;
        const T* const a = load_pixels(p, s, begin, end, x, window, k_offsets);
        for (int64_t i = my_tiles.begin; i < my_tiles.end;) {
          const int64_t group = i / tiles.per_group(), in_group = i % tiles.per_group();
          const int64_t panel = smaller(in_group / tiles.wide.count, tiles.panels.count() - 1);
          const RowTiles& row_tiles = tiles.of(panel);
          const int64_t first = in_group - panel * tiles.wide.count;
          const int64_t last = smaller(row_tiles.count, first + my_tiles.end - i);
          const int64_t width = tiles.panels.width(panel), packed_width = tiles.panels.packed_width(panel);
          const int64_t column = group * tiles.group_columns + tiles.panels.first(panel);

          WeightsTile<T> tile;
          tile.offsets = k_offsets;
          tile.pixels = end - begin;
          tile.b = dy + begin * p.K + column;
          tile.b_step = p.K;
          // A panel that several tiles will read is worth packing; a ragged one must be, so as not to read past dy's
          // end.
          if (width < packed_width || last - first > 4) {
            for (int64_t k = 0; k < tile.pixels; ++k) {
              const T* from = tile.b + k * p.K;
              T* to = packed + k * packed_width;
              for (int64_t n = 0; n < width; ++n) to[n] = from[n];
              for (int64_t n = width; n < packed_width; ++n) to[n] = 0;
            }
            tile.b = packed;
            tile.b_step = packed_width;
          }
          tile.chain = starts ? nullptr : partial + column;
          tile.total = ends && !by_chunks && c > 0 ? dw + column : nullptr;
          tile.to = (ends && !by_chunks ? dw : partial) + column;
          tile.stride = p.K;
          tile.columns = width;
          const T* const from = a + (kChannelwise ? column : group * s.group_in);
          if (tiles.is_narrow(panel)) {
            weights_panel<kind, 1>(tile, row_tiles, first, last, from, m_offsets);
          } else {
            weights_panel<kind, kConvVectors>(tile, row_tiles, first, last, from, m_offsets);
          }
          i += last - first;
        }
      }
    }
  }
  if (!by_chunks && chunks > 0) return;
  team.barrier();
  const Range mine = team.share(size, 16);
  for (int64_t i = mine.begin; i < mine.end; ++i) dw[i] = chunks > 0 ? partials[i] : T(0);
  for (int64_t c = 1; c < chunks; ++c) {
    const T* const partial = partials + c * size;
    for (int64_t i = mine.begin; i < mine.end; ++i) dw[i] += partial[i];
  }
}

template <typename T>
void conv2d_backward_weights(const Team& team, const Conv2d& p, const T* x, const T* dy, T* dw, Workspace workspace) {
  const Stencil s = forward_stencil(p);
  if (s.channelwise) return backward_weights<Kind::channelwise>(team, p, s, x, dy, dw, workspace);
  backward_weights<Kind::dense>(team, p, s, x, dy, dw, workspace);
}

}  // namespace
DEFINE_KERNEL(conv2d_backward_weights, FLOATING)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
