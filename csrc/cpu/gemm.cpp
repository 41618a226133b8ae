// The matrix product: blocks for the caches, packed panels, and the sharing of the work among the team. How its sums are
// cut is in params/contraction.h, the arithmetic in register_tile.h.
#include "cpu/gemm_tiles.h"
#include "cpu/gemv.h"
#include "cpu/transpose.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

constexpr int64_t kBlockK = GemmBlocks::kBlockK;

// One product of the batch.
template <typename T>
struct Product {
  int64_t M, N, K;
  const T* a;
  int64_t a_row_stride, a_col_stride;
  const T* b;
  int64_t b_row_stride, b_col_stride;
  T* c;
  int64_t c_stride;
  Epilogue<T> epilogue;
};

template <typename T>
struct Scratch {
  T* b;      // packed B, of the team
  T* a;      // packed A, of this member
  T* own_b;  // packed B, of this member alone: its first is also the team's
  T* chain;  // sums of unfinished chunks, of the team
  T* parts;  // sums of chunks computed apart, of the team
};

// Rows at a distance of a multiple of the L1 cache's way push each other out.
template <typename T>
TILEGRAD_INLINE bool shares_cache_sets(int64_t stride) {
  const int64_t bytes = stride * static_cast<int64_t>(sizeof(T));
  return bytes % 2048 == 0 && bytes != 0;
}

// B is packed when its rows cannot be read as they lie, or when it is read so often that the copy pays.
template <typename T>
TILEGRAD_INLINE bool packs_b(const Product<T>& p) {
  if (p.b_col_stride != 1) return true;
  if (p.M <= 16) return false;
  return shares_cache_sets<T>(p.b_row_stride) || p.M * p.N * p.K >= 50'000'000 || (p.b_row_stride != p.N && p.M >= 64);
}

// A is packed when neither its rows nor its columns can be read as they lie without leaving the caches.
template <typename T>
TILEGRAD_INLINE bool packs_a(const Product<T>& p, int rows) {
  const int64_t columns = p.N / kLanes<T>;
  if (p.a_col_stride == 1) return columns >= 8 && rows > 6 && shares_cache_sets<T>(p.a_row_stride);
  if (p.a_row_stride == 1) return columns > kPanelVectors && p.a_col_stride * static_cast<int64_t>(sizeof(T)) > 1024;
  return true;
}

// How a team of `size` divides tiles x panels: as even as possible, over rows first.
struct Grid {
  int rows, columns;
};
TILEGRAD_INLINE Grid grid_for(int size, int64_t tiles, int64_t panels) {
  Grid best{size, 1};
  int64_t least = ceil_div(tiles, size) * panels;
  for (int columns = 2; columns <= size; ++columns) {
    if (size % columns != 0) continue;
    const int64_t most = ceil_div(tiles, size / columns) * ceil_div(panels, columns);
    if (most < least) {
      least = most;
      best = {size / columns, columns};
    }
  }
  return best;
}

// Packs A's tiles t0 .. t1 - 1 for K values of k from k0 on, one [K][rows] panel after the other.
template <typename T>
void pack_tiles(const Product<T>& p, const RowTiles& tiles, int64_t t0, int64_t t1, int64_t k0, int64_t K, T* to) {
  const T* a = p.a + k0 * p.a_col_stride;
  const int64_t first_row = tiles.begin(t0);
  if (p.a_row_stride != 1) {
    for (int64_t t = t0; t < t1; ++t) {
      const int64_t m = tiles.begin(t), rows = tiles.rows(t);
      pack_panel(a + m * p.a_row_stride, p.a_col_stride, p.a_row_stride, K, rows, rows, to + (m - first_row) * K, rows);
    }
    return;
  }
  while (t0 < t1) {  // once for the taller tiles and once for the others
    const int64_t m = tiles.begin(t0);
    const int64_t end = t0 < tiles.taller ? smaller(tiles.taller, t1) : t1;
    with_rows<kMaxRows<T, 1>>(tiles.rows(t0), [&](auto rows) {
      interleave<rows>(a + m, p.a_col_stride, K, end - t0, to + (m - first_row) * K);
    });
    t0 = end;
  }
}

// A tile's rows are many short streams, of which the hardware's prefetcher sees the first too late when little is done
// with them.
template <typename T>
TILEGRAD_INLINE void prefetch_rows(const Product<T>& p, const RowTiles& tiles, int64_t t, int64_t k0, int64_t K) {
  for (int r = 0; r < tiles.rows(t); ++r) {
    const T* row = p.a + (tiles.begin(t) + r) * p.a_row_stride + k0;
    for (int64_t k = 0; k < K; k += kCacheLine / static_cast<int64_t>(sizeof(T))) prefetch(row + k);
  }
}

