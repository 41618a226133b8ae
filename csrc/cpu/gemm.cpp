// The matrix product: how blocks, packed panels and the members' shares are worked through. What is chosen is in gemm_plan.h,
// how sums are cut in params/contraction.h, the arithmetic in register_tile.h.
#include "cpu/dots.h"
#include "cpu/gemm_plan.h"
#include "cpu/gemv.h"
#include "cpu/pack_panel.h"
#include "cpu/transpose.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

template <typename T>
struct Scratch {
  T* b;      // packed B
  T* a;      // packed A
  T* chain;  // sums of unfinished chunks
  T* few;    // the few rows or columns of a product that has no more, or a product's transpose
  T* parts;  // sums of chunks computed apart, of the whole team
};

// Rows m .. m + M - 1 and columns n .. n + N - 1 of a product.
template <typename T>
TILEGRAD_INLINE Product<T> part_of(Product<T> p, int64_t m, int64_t M, int64_t n, int64_t N) {
  p.M = M;
  p.N = N;
  p.a += m * p.a_row_stride;
  p.b += n * p.b_col_stride;
  p.c += m * p.c_stride + n;
  if (p.epilogue.bias) p.epilogue.bias += n * p.epilogue.bias_stride;
  return p;
}

// Between rows of packed A: they must not share cache sets.
template <typename T>
TILEGRAD_INLINE int64_t row_step(int64_t K) {
  return K + kPiece<T>;
}

// Between tiles of packed A.
template <typename T>
TILEGRAD_INLINE int64_t tile_step(const RowTiles& tiles, int64_t K) {
  return tiles.rows(0) * row_step<T>(K) + kPiece<T>;
}

// Packs A's tiles t0 .. t1 - 1 for K values of k from k0 on, as [K][rows] panels or as rows.
template <typename T>
void pack_tiles(const Product<T>& p, const RowTiles& tiles, int64_t t0, int64_t t1, int64_t k0, int64_t K, T* to) {
  const int64_t step_of_tile = tile_step<T>(tiles, K);
  const T* a = p.a + k0 * p.a_col_stride;
  if (p.a_col_stride == 1) {  // as rows
    const int64_t step = row_step<T>(K);
    for (int64_t t = t0; t < t1; ++t, to += step_of_tile) {
      const T* from = a + tiles.begin(t) * p.a_row_stride;
      for (int r = 0; r < tiles.rows(t); ++r) __builtin_memcpy(to + r * step, from + r * p.a_row_stride, K * sizeof(T));
    }
    return;
  }
  if (p.a_row_stride != 1) {
    for (int64_t t = t0; t < t1; ++t) {
      const int64_t m = tiles.begin(t), rows = tiles.rows(t);
      pack_panel(a + m * p.a_row_stride, p.a_col_stride, p.a_row_stride, K, rows, rows, to + (t - t0) * step_of_tile,
                 rows);
    }
    return;
  }
  for (int64_t t = t0; t < t1;) {  // once for the taller tiles and once for the others
    const int64_t end = t < tiles.taller ? smaller(tiles.taller, t1) : t1;
    with_rows<kMaxRows<T, 1>>(tiles.rows(t), [&](auto rows) {
      interleave<rows>(a + tiles.begin(t), p.a_col_stride, K, end - t, to + (t - t0) * step_of_tile, step_of_tile);
    });
    t = end;
  }
}

// The next tile's rows of A: many short streams, of which the hardware's prefetcher sees the first too late when little is
// done with them.
template <typename T>
TILEGRAD_INLINE Ahead next_rows(const Product<T>& p, const RowTiles& tiles, int64_t t, int64_t k0) {
  return {reinterpret_cast<const char*>(p.a + tiles.begin(t) * p.a_row_stride + k0), tiles.rows(t),
          p.a_row_stride * static_cast<int64_t>(sizeof(T)), 1, kCacheLine};
}

