// The gradient of the weights by Winograd's algorithm: what backpropagation through y = A^T [(G w G^T) * (B^T x B)] A
// gives. Over tiles of 4 x 4 outputs, a block at a time,
//
//     v[plane][tile][c]  inputs, transformed as in the forward pass: B^T x B
//     d[plane][tile][k]  gradients of the outputs: A dy A^T
//     sums[plane][c][k] += sum over tiles of v[plane][tile][c] * d[plane][tile][k]
//
// and in the end dw = G^T sums G. (At stride 2 of 2 x 2 outputs, and c runs over the channels of some parts.) Sums are cut
// into chunks of tiles (contraction_chunk). Members work on chunks of their own and wait for nobody where there are enough;
// else all work on a block together: each transforms some of its tiles and owns some of the planes' sums. The bits are the
// same.
#include "cpu/register_tile.h"
#include "cpu/winograd_tiles.h"
#include "params/winograd.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

template <typename T, int kTile, int kStep, typename Pixels>
[[gnu::noinline]] void transform_gradient(const Pixels& pixels, int64_t channels, T* d, int64_t plane) {
  constexpr int kPlanes = winograd_axis(kTile, kStep).planes;
  transform_pixels<kTile, kPlanes>(
      pixels, channels, d,
      [](const auto& dy, auto& to) __attribute__((always_inline)) { Transform<T, kTile, kStep>::gradient(dy, to); },
      [&](int i, int j) __attribute__((always_inline)) { return (i * kPlanes + j) * plane; });
}

// dw[tap][k] = G^T sums G for the filters of one channel, where the sums are those of `chunks` chunks, added in order.
template <int kTile, int kStep, typename T>
[[gnu::noinline]] void transform_sums(const T* sums, int64_t plane, int64_t part, int64_t chunks, int64_t chunk,
                                      int64_t columns, T* dw, int64_t tap) {
  constexpr WinogradAxis axis = winograd_axis(kTile, kStep);
  constexpr int kSide = axis.parts;
  const int64_t last = columns - kLanes<T>;
  for (int64_t first = 0; first < columns; first += kLanes<T>) {
    const int64_t k = smaller(first, last);
    Vec<T> half[3][kSide];
#pragma GCC unroll 6
    for (int j = 0; j < kSide; ++j) {
      Vec<T> from[kSide], to[3];
#pragma GCC unroll 6
      for (int i = 0; i < kSide; ++i) {
        const T* const sum = sums + winograd_place(axis, i, j, plane, part) + k;
        from[i] = load(sum);
        for (int64_t n = 1; n < chunks; ++n) from[i] = from[i] + load(sum + n * chunk);
      }
      Transform<T, kTile, kStep>::weights_gradient(from, to);
#pragma GCC unroll 3
      for (int i = 0; i < 3; ++i) half[i][j] = to[i];
    }
#pragma GCC unroll 3
    for (int i = 0; i < 3; ++i) {
      Vec<T> to[3];
      Transform<T, kTile, kStep>::weights_gradient(half[i], to);
#pragma GCC unroll 3
      for (int j = 0; j < 3; ++j) store(dw + (i * 3 + j) * tap + k, to[j]);
    }
  }
}

// A block's share in the sums of kRows channels and kVectors vectors of columns.
template <typename T>
struct Accumulation {
  int64_t tiles;
  const T* v;
  int64_t v_row;
  const T* d;
  int64_t d_row;
  const T* chain;  // the chunk's sums so far, or null at its start
  const T* total;  // the sums of the chunks before, to be added at the chunk's end, or null
  T* to;
  int64_t row;
};

template <typename T, int kRows, int kVectors>
[[gnu::noinline]] void accumulate_tiles(const Accumulation<T>& p) {
  RegisterTile<T, kRows, kVectors> tile;
  if (p.chain) {
    tile.load(p.chain, p.row);
  } else {
    tile.clear();
  }
  tile.accumulate(p.tiles, Interleaved<T>{p.v, p.v_row}, p.d, p.d_row);
  if (p.total) tile.add_to(p.total, p.row);
  tile.store(p.to, p.row);
}