// Sums over k from k_begin to k_end. With `part`, one chunk's sums go to part [M, N]; otherwise chunk after chunk is
// added up in c, and the epilogue follows the last.
template <typename T>
void multiply_blocks(const Team& team, const Product<T>& p, int64_t k_begin, int64_t k_end, T* part,
                     const Scratch<T>& scratch) {
  constexpr int64_t L = kLanes<T>;
  const int64_t chunk = contraction_chunk(p.K);
  const RowTiles panels(ceil_div(p.N, L), kPanelVectors);
  const int tile_rows = most_rows<T>(panels.count ? panels.rows(0) : 1);
  const bool pack_b = packs_b(p), pack_a = packs_a(p, tile_rows);
  const RowTiles tiles(p.M, tile_rows);
  const Grid grid = grid_for(team.size, tiles.count, panels.count);
  const Range my_tiles = Team{team.rank / grid.columns, grid.rows}.share(tiles.count);
  const int64_t block_panels = larger(int64_t{1}, GemmBlocks::kBlockN / L / kPanelVectors);
  const bool ahead = !pack_a && p.a_col_stride == 1 && panels.count <= 4;
  const int64_t block_tiles = larger(int64_t{1}, GemmBlocks::kBlockM / tile_rows);

  for (int64_t p0 = 0; p0 < panels.count; p0 += block_panels) {
    const int64_t p1 = smaller(panels.count, p0 + block_panels);
    const int64_t n0 = panels.begin(p0) * L, n1 = smaller(p.N, panels.begin(p1) * L);
    const Range my_panels = Team{team.rank % grid.columns, grid.columns}.share(p1 - p0);
    int64_t k0 = k_begin;
    do {
      const int64_t chunk_begin = k0 / chunk * chunk, chunk_end = smaller(p.K, chunk_begin + chunk);
      const int64_t k1 = smaller(smaller(k0 + kBlockK, chunk_end), k_end), K = k1 - k0;
      const T* b_block = p.b + k0 * p.b_row_stride;

      if (pack_b) {
        // Every member packs some rows of the block's panels.
        const Range rows = team.share(K, 16);
        for (int64_t i = p0; i < p1 && rows.begin < rows.end; ++i) {
          const int64_t n = panels.begin(i) * L, width = panels.rows(i) * L;
          pack_panel(b_block + rows.begin * p.b_row_stride + n * p.b_col_stride, p.b_row_stride, p.b_col_stride,
                     rows.end - rows.begin, smaller(width, p.N - n), width,
                     scratch.b + (n - n0) * K + rows.begin * width, width);
        }
        team.barrier();
      }
      const int64_t last = panels.begin(panels.count - 1) * L;
      const bool ragged =
          !pack_b && p.N % L != 0 && p0 + my_panels.end == panels.count && my_tiles.begin < my_tiles.end;
      if (ragged) {
        const int64_t width = panels.rows(panels.count - 1) * L;
        pack_panel(b_block + last, p.b_row_stride, int64_t{1}, K, p.N - last, width, scratch.own_b, width);
      }

      const bool unfinished = k1 != chunk_end;
      TileJob<T> job{};
      job.K = K;
      for (int64_t t0 = my_tiles.begin; t0 < my_tiles.end; t0 += block_tiles) {
        const int64_t t1 = smaller(my_tiles.end, t0 + block_tiles);
        const int64_t first_row = tiles.begin(t0);
        if (pack_a) pack_tiles(p, tiles, t0, t1, k0, K, scratch.a);
        for (int64_t i = p0 + my_panels.begin; i < p0 + my_panels.end; ++i) {
          const int64_t n = panels.begin(i) * L;
          const int vectors = panels.rows(i);
          job.columns = smaller(vectors * L, p.N - n);
          job.first = n;
          if (pack_b) {
            job.b = scratch.b + (n - n0) * K;
            job.b_step = vectors * L;
          } else if (ragged && i == panels.count - 1) {
            job.b = scratch.own_b;
            job.b_step = vectors * L;
          } else {
            job.b = b_block + n;
            job.b_step = p.b_row_stride;
          }
          for (int64_t t = t0; t < t1; ++t) {
            const int64_t m = tiles.begin(t);
            const int rows = tiles.rows(t);
            if (ahead && i == p0 + my_panels.begin && t + 1 < my_tiles.end) prefetch_rows(p, tiles, t + 1, k0, K);
            if (part) {
              job.out = part + m * p.N + n;
              job.out_stride = p.N;
              job.chain = k0 == chunk_begin ? nullptr : job.out;
              job.chain_stride = p.N;
            } else {
              T* chain = scratch.chain + m * (n1 - n0) + (n - n0);
              job.chain = k0 == chunk_begin ? nullptr : chain;
              job.chain_stride = n1 - n0;
              job.out = unfinished ? chain : p.c + m * p.c_stride + n;
              job.out_stride = unfinished ? n1 - n0 : p.c_stride;
              job.total = unfinished || chunk_begin == 0 ? nullptr : job.out;
              job.epilogue = k1 == p.K ? &p.epilogue : nullptr;
            }
            const T* a = p.a + m * p.a_row_stride + k0 * p.a_col_stride;
            if (pack_a) {
              run_tile(rows, vectors, job, Interleaved<T>{scratch.a + (m - first_row) * K, rows});
            } else if (p.a_col_stride == 1) {
              run_tile(rows, vectors, job, RowsInPlace<T>{a, p.a_row_stride});
            } else {
              run_tile(rows, vectors, job, Interleaved<T>{a, p.a_col_stride});
            }
          }
        }
      }
      if (pack_b) team.barrier();  // before the block is packed over
      k0 = k1;
    } while (k0 < k_end);
  }
}