// Share `part` of `parts` of [K, columns] elements behind each other, for a tile that runs over K k itself.
template <typename T>
TILEGRAD_INLINE Ahead share_of(const T* base, int64_t elements, int64_t part, int64_t parts, int64_t K) {
  const int64_t lines = ceil_div(elements, kPiece<T> * parts);
  const int64_t per_piece = ceil_div(lines, ceil_div(K, kPiece<T>));
  return {reinterpret_cast<const char*>(base + part * lines * kPiece<T>), 1, 0, per_piece, per_piece * kCacheLine};
}

// A slice of a panel of B where it lies: `length` k of `columns` from `base` on, for a tile that runs over K k itself.
template <typename T>
TILEGRAD_INLINE Ahead slice_of_panel(const Product<T>& p, const T* base, int64_t columns, int64_t length, int64_t K) {
  const bool transposed = p.b_col_stride != 1;
  const int64_t rows = ceil_div(transposed ? columns : length, ceil_div(K, kPiece<T>));
  const int64_t step = (transposed ? p.b_col_stride : p.b_row_stride) * static_cast<int64_t>(sizeof(T));
  return {reinterpret_cast<const char*>(base), length > 0 ? rows : 0, step,
          (transposed ? length : columns) / kPiece<T> + 1, rows * step};
}

// Share `part` of `parts` of the next block of operands that come in the order of k: its K rows from k on, first A's.
template <typename T>
TILEGRAD_INLINE Ahead share_of_block(const Product<T>& p, int64_t k, int64_t rows, int64_t part, int64_t parts,
                                     int64_t K) {
  const int64_t share = round_up(ceil_div(rows * (p.M + p.N), parts), kPiece<T>), begin = part * share - rows * p.M;
  return share_of(begin < 0 ? p.a + k * p.M + rows * p.M + begin : p.b + k * p.N + begin, share, 0, 1, K);
}

// A block of panels, tiles and k, and where it stands in its chunk.
struct Block {
  int64_t p0, p1, t0, t1, k0, k1;
  bool first, unfinished;  // the chunk's first block, not its last
  bool adds;               // there are chunks before
  bool last;               // the epilogue follows
};

// A block's panel i where it lies in B.
template <typename T>
TILEGRAD_INLINE const T* panel_of(const Product<T>& p, const Plan& plan, const Block& block, int64_t i) {
  return p.b + block.k0 * p.b_row_stride + plan.panels.begin(i) * kLanes<T> * p.b_col_stride;
}

// What tile t of panel i fetches ahead; `packed` is where the next panel is, if it is packed already.
template <typename T>
TILEGRAD_INLINE Ahead fetched_beside(const Product<T>& p, const Plan& plan, const Block& block, int64_t i, int64_t t,
                                     const T* packed) {
  const int64_t K = block.k1 - block.k0, turn = t - block.t0, count = block.t1 - block.t0;
  if (plan.in_order && block.k1 < p.K) {
    const int64_t panels = block.p1 - block.p0, call = block.t0 * panels + (i - block.p0) * count + turn;
    return share_of_block(p, block.k1, smaller(plan.block_k, p.K - block.k1), call, plan.tiles.count * panels, K);
  }
  if (plan.rows_ahead && i == block.p0 && t + 1 < plan.tiles.count) return next_rows(p, plan.tiles, t + 1, block.k0);
  if (!plan.panels_ahead || i + 1 == block.p1) return {};
  const int64_t width = plan.panels.rows(i + 1) * kLanes<T>;
  if (block.t0 > 0) return share_of(packed, width * K, turn, count, K);
  const int64_t begin = K * turn / count, end = K * (turn + 1) / count;
  return slice_of_panel(p, panel_of(p, plan, block, i + 1) + begin * p.b_row_stride, width, end - begin, K);
}

// A matrix that is needed soon: `each` of its lines with every call of fetch().
struct MatrixAhead {
  const char *line, *end;    // of the row that is next
  int64_t more, gap, width;  // rows behind it, from a row's end to the next, and a row, in bytes
  int64_t each;

