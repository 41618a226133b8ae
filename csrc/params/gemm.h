// Sizes and strides of a (batched) matrix product C = activation(A B + bias), and the workspace it
// needs: what csrc/ops and the kernels of every ISA must agree on.
#pragma once

#include <cstdint>

#include "params/contraction.h"
#include "params/loop_nest.h"

namespace tilegrad {

// Applied to every output by the epilogue of a GEMM or a convolution; the formulas are those of the elementwise ops, so
// that fused and separate give the same bits.
enum class Activation : int32_t { none, relu, sigmoid, tanh, gelu };

// A is [M, K], B is [K, N], C is [M, N] with unit column stride; bias is [N] or null.
// Strides are in elements and may be any sign; batch holds the strides of A, B and C along the batch loops.
struct Gemm {
  int64_t M, N, K;
  int64_t a_row_stride, a_col_stride;
  int64_t b_row_stride, b_col_stride;
  int64_t c_row_stride;
  int64_t bias_stride;
  Activation activation;
  LoopNest<3> batch;
};

// Products with at most this many rows or columns may take the kernels of cpu/dots.h, where each has a register.
inline constexpr int64_t kMostDots = 12;

// Blocks of a product that fit the caches: a member packs a [kBlockK, up to kBlockN] block of its part of B and
// [up to kBlockM, kBlockK] blocks of its part of A. Chunks longer than kBlockK continue from memory, for at most kPassM
// rows at a time.
struct GemmBlocks {
  static constexpr int64_t kBlockK = 512;
  static constexpr int64_t kBlockN = 1024;
  static constexpr int64_t kBlockM = 120;
  static constexpr int64_t kPassM = 2048;
  static constexpr int64_t kSlack = 64;  // elements: at least a panel of any ISA; also keeps the pieces 64-byte aligned

  // Pieces of the workspace, in elements. Sums of several blocks live in `chain`, [kPassM, kBlockN]; partial sums of
  // chunks that are computed apart in `parts`, [chunks, M, N], which the team shares; in `few` all of A or B where it has
  // at most kMostDots rows or columns, or a product's transpose.
  int64_t b, a, chain, few, parts;
  TILEGRAD_INLINE constexpr int64_t of_member() const { return b + a + chain + few; }
};

TILEGRAD_INLINE constexpr int64_t gemm_round_up(int64_t count) {
  return (count + GemmBlocks::kSlack - 1) / GemmBlocks::kSlack * GemmBlocks::kSlack;
}

// Whether the chunks of a product's sums are worth computing apart: long sums and few outputs.
TILEGRAD_INLINE constexpr bool gemm_splits_sums(int64_t M, int64_t N, int64_t K) {
  return K >= 2 * contraction_chunk(K) && M <= 512 && N <= 512 && M * N * 8 <= K * (M < N ? M : N);
}

// The same for a vector and a matrix of N outputs, from a size on where that is worth a barrier.
TILEGRAD_INLINE constexpr bool gemv_splits_sums(int64_t N, int64_t K) {
  return K > contraction_chunk(K) && N * K >= 256 * 1024;
}

// Whether a product beside a transposed B is computed as its transpose: few rows of A are packed instead of many of B, and
// the sums, of which there are less, are transposed in the end. M fills the vectors of every ISA.
TILEGRAD_INLINE constexpr bool gemm_swaps(int64_t M, int64_t N, int64_t K, int64_t b_row_stride) {
  return b_row_stride == 1 && M % 16 == 0 && M <= 128 && M * N <= 256 * 1024 && M * (N + K) < K * N &&
         contraction_chunk(K) <= GemmBlocks::kBlockK && !gemm_splits_sums(M, N, K);
}

TILEGRAD_INLINE constexpr GemmBlocks gemm_blocks(const Gemm& g) {
  GemmBlocks blocks{};
  const bool swaps = gemm_swaps(g.M, g.N, g.K, g.b_row_stride);
  const int64_t K = g.K < GemmBlocks::kBlockK ? g.K : GemmBlocks::kBlockK;
  const int64_t N = gemm_round_up(g.N < GemmBlocks::kBlockN ? g.N : GemmBlocks::kBlockN) + GemmBlocks::kSlack;
  const int64_t most_rows = swaps ? g.N : g.M;
  const int64_t rows = most_rows < GemmBlocks::kBlockM ? most_rows : GemmBlocks::kBlockM;
  const int64_t chunk = contraction_chunk(g.K);
  blocks.b = gemm_round_up(K * N);
  blocks.a = gemm_round_up((K + GemmBlocks::kSlack) * (rows + GemmBlocks::kSlack));
  if (chunk > GemmBlocks::kBlockK) {
    blocks.chain = gemm_round_up((g.M < GemmBlocks::kPassM ? g.M : GemmBlocks::kPassM) * N);
  }
  const int64_t few_rows = g.M <= kMostDots ? g.M : 0, few_columns = g.N <= kMostDots ? g.N : 0;
  if (few_rows || few_columns) {
    blocks.few = gemm_round_up(g.K * (few_rows > few_columns ? few_rows : few_columns) + GemmBlocks::kSlack);
  }
  if (swaps) blocks.few = gemm_round_up(g.M * g.N);
  blocks.parts = gemm_splits_sums(g.M, g.N, g.K) ? gemm_round_up((g.K + chunk - 1) / chunk * g.M * g.N) : 0;
  return blocks;
}

// Elements of workspace for a team of at most `threads`: members may share one product, or run one each.
TILEGRAD_INLINE constexpr int64_t gemm_workspace(const Gemm& g, int64_t threads) {
  if (g.M == 1 || g.N == 1) {
    const int64_t N = g.M == 1 ? g.N : g.M, chunk = contraction_chunk(g.K);
    return gemv_splits_sums(N, g.K) ? gemm_round_up((g.K + chunk - 1) / chunk * N) : 0;
  }
  const GemmBlocks blocks = gemm_blocks(g);
  return threads * (blocks.of_member() + (g.batch.numel > 1 ? blocks.parts : 0)) + blocks.parts;
}

}  // namespace tilegrad