// All channels. Register tiles have an even height: the sums of one channel more than there are may be computed.
template <typename T, int kVectors>
TILEGRAD_INLINE void accumulate_channels(Accumulation<T> p, int64_t channels) {
  constexpr int kMost = kTallestRows<T, kVectors> / 2;
  const RowTiles pairs(ceil_div(channels, 2), kMost);
  for (int64_t i = 0; i < pairs.count; ++i) {
    const int count = pairs.rows(i);
    with_rows<kMost>(count, [&](auto pair) { accumulate_tiles<T, 2 * pair, kVectors>(p); });
    const int64_t next = 2 * count * p.row;
    p.v += 2 * count;
    p.chain = p.chain ? p.chain + next : nullptr;
    p.total = p.total ? p.total + next : nullptr;
    p.to += next;
  }
}

// Calls f with the tile and the step of p.
template <typename F>
TILEGRAD_INLINE void with_tile(const Winograd& p, F f) {
  if (p.step == p.tile) return f(Constant<4>{}, Constant<4>{});
  f(Constant<2>{}, Constant<4>{});
}

template <typename T>
struct WinogradGradient {
  const Winograd& p;
  const WinogradSums& at;
  TiledImages<T> inputs, gradients;

  // Transforms a group of tiles begin, ..., end - 1 of a block whose first is tile `first`.
  template <int kTile, int kStep>
  [[gnu::noinline]] void load_tiles(int64_t group, int64_t first, int64_t begin, int64_t end, T* v, T* d) const {
    TiledImages<T> x = inputs, dy = gradients;
    x.images += group * p.C;
    dy.images += group * p.K;
    TileWalk tile(begin, inputs.down, inputs.across);
    for (int64_t i = begin; i < end; ++i, tile.next()) {
      x.template with_tile<winograd_axis(kTile, kStep).inputs>(tile, [&](const auto& pixels) {
        transform_input<T, kTile, kStep>(pixels, p.C, v + (i - first) * at.v_row, at.v_plane, 0);
      });
      dy.template with_tile<kTile>(tile, [&](const auto& pixels) {
        transform_gradient<T, kTile, kStep>(pixels, p.K, d + (i - first) * at.d_row, at.d_plane);
      });
    }
  }

  // sums = (or, if `continues`, +=) the products of a group of a block; plus `total` if it is given. Memory rests
  // meanwhile: the lines of the tiles that the member transforms next are fetched.
  void accumulate(const Team& team, int64_t tiles, const T* v, const T* d, bool continues, T* sums, const T* total,
                  T* to, LinesAhead& x_lines, LinesAhead& dy_lines) const {
    constexpr int kVectors = 2;
    constexpr int64_t kColumns = kVectors * kLanes<T>;
    const int64_t columns = winograd_columns(p.K), panels = ceil_div(columns, kColumns);
    const Range mine = team.share(p.planes() * panels);
    for (int64_t i = mine.begin; i < mine.end; ++i) {
      x_lines.fetch();
      dy_lines.fetch();
      const int64_t plane = i / panels, first = i % panels * kColumns, place = plane * at.sum_plane + first;
      const int64_t channels = winograd_axis(p.tile, p.step).parts_of(plane) * p.C;
      const Accumulation<T> sum{tiles,
                                v + plane * at.v_plane,
                                at.v_row,
                                d + plane * at.d_plane + first,
                                at.d_row,
                                continues ? sums + place : nullptr,
                                total ? total + place : nullptr,
                                to + place,
                                at.sum_row};
      if (columns - first >= kColumns) {
        accumulate_channels<T, kVectors>(sum, channels);
      } else if constexpr (kColumns > kWinogradColumns) {
        accumulate_channels<T, 1>(sum, channels);
      }
    }
  }

