// How a matrix product is cut: the team's shares, blocks for the caches, what is packed and what is fetched ahead. Every
// choice is free, because the order of a sum is fixed by its length alone.
#pragma once

#include "cpu/gemm_tiles.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

constexpr int64_t kBlockK = GemmBlocks::kBlockK;
// Half of a core's L2 cache (1 MB on the machines of bench/), and what a block that comes in order may take of it.
constexpr int64_t kHalfCache = 512 * 1024;
constexpr int64_t kBlockBytes = 320 * 1024;

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
  const T *next_a = nullptr, *next_b = nullptr;  // the operands of this member's next product, to be fetched meanwhile
};

// Whether a member that computes one product of a batch after the other fetches the next one's operands meanwhile, and
// its own output's lines before each tile. What is smaller comes in time by itself (48^3 had 0.97 of the speed), sums
// of fewer terms are too short to hide it (K = 8: 0.87), and what is larger would leave L2 again (512^3: 0.99).
template <typename T>
TILEGRAD_INLINE bool fetches_next(int64_t M, int64_t N, int64_t K, int64_t products) {
  constexpr int64_t kLeastBytes = 36 * 1024, kLeastK = 48;
  const int64_t bytes = (M * K + N * K + M * N) * static_cast<int64_t>(sizeof(T));
  return K >= kLeastK && bytes >= kLeastBytes && bytes <= 3 * kHalfCache && bytes * products > kHalfCache;
}

// B is packed when its rows cannot be read as they lie, or when it is read so often that the copy pays.
template <typename T>
TILEGRAD_INLINE bool packs_b(const Product<T>& p) {
  if (p.b_col_stride != 1) return true;
  if (p.M <= 16) return false;
  if (kVectorRegisters < 32) {
    // Rows at multiples of 512 bytes: a panel lies in 16 sets of L1 at most, and comes from L2 for every tile.
    const int64_t step = p.b_row_stride * static_cast<int64_t>(sizeof(T));
    if (p.M >= 100 && (step % 1024 == 0 || (p.M >= 200 && step % 512 == 0))) return true;
    // From beyond L2 rows come in time only where they are copied.
    if (p.M >= 48 && p.N * p.K * static_cast<int64_t>(sizeof(T)) > 2 * kHalfCache) return true;
  }
  return shares_cache_sets<T>(p.b_row_stride) || (p.M >= 400 && p.M * p.N * p.K >= 25'000'000);
}

// Rows at a distance of a multiple of 16 KB are so many to a set of L2 that a block of A pushes itself out.
template <typename T>
TILEGRAD_INLINE bool crowds_l2(int64_t stride) {
  return stride * static_cast<int64_t>(sizeof(T)) % (16 * 1024) == 0;
}

// A is packed when neither its rows nor its columns can be read as they lie without leaving the caches.
template <typename T>
TILEGRAD_INLINE bool packs_a(const Product<T>& p, int rows) {
  const int64_t columns = p.N / kLanes<T>;
  if (p.a_col_stride == 1)
    return columns >= 8 && (rows > 6 ? shares_cache_sets<T>(p.a_row_stride) : crowds_l2<T>(p.a_row_stride));
  if (p.a_row_stride == 1) {
    const int64_t step = p.a_col_stride * static_cast<int64_t>(sizeof(T));
    return columns > kPanelVectors && (step > 1024 || (kVectorRegisters < 32 && step % 512 == 0));
  }
  return true;
}

// How a team of `size` divides the outputs: rows x columns of blocks, one each, so that no member waits for another or
// reads what another packed (a line that another core wrote is the most expensive to read). The costs are per k, in the
// time of one vector's fma: a member's fma, its reads of A, and of B, with the copy if it is packed: L2 moves a vector to and
// fro in six cycles.
struct Grid {
  int rows, columns;
};
template <typename T>
TILEGRAD_INLINE Grid grid_for(int size, const Product<T>& p) {
  Grid best{1, size};
  const double of_b = packs_b(p) ? 12 : 6, of_a = packs_a(p, kTileRows<T, kPanelVectors>) ? 1.5 : 0.5;
  double least = 0;
  for (int columns = size; columns >= 1; --columns) {
    if (size % columns != 0) continue;
    const double rows = static_cast<double>(ceil_div(p.M, size / columns));
    const double vectors = static_cast<double>(ceil_div(ceil_div(p.N, kLanes<T>), columns));
    const double cost = rows * vectors + of_a * rows + of_b * vectors;
    if (columns == size || cost < least) {
      least = cost;
      best = {size / columns, columns};
    }
  }
  return best;
}

// How many k a block has whose operands, and the next block's, stay in L2.
template <typename T>
TILEGRAD_INLINE int64_t ordered_block(int64_t row, int64_t chunk) {
  const int64_t most = larger<int64_t>(smaller(kBlockK, kBlockBytes / (row * static_cast<int64_t>(sizeof(T)))), 1);
  return round_up(ceil_div(chunk, ceil_div(chunk, most)), 16);
}

// How a member works through its part of a product.
struct Plan {
  RowTiles panels, tiles;  // of its columns, in vectors, and of its rows
  int64_t chunk, block_k, block_panels, block_tiles;
  bool pack_a, pack_b;
  bool in_order;      // the next block of both operands is fetched ahead, while this one is multiplied where it lies
  bool rows_ahead;    // the next tile's rows of A are fetched ahead
  bool panels_ahead;  // and the next panel of B, before it is packed or as it was packed
};

// The one place where shapes choose between ways to the same bits.
template <typename T>
TILEGRAD_INLINE Plan plan_for(const Product<T>& p) {
  const RowTiles panels(ceil_div(p.N, kLanes<T>), kPanelVectors);
  const int tile_rows = most_rows<T>(panels.count ? panels.rows(0) : 1);
  const int64_t chunk = contraction_chunk(p.K);
  const bool pack_a = packs_a(p, tile_rows);
  // Operands that come in the order of k.
  int64_t block_k = kBlockK;
  bool in_order = false;
  if (!pack_a && p.a_row_stride == 1 && p.a_col_stride == p.M && p.b_row_stride == p.N && chunk > kBlockK) {
    const int64_t ordered = ordered_block<T>(p.M + p.N, chunk);
    in_order = ordered >= 64;
    if (in_order) block_k = ordered;
  }
  const bool pack_b = in_order ? shares_cache_sets<T>(p.N) : packs_b(p);
  // What is not in L2 already.
  const auto is_far = [&](int64_t rows) { return rows * p.K * static_cast<int64_t>(sizeof(T)) > kHalfCache; };
  return {.panels = panels,
          .tiles = RowTiles(p.M, tile_rows),
          .chunk = chunk,
          .block_k = block_k,
          .block_panels = larger<int64_t>(1, GemmBlocks::kBlockN / kLanes<T> / kPanelVectors),
          .block_tiles = larger<int64_t>(1, GemmBlocks::kBlockM / tile_rows),
          .pack_a = pack_a,
          .pack_b = pack_b,
          .in_order = in_order,
          .rows_ahead = p.a_col_stride == 1 && p.K >= 64 && is_far(p.M),
          .panels_ahead = pack_b && is_far(p.N)};
}

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