// Long sums with few outputs: the members compute whole chunks, each with all its outputs, and then add them up.
template <typename T>
void multiply_parts(const Team& team, const Product<T>& p, const Scratch<T>& scratch) {
  const int64_t chunk = contraction_chunk(p.K), count = ceil_div(p.K, chunk);
  const Range mine = team.share(count);
  for (int64_t i = mine.begin; i < mine.end; ++i) {
    Scratch<T> own = scratch;
    own.b = scratch.own_b;
    multiply_blocks(Team{}, p, i * chunk, smaller(p.K, (i + 1) * chunk), scratch.parts + i * p.M * p.N, own);
  }
  team.barrier();
  const Range rows = team.share(p.M);
  for (int64_t m = rows.begin; m < rows.end; ++m) {
    T* row = p.c + m * p.c_stride;
    const T* part = scratch.parts + m * p.N;
    for (int64_t n = 0; n < p.N; ++n) row[n] = part[n];
    for (int64_t i = 1; i < count; ++i) {
      part += p.M * p.N;
      for (int64_t n = 0; n < p.N; ++n) row[n] = row[n] + part[n];
    }
    if (p.epilogue.bias) {
      for (int64_t n = 0; n < p.N; ++n) row[n] = row[n] + p.epilogue.bias[n * p.epilogue.bias_stride];
    }
  }
  activate(p.c + rows.begin * p.c_stride, p.c_stride, rows.end - rows.begin, p.N, p.epilogue.activation);
  team.barrier();  // before the next product of the batch takes the parts
}

template <typename T>
TILEGRAD_INLINE void multiply(const Team& team, const Product<T>& p, const Scratch<T>& scratch) {
  if (p.M == 1) {
    gemv(team, Gemv<T>{p.N, p.K, p.a, p.a_col_stride, p.b, p.b_row_stride, p.b_col_stride, p.c, 1, p.epilogue});
  } else if (p.N == 1) {
    Epilogue<T> same = p.epilogue;
    same.bias_stride = 0;
    gemv(team, Gemv<T>{p.M, p.K, p.b, p.b_row_stride, p.a, p.a_col_stride, p.a_row_stride, p.c, p.c_stride, same});
  } else if (team.size > 1 && gemm_splits_sums(p.M, p.N, p.K)) {
    multiply_parts(team, p, scratch);
  } else {
    multiply_blocks(team, p, 0, p.K, static_cast<T*>(nullptr), scratch);
  }
}

template <typename T>
void gemm(const Team& team, const Gemm& g, const T* a, const T* b, const T* bias, T* c, Workspace workspace) {
  const LoopNest<3>& batch = g.batch;
  if (batch.numel == 0 || g.M == 0 || g.N == 0) return;
  // Products of a batch are shared out whole when that keeps every member busy; otherwise the team computes one after
  // the other together.
  const bool apart =
      team.size > 1 && (batch.numel >= 4 * team.size || (batch.numel > 1 && batch.numel % team.size == 0));
  const GemmBlocks blocks = gemm_blocks(g);
  const int64_t own = blocks.a + blocks.b + (apart ? blocks.chain + blocks.parts : 0);
  T* const of_team = static_cast<T*>(workspace.data);
  T* const of_members = of_team + (apart ? 0 : blocks.chain + blocks.parts);
  T* const mine = of_members + team.rank * own;
  Scratch<T> scratch;
  scratch.a = mine;
  scratch.b = (apart ? mine : of_members) + blocks.a;
  scratch.own_b = mine + blocks.a;
  scratch.chain = apart ? mine + blocks.a + blocks.b : of_team;
  scratch.parts = scratch.chain + blocks.chain;

  const Range items = apart ? team.share(batch.numel) : Range{0, batch.numel};
  for (int64_t i = items.begin; i < items.end; ++i) {
    int64_t offset[3] = {}, rest = i;
    for (int d = batch.ndim - 1; d >= 0; --d) {
      const int64_t index = rest % batch.shape[d];
      rest /= batch.shape[d];
      for (int o = 0; o < 3; ++o) offset[o] += index * batch.stride[o][d];
    }
    const Product<T> product{g.M,
                             g.N,
                             g.K,
                             a + offset[0],
                             g.a_row_stride,
                             g.a_col_stride,
                             b + offset[1],
                             g.b_row_stride,
                             g.b_col_stride,
                             c + offset[2],
                             g.c_row_stride,
                             Epilogue<T>{bias, g.bias_stride, g.activation}};
    multiply(apart ? Team{} : team, product, scratch);
  }
}
}  // namespace
DEFINE_KERNEL(gemm, FLOATING)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