  // [rows][columns] where either are contiguous, in `parts` calls; nothing where `first` is null.
  template <typename T>
  TILEGRAD_INLINE static MatrixAhead of(const T* first, int64_t rows, int64_t row_stride, int64_t columns,
                                        int64_t column_stride, int64_t parts) {
    if (!first || (row_stride != 1 && column_stride != 1)) return {};
    int64_t count = column_stride == 1 ? rows : columns, length = column_stride == 1 ? columns : rows;
    int64_t step = column_stride == 1 ? row_stride : column_stride;
    if (step == length) {
      length *= count;
      count = 1;
    }
    constexpr auto kBytes = static_cast<int64_t>(sizeof(T));
    const char* const line = reinterpret_cast<const char*>(first);
    return {line,
            line + length * kBytes,
            count - 1,
            (step - length) * kBytes,
            length * kBytes,
            ceil_div(count * ceil_div(length, kPiece<T>), parts)};
  }
  TILEGRAD_INLINE void fetch() {
    for (int64_t left = each; left > 0;) {
      const int64_t count = smaller(left, ceil_div(end - line, kCacheLine));
      for (int64_t i = 0; i < count; ++i) prefetch(line + i * kCacheLine);
      line += count * kCacheLine;
      left -= count;
      if (line < end) return;
      if (more == 0) {
        each = 0;
        return;
      }
      --more;
      line = end + gap;
      end = line + width;
    }
  }
};

// What a member fetches for its next product while it computes this one.
struct NextProduct {
  MatrixAhead a, b;
  bool any;

  template <typename T>
  TILEGRAD_INLINE NextProduct(const Product<T>& p, int64_t tiles)
      : a(MatrixAhead::of(p.next_a, p.M, p.a_row_stride, p.K, p.a_col_stride, tiles)),
        b(MatrixAhead::of(p.next_b, p.K, p.b_row_stride, p.N, p.b_col_stride, tiles)),
        any(p.next_a || p.next_b) {}
  // Some of its lines, and those of this product's tile, which stores would wait for.
  template <typename T>
  TILEGRAD_INLINE void fetch(const T* tile, int64_t stride, int64_t rows, int64_t columns) {
    a.fetch();
    b.fetch();
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t j = 0; j < columns; j += kPiece<T>) prefetch(tile + r * stride + j);
    }
  }
};

