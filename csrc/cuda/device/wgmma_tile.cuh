// A tile of a contraction on Hopper's warpgroups: 16-bit floats with float sums. All warps copy and two warpgroups multiply:
// copies take about a third of the issue slots of the time in which the tensor cores multiply a block.
#pragma once

#include "cuda/device/output.cuh"
#include "cuda/device/wgmma.cuh"

namespace tilegrad::cuda {
namespace {

inline constexpr int kSwizzledDepth = 64;  // terms of a block: rows of 128 bytes

// [kRows, 64] blocks of an operand in shared memory, as matrix_descriptor has them.
template <typename Operand, int kRows, int kTeam>
struct SwizzledBlock {
  using T = typename Operand::Element;
  static constexpr bool kAlongK = Operand::kAlongK;
  static constexpr int kBytes = kRows * 128;
  static constexpr int kVector = 8;
  static constexpr int kPieces = (kAlongK ? kSwizzledDepth : kRows) / kVector;  // of a line of the operand
  static constexpr int kLines = kAlongK ? kRows : kSwizzledDepth;
  static constexpr int kStep = kTeam / kPieces;
  static constexpr int kCount = kLines / kStep;
  static_assert(kTeam % kPieces == 0 && kLines % kStep == 0 && kStep % 8 == 0);

  const Operand& operand;
  int piece, line;
  int place;  // of this thread's first piece, in bytes
  typename Operand::Row rows[kAlongK ? kCount : 1];

  __device__ __forceinline__ SwizzledBlock(const Operand& o, int64_t first) : operand(o) {
    piece = static_cast<int>(threadIdx.x) % kPieces, line = static_cast<int>(threadIdx.x) / kPieces;
    // Along rows, every 8 pieces are 64 rows: a block of [64 terms][64 rows] of its own. (kStep keeps line % 8.)
    place = piece / 8 * (kSwizzledDepth * 128) + line * 128 + (piece % 8 ^ line % 8) * 16;
    if constexpr (kAlongK) {
#pragma unroll
      for (int j = 0; j < kCount; ++j) rows[j] = operand.row(first + line + j * kStep);
    } else {
      rows[0] = operand.row(first + piece * kVector);
    }
  }
  __device__ __forceinline__ void copy(char* block, int64_t k, int64_t k_end) const {
    const auto column = [&](int64_t at) { return operand.column(at < k_end ? at : operand.terms); };
    const auto first = column(kAlongK ? k + piece * kVector : k_end);
#pragma unroll
    for (int j = 0; j < kCount; ++j) {
      const T* from;
      if constexpr (kAlongK) {
        from = operand.at(rows[j], first);
      } else {
        from = operand.at(rows[0], column(k + line + j * kStep));
      }
      copy_async<16, Operand::kOverlaps>(block + place + j * kStep * 128, from, operand.data);
    }
  }
  // 16 terms of the rows from `row` (a multiple of 64) on.
  static __device__ __forceinline__ uint64_t descriptor(const char* block, int row, int k) {
    if constexpr (kAlongK) return matrix_descriptor(block + row * 128 + k * 2, 16, 1024);
    return matrix_descriptor(block + row * 128 + k * 128, kSwizzledDepth * 128, 1024);
  }
};

// [128, kN] outputs by two warpgroups of [64, kN]; kBlocks of them share a multiprocessor.
template <typename T, int kN_, int kStages, int kBlocks_>
struct WgmmaTile {
  using Element = T;
  using Sum = float;
  static constexpr int kM = 128, kN = kN_, kTeam = 256, kBlocks = kBlocks_;
  static constexpr int kStageBytes = (kM + kN) * 128;
  static constexpr int kPitch = kN + kTilePadding;
  static constexpr int kSharedBytes = kStages * kStageBytes + 1024;  // the first stage begins on a multiple of 1024
  static_assert(kM * kPitch * static_cast<int>(sizeof(Sum)) <= kSharedBytes);

  float sums[kN / 2];

  template <typename A, typename B>
  __device__ __forceinline__ void multiply(const A& a, const B& b, int64_t m, int64_t n, int64_t k, int64_t k_end,
                                           char* memory) {
    using BlockA = SwizzledBlock<A, kM, kTeam>;
    using BlockB = SwizzledBlock<B, kN, kTeam>;
    char* const shared = memory + (1024 - shared_address(memory) % 1024) % 1024;
#pragma unroll
    for (int i = 0; i < kN / 2; ++i) sums[i] = 0;
    if (k >= k_end) return;
    const BlockA from_a(a, m);
    const BlockB from_b(b, n);
    const int count = static_cast<int>((k_end - k + kSwizzledDepth - 1) / kSwizzledDepth);
    const auto start = [&](int block) {
      if (block < count) {
        char* const stage = shared + block % kStages * kStageBytes;
        from_a.copy(stage, k + int64_t{block} * kSwizzledDepth, k_end);
        from_b.copy(stage + BlockA::kBytes, k + int64_t{block} * kSwizzledDepth, k_end);
      }
      commit_copies();
    };
    // kStages - 2 blocks are ahead: the stage that is copied to was multiplied two blocks ago, which both warpgroups had
    // finished before the barrier.
    __syncthreads();  // the tile before this one may still be read
#pragma unroll 1
    for (int s = 0; s < kStages - 2; ++s) start(s);
    pin_sums(sums);
    const int row = static_cast<int>(threadIdx.x) / 128 * 64;
    for (int block = 0; block < count; ++block) {
      wait_for_copies<kStages - 3>();
      fence_shared();
      __syncthreads();
      const char* const block_a = shared + block % kStages * kStageBytes;
      const char* const block_b = block_a + BlockA::kBytes;
      warpgroup_fence();
#pragma unroll
      for (int t = 0; t < kSwizzledDepth; t += 16) {
        warpgroup_multiply_add<!A::kAlongK, !B::kAlongK>(sums, BlockA::descriptor(block_a, row, t),
                                                         BlockB::descriptor(block_b, 0, t), T{});
      }
      warpgroup_commit();
      start(block + kStages - 2);
      warpgroup_wait<1>();
    }
    warpgroup_wait<0>();
    pin_sums(sums);
    wait_for_copies<0>();
  }

  // The sums into rows of kPitch.
  __device__ __forceinline__ void put(Sum* block) const {
    float* const rows = block + static_cast<int>(threadIdx.x) / 32 * 16 * kPitch;
#pragma unroll
    for (int j = 0; j < kN / 8; ++j) put_tile(rows + j * 8, kPitch, sums + j * 4);
  }
};

}  // namespace
}  // namespace tilegrad::cuda