  // A chunk's sums, by the whole of `team`. At its end they are added to total, if there is one, and stored to `to`.
  void run_chunk(const Team& team, int64_t begin, int64_t end, T* v, T* d, T* sums, const T* total, T* to) const {
    for (int64_t first = begin; first < end; first += p.block) {
      const int64_t next = smaller(first + p.block, end);
      const Range mine = team.share(next - first);
      const bool ends = next == end;
      const int64_t after = smaller(next + p.block, p.tiles());
      const Range mine_after = team.share(after - next);
      const int64_t parts = ceil_div(p.groups * p.planes() * ceil_div(p.K, 2 * kLanes<T>), team.size);
      LinesAhead x_lines = inputs.lines_ahead(next + mine_after.begin, next + mine_after.end, parts);
      LinesAhead dy_lines = gradients.lines_ahead(next + mine_after.begin, next + mine_after.end, parts);
      for (int64_t group = 0, place = 0; group < p.groups; ++group, place += at.sum_group) {
        with_tile(p, [&](auto tile, auto step) {
          load_tiles<tile, step>(group, first, first + mine.begin, first + mine.end, v, d);
        });
        team.barrier();
        accumulate(team, next - first, v, d, first > begin, sums + place, ends && total ? total + place : nullptr,
                   (ends ? to : sums) + place, x_lines, dy_lines);
        team.barrier();
      }
    }
  }
};

template <typename T>
void run(const Team& team, const Winograd& p, const T* x, const T* dy, T* dw, T* scratch) {
  const WinogradSums at = winograd_sums(p, sizeof(T));
  if (team.rank == 0) {
    for (int64_t c = 0; c < at.end - at.zeros; ++c) scratch[at.zeros + c] = 0;
  }
  team.barrier();
  const T* const zeros = scratch + at.zeros;
  const int64_t columns = p.groups * p.K;
  const int64_t down = p.tile_rows(), across = p.tile_columns(), tiles = p.tiles();
  const WinogradGradient<T> gradient{p,
                                     at,
                                     {x, p.H, p.W, p.groups * p.C, down, across, p.step, p.pad_top, p.pad_left, zeros},
                                     {dy, p.P, p.Q, columns, down, across, p.tile, 0, 0, zeros}};
  const int64_t chunk = contraction_chunk(tiles);
  T* const sums = scratch + at.sums;
  T* const shared = scratch + at.blocks;
  int64_t kept = 1;  // chunks whose sums are kept apart
  int64_t first = 0;
  if (p.members > 0) {
    // As many chunks for each member, which works on them alone; then all work on what is left together, a short last chunk
    // too.
    kept = ceil_div(tiles, chunk);
    const int64_t members = smaller<int64_t>(team.size, p.members), each = (tiles + chunk / 4) / chunk / members;
    if (team.rank < members) {
      T* const own = shared + team.rank * at.block;
      for (int64_t c = team.rank * each; c < (team.rank + 1) * each; ++c) {
        T* const to = sums + c * at.chunk_sums;
        gradient.run_chunk(Team{}, c * chunk, smaller((c + 1) * chunk, tiles), own, own + at.d, to, nullptr, to);
      }
    }
    team.barrier();
    for (int64_t c = each * members; c < kept; ++c) {
      T* const to = sums + c * at.chunk_sums;
      gradient.run_chunk(team, c * chunk, smaller((c + 1) * chunk, tiles), shared, shared + at.d, to, nullptr, to);
    }
    first = tiles;
  }
  for (; first < tiles; first += chunk) {
    // The first chunk's sums are the total so far; those of another are added to it.
    const bool another = first > 0;
    gradient.run_chunk(team, first, smaller(first + chunk, tiles), shared, shared + at.d,
                       another ? sums + at.chunk_sums : sums, another ? sums : nullptr, sums);
  }
  const Range filters = team.share(p.groups * p.C);
  for (int64_t i = filters.begin; i < filters.end; ++i) {
    const int64_t group = i / p.C, c = i % p.C;
    with_tile(p, [&](auto tile, auto step) {
      transform_sums<tile, step>(sums + group * at.sum_group + c * at.sum_row, at.sum_plane, p.C * at.sum_row, kept,
                                 at.chunk_sums, p.K, dw + c * columns + group * p.K, p.C * columns);
    });
  }
}

// dw from x and dy. Only float32: csrc/ops sends nothing else.
template <typename T>
void winograd_backward_weights(const Team& team, const Winograd& p, const T* x, const T* dy, T* dw,
                               Workspace workspace) {
  if constexpr (sizeof(T) == 4) run(team, p, x, dy, dw, static_cast<T*>(workspace.data));
}

}  // namespace
DEFINE_KERNEL(winograd_backward_weights, FLOATING)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