// All tiles of a block beside one panel.
template <typename T>
TILEGRAD_INLINE void multiply_panel(const Product<T>& p, const Plan& plan, const Block& block, int64_t i, T* part,
                                    int64_t part_stride, const Scratch<T>& scratch, NextProduct& next) {
  constexpr int64_t L = kLanes<T>;
  const RowTiles &panels = plan.panels, &tiles = plan.tiles;
  const bool in_rows = p.a_col_stride == 1, once = tiles.count <= plan.block_tiles;
  const int64_t K = block.k1 - block.k0, n = panels.begin(i) * L;
  const int64_t n0 = panels.begin(block.p0) * L, chain_stride = panels.begin(block.p1) * L - n0;
  const int vectors = panels.rows(i);
  const int64_t columns = smaller(vectors * L, p.N - n);
  // Where a panel is packed. One that no other block of rows meets again gives room to the next but one.
  const auto packed = [&](int64_t panel) {
    return scratch.b + (once ? panel % 2 * panels.rows(0) * L : panels.begin(panel) * L - n0) * K;
  };
  const TileFunction<T> functions[2] = {tiles.taller ? tile_function<T>(in_rows, tiles.rows(0), vectors) : nullptr,
                                        tile_function<T>(in_rows, static_cast<int>(tiles.height), vectors)};
  TileJob<T> job{};
  job.K = K;
  job.b = panel_of(p, plan, block, i);
  job.b_step = p.b_row_stride;
  if (plan.pack_b || columns < vectors * L) {
    T* const to = packed(i);
    // Just before it is used for the first time: it may not stay in L2.
    if (block.t0 == 0) pack_panel(job.b, p.b_row_stride, p.b_col_stride, K, columns, vectors * L, to, vectors * L);
    job.b = to;
    job.b_step = vectors * L;
  }
  T bias[kPanelVectors * L];
  if (block.last && p.epilogue.bias) {
    for (int64_t j = 0; j < vectors * L; ++j) {
      bias[j] = j < columns ? p.epilogue.bias[(n + j) * p.epilogue.bias_stride] : T(0);
    }
    job.bias = bias;
  }
  job.relu = block.last && p.epilogue.activation == Activation::relu;
  T* const out = part ? part : p.c;
  const int64_t out_stride = part ? part_stride : p.c_stride;
  job.chain_stride = chain_stride;
  job.out_stride = block.unfinished ? chain_stride : out_stride;
  job.total_stride = out_stride;
  for (int64_t t = block.t0; t < block.t1; ++t) {
    const int64_t m = tiles.begin(t);
    const int rows = tiles.rows(t);
    job.ahead = fetched_beside(p, plan, block, i, t, packed(i + 1));
    T* const chain = scratch.chain + m * chain_stride + (n - n0);
    T* const place = out + m * out_stride + n;
    job.chain = block.first ? nullptr : chain;
    job.out = block.unfinished ? chain : place;
    job.total = block.adds ? place : nullptr;
    if (next.any) next.fetch(static_cast<const T*>(place), out_stride, rows, columns);
    if (plan.pack_a) {
      T* const to = scratch.a + (t - block.t0) * tile_step<T>(tiles, K);
      if (in_rows && i == block.p0) pack_tiles(p, tiles, t, t + 1, block.k0, K, to);
      job.a = to;
      job.a_step = in_rows ? row_step<T>(K) : rows;
    } else {
      job.a = p.a + m * p.a_row_stride + block.k0 * p.a_col_stride;
      job.a_step = in_rows ? p.a_row_stride : p.a_col_stride;
    }
    if (columns == vectors * L) {
      functions[t >= tiles.taller](job);
    } else {
      run_ragged_tile(functions[t >= tiles.taller], job, rows, vectors, columns);
    }
    if (block.last && p.epilogue.activation > Activation::relu) {
      activate(place, out_stride, rows, columns, p.epilogue.activation);
    }
  }
}

// Sums over k from k_begin to k_end, by one member. With `part`, one chunk's sums go to it, at part_stride; otherwise
// chunk after chunk is added up in c, and the epilogue follows the last.
template <typename T>
void multiply_block(const Product<T>& p, int64_t k_begin, int64_t k_end, T* part, int64_t part_stride,
                    const Scratch<T>& scratch) {
  const Plan plan = plan_for(p);
  const RowTiles &panels = plan.panels, &tiles = plan.tiles;
  NextProduct next(p, panels.count * tiles.count);
  Block block{};
  for (; block.p0 < panels.count; block.p0 = block.p1) {
    block.p1 = smaller(panels.count, block.p0 + plan.block_panels);
    block.k0 = k_begin;
    do {
      const int64_t chunk_begin = block.k0 / plan.chunk * plan.chunk;
      const int64_t chunk_end = smaller(p.K, chunk_begin + plan.chunk);
      block.k1 = smaller(smaller(block.k0 + plan.block_k, chunk_end), k_end);
      block.first = block.k0 == chunk_begin;
      block.unfinished = block.k1 != chunk_end;
      block.adds = !block.unfinished && !part && chunk_begin > 0;
      block.last = !part && block.k1 == p.K;
      for (block.t0 = 0; block.t0 < tiles.count; block.t0 = block.t1) {
        block.t1 = smaller(tiles.count, block.t0 + plan.block_tiles);
        if (plan.pack_a && p.a_col_stride != 1) {  // rows are copied tile by tile
          pack_tiles(p, tiles, block.t0, block.t1, block.k0, block.k1 - block.k0, scratch.a);
        }
        for (int64_t i = block.p0; i < block.p1; ++i) {
          multiply_panel(p, plan, block, i, part, part_stride, scratch, next);
        }
      }
      block.k0 = block.k1;
    } while (block.k0 < k_end);
  }
}

// The same for any number of rows: unfinished sums are kept of kPassM at a time.
template <typename T>
void multiply_rows(const Product<T>& p, int64_t k_begin, int64_t k_end, T* part, const Scratch<T>& scratch) {
  const int64_t pass = contraction_chunk(p.K) > kBlockK ? GemmBlocks::kPassM : p.M;
  for (int64_t m = 0; m < p.M; m += pass) {
    multiply_block(part_of(p, m, smaller(pass, p.M - m), 0, p.N), k_begin, k_end, part ? part + m * p.N : nullptr, p.N,
                   scratch);
  }
}

template <typename T>
TILEGRAD_INLINE void add_bias(T* row, int64_t N, const Epilogue<T>& epilogue) {
  const int64_t step = epilogue.bias_stride;
  if (step == 1) {
#pragma omp simd
    for (int64_t n = 0; n < N; ++n) row[n] = row[n] + epilogue.bias[n];
  } else {
    for (int64_t n = 0; n < N; ++n) row[n] = row[n] + epilogue.bias[n * step];
  }
}

// Long sums with few outputs: the members compute whole chunks, each with all its outputs, and then add them up.
template <typename T>
void multiply_parts(const Team& team, const Product<T>& p, const Scratch<T>& scratch) {
  const int64_t chunk = contraction_chunk(p.K), count = ceil_div(p.K, chunk);
  const Range mine = team.share(count);
  for (int64_t i = mine.begin; i < mine.end; ++i) {
    multiply_rows(p, i * chunk, smaller(p.K, (i + 1) * chunk), scratch.parts + i * p.M * p.N, scratch);
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
    if (p.epilogue.bias) add_bias(row, p.N, p.epilogue);
  }
  activate(p.c + rows.begin * p.c_stride, p.c_stride, rows.end - rows.begin, p.N, p.epilogue.activation);
  team.barrier();  // before the next product of the batch takes the parts
}

// The product's transpose, in which rows of B are read where they lie, and then what it is the transpose of.
template <typename T>
void multiply_swapped(const Product<T>& p, const Scratch<T>& scratch) {
  multiply_rows(Product<T>{p.N, p.M, p.K, p.b, p.b_col_stride, p.b_row_stride, p.a, p.a_col_stride, p.a_row_stride,
                           scratch.few, p.M, Epilogue<T>{}},
                0, p.K, static_cast<T*>(nullptr), scratch);
  const int64_t whole = p.N / kLanes<T> * kLanes<T>;
  if (whole > 0) pack_panel(static_cast<const T*>(scratch.few), 1, p.M, p.M, whole, whole, p.c, p.c_stride);
  for (int64_t m = 0; m < p.M; ++m) {
    T* const row = p.c + m * p.c_stride;
    for (int64_t n = whole; n < p.N; ++n) row[n] = scratch.few[n * p.M + m];
    if (p.epilogue.bias) add_bias(row, p.N, p.epilogue);
  }
  activate(p.c, p.c_stride, p.M, p.N, p.epilogue.activation);
}

template <typename T>
TILEGRAD_INLINE void multiply(const Team& team, const Product<T>& p, const Scratch<T>& scratch) {
  if (p.M == 1) {
    gemv(team, Gemv<T>{p.N, p.K, p.a, p.a_col_stride, p.b, p.b_row_stride, p.b_col_stride, p.c, 1, p.epilogue},
         scratch.parts);
  } else if (p.N == 1) {
    Epilogue<T> same = p.epilogue;
    same.bias_stride = 0;
    gemv(team, Gemv<T>{p.M, p.K, p.b, p.b_row_stride, p.a, p.a_col_stride, p.a_row_stride, p.c, p.c_stride, same},
         scratch.parts);
  } else if (takes_dots<T>(p.M, p.N, p.b_row_stride)) {
    // Few rows beside a transposed B: each of B's elements is used too seldom to be packed.
    const Range mine = team.share(p.N, kLanes<T>);
    const Product<T> q = part_of(p, 0, p.M, mine.begin, mine.end - mine.begin);
    const bool in_place = q.a_row_stride == 1;
    if (!in_place) pack_panel(q.a, q.a_col_stride, q.a_row_stride, q.K, q.M, q.M, scratch.few, q.M);
    dots(Dots<T>{q.N, q.K, in_place ? q.a : scratch.few, in_place ? q.a_col_stride : q.M, q.b, q.b_col_stride, q.c, 1,
                 q.c_stride, q.epilogue, true},
         static_cast<int>(p.M));
  } else if (takes_dots<T>(p.N, p.M, p.a_col_stride)) {
    // Few columns: they would fill a part of a vector.
    const Range mine = team.share(p.M, kLanes<T>);
    const Product<T> q = part_of(p, mine.begin, mine.end - mine.begin, 0, p.N);
    const bool in_place = q.b_col_stride == 1;
    if (!in_place) pack_panel(q.b, q.b_row_stride, q.b_col_stride, q.K, q.N, q.N, scratch.few, q.N);
    dots(Dots<T>{q.M, q.K, in_place ? q.b : scratch.few, in_place ? q.b_row_stride : q.N, q.a, q.a_row_stride, q.c,
                 q.c_stride, 1, q.epilogue, false},
         static_cast<int>(p.N));
  } else if (team.size > 1 && gemm_splits_sums(p.M, p.N, p.K)) {
    multiply_parts(team, p, scratch);
  } else if (gemm_swaps(p.M, p.N, p.K, p.b_row_stride)) {
    const Range mine = team.share(p.N, kLanes<T>);
    if (mine.begin < mine.end) multiply_swapped(part_of(p, 0, p.M, mine.begin, mine.end - mine.begin), scratch);
  } else {
    const Grid grid = grid_for(team.size, p);
    const Range rows = Team{team.rank / grid.columns, grid.rows}.share(p.M);
    const Range columns = Team{team.rank % grid.columns, grid.columns}.share(p.N, kLanes<T>);
    if (rows.begin == rows.end || columns.begin == columns.end) return;
    multiply_rows(part_of(p, rows.begin, rows.end - rows.begin, columns.begin, columns.end - columns.begin), 0, p.K,
                  static_cast<T*>(nullptr), scratch);
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
  T* const of_team = static_cast<T*>(workspace.data);
  T* const mine = of_team + (apart ? 0 : blocks.parts) + team.rank * (blocks.of_member() + (apart ? blocks.parts : 0));
  Scratch<T> scratch;
  scratch.b = mine;
  scratch.a = scratch.b + blocks.b;
  scratch.chain = scratch.a + blocks.a;
  scratch.few = scratch.chain + blocks.chain;
  scratch.parts = apart ? scratch.few + blocks.few : of_team;

  const Range items = apart ? team.share(batch.numel) : Range{0, batch.numel};
  const auto product_at = [&](int64_t i) {
    int64_t offset[3] = {};
    for (int d = batch.ndim - 1; d >= 0; --d) {
      const int64_t index = i % batch.shape[d];
      i /= batch.shape[d];
      for (int o = 0; o < 3; ++o) offset[o] += index * batch.stride[o][d];
    }
    return Product<T>{g.M,
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
  };
  const bool ahead = (apart || team.size == 1) && fetches_next<T>(g.M, g.N, g.K, items.end - items.begin);
  for (int64_t i = items.begin; i < items.end; ++i) {
    Product<T> product = product_at(i);
    if (ahead && i + 1 < items.end) {
      const Product<T> next = product_at(i + 1);
      if (next.a != product.a) product.next_a = next.a;
      if (next.b != product.b) product.next_b = next.b;
    }
    multiply(apart ? Team{} : team, product, scratch);
  }
}
}  // namespace
DEFINE_KERNEL(gemm, FLOATING)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
