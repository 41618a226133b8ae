// A tile of a contraction on the tensor cores: float (as tf32), BFloat16 or Float16 with float sums. Blocks of the operands
// come to shared memory as they lie in global memory, kStages - 1 of them ahead of the one that is multiplied.
#pragma once

#include "cuda/device/mma.cuh"
#include "cuda/device/output.cuh"

namespace tilegrad::cuda {
namespace {

// How many elements of an operand are copied at a time: 16 bytes of them, or one.
enum class Copies { wide, single };

// [kRows, kDepth] blocks of an operand in shared memory: [row][k] where the operand lies along k, else [k][row]. The padding
// keeps rows 16-byte aligned and spreads over all banks what fragment loads read together: 8 rows of 16 bytes for 16-bit
// types; for tf32 8 rows of 4 pairs of neighbours along k, or of 4 x 8 elements of every other k.
template <typename Operand, Copies kCopies, int kRows_, int kDepth, int kTeam>
struct SharedBlock {
  using T = typename Operand::Element;
  static constexpr bool kAlongK = Operand::kAlongK;
  static constexpr int kRows = kRows_;
  static constexpr int kPadding = sizeof(T) == 2 ? 8 : kAlongK ? 8 : 4;
  static constexpr int kPitch = (kAlongK ? kDepth : kRows) + kPadding;
  static constexpr int kElements = (kAlongK ? kRows : kDepth) * kPitch;
  static constexpr int kVector = kCopies == Copies::wide ? 16 / static_cast<int>(sizeof(T)) : 1;
  static constexpr int kBytes = kVector * static_cast<int>(sizeof(T));
  static constexpr int kAcross = (kAlongK ? kDepth : kRows) / kVector;  // threads side by side
  static constexpr int kStep = kTeam / kAcross;
  static constexpr int kCount = (kRows * kDepth / kVector + kTeam - 1) / kTeam;
  static_assert(kTeam % kAcross == 0);

  // Where rows are found again in a few instructions, many of them are not worth their registers.
  static constexpr bool kHoists = kAlongK && (kCopies == Copies::wide || !Operand::kCheapRows);
  static constexpr int kUnrolled = kHoists || kCount % 4 != 0 ? kCount : 4;

  const Operand& operand;
  int64_t first;
  int across, along;
  typename Operand::Row rows[kHoists ? kCount : 1];

  __device__ __forceinline__ SharedBlock(const Operand& o, int64_t first_row) : operand(o), first(first_row) {
    across = static_cast<int>(threadIdx.x) % kAcross * kVector, along = static_cast<int>(threadIdx.x) / kAcross;
    if constexpr (kHoists) {
#pragma unroll
      for (int j = 0; j < kCount; ++j) rows[j] = operand.row(first + along + j * kStep);
    } else if constexpr (!kAlongK) {
      rows[0] = operand.row(first + across);
    }
  }

  // Starts the copy of the block of terms from k on; what lies from k_end on is zeros.
  __device__ __forceinline__ void copy(T* block, int64_t k, int64_t k_end) const {
    const auto column = [&](int64_t at) { return operand.column(at < k_end ? at : operand.terms); };
    constexpr int kLines = kAlongK ? kRows : kDepth;
    const auto own_column = column(kAlongK ? k + across : k_end);
    const auto from = [&](int j) {
      if constexpr (kHoists) {
        return operand.at(rows[j], own_column);
      } else if constexpr (kAlongK) {
        return operand.at(operand.row(first + along + j * kStep), own_column);
      } else {
        return operand.at(rows[0], column(k + along + j * kStep));
      }
    };
    const auto is_inside = [&](int j) { return kLines % kStep == 0 || along + j * kStep < kLines; };
    const auto to = [&](int j) { return block + (along + j * kStep) * kPitch + across; };
    if constexpr (kBytes == 2) {  // there are no copies of 2 bytes: through registers, some at a time
      constexpr int kHeld = kUnrolled;
      static_assert(kCount % kHeld == 0);
#pragma unroll 1
      for (int first_held = 0; first_held < kCount; first_held += kHeld) {
        T held[kHeld];
#pragma unroll
        for (int j = 0; j < kHeld; ++j) {
          const T* const source = is_inside(first_held + j) ? from(first_held + j) : nullptr;
          held[j] = source ? *source : T{};
        }
#pragma unroll
        for (int j = 0; j < kHeld; ++j) {
          if (is_inside(first_held + j)) *to(first_held + j) = held[j];
        }
      }
    } else {
#pragma unroll kUnrolled
      for (int j = 0; j < kCount; ++j) {
        if (is_inside(j)) copy_async<kBytes, Operand::kOverlaps>(to(j), from(j), operand.data);
      }
    }
  }
};

// The fragments of 16 rows of A, and of 16 columns of B (two tiles of 8), for one step of the tensor cores: 16 terms of 16
// bits each, or 8 of tf32. In the tf32 layouts a thread's two terms, which the instruction takes for t and t + 4, are 2 t
// and 2 t + 1: any order will do that is the same for A and B.
template <typename T, bool kAlongK, int kPitch>
__device__ __forceinline__ void load_a(uint32_t (&to)[4], const T* block, int row, int k) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  if constexpr (sizeof(T) == 2) {
    const int lower = lane % 8, second = lane / 8 % 2 * 8, upper = lane / 16 * 8;
    if constexpr (kAlongK) {
      load_matrices<false>(to, block + (row + lower + second) * kPitch + k + upper);
    } else {
      load_matrices<true>(to, block + (k + lower + upper) * kPitch + row + second);
    }
  } else {
    const int g = lane / 4, t = lane % 4;
    if constexpr (kAlongK) {
      const float2 low = *reinterpret_cast<const float2*>(block + (row + g) * kPitch + k + 2 * t);
      const float2 high = *reinterpret_cast<const float2*>(block + (row + g + 8) * kPitch + k + 2 * t);
      to[0] = to_tf32(low.x), to[1] = to_tf32(high.x), to[2] = to_tf32(low.y), to[3] = to_tf32(high.y);
    } else {
      const T* const at = block + (k + 2 * t) * kPitch + row + g;
      to[0] = to_tf32(at[0]), to[1] = to_tf32(at[8]), to[2] = to_tf32(at[kPitch]), to[3] = to_tf32(at[kPitch + 8]);
    }
  }
}
template <typename T, bool kAlongK, int kPitch>
__device__ __forceinline__ void load_b(uint32_t (&to)[4], const T* block, int column, int k) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  if constexpr (sizeof(T) == 2) {
    const int lower = lane % 8, second = lane / 8 % 2 * 8, upper = lane / 16 * 8;
    if constexpr (kAlongK) {
      load_matrices<false>(to, block + (column + lower + upper) * kPitch + k + second);
    } else {
      load_matrices<true>(to, block + (k + lower + second) * kPitch + column + upper);
    }
  } else {
    const int g = lane / 4, t = lane % 4;
    if constexpr (kAlongK) {
      const float2 low = *reinterpret_cast<const float2*>(block + (column + g) * kPitch + k + 2 * t);
      const float2 high = *reinterpret_cast<const float2*>(block + (column + g + 8) * kPitch + k + 2 * t);
      to[0] = to_tf32(low.x), to[1] = to_tf32(low.y), to[2] = to_tf32(high.x), to[3] = to_tf32(high.y);
    } else {
      const T* const at = block + (k + 2 * t) * kPitch + column + g;
      to[0] = to_tf32(at[0]), to[1] = to_tf32(at[kPitch]), to[2] = to_tf32(at[8]), to[3] = to_tf32(at[kPitch + 8]);
    }
  }
}

// [kM, kN] outputs by warps of [kWarpM, kWarpN] each.
template <typename T, Copies kCopiesA, Copies kCopiesB, int kM_, int kN_, int kWarpM, int kWarpN, int kStages,
          int kBlocks_>
struct MmaTile {
  using Element = T;
  using Sum = float;
  static constexpr int kM = kM_, kN = kN_, kBlocks = kBlocks_;
  static constexpr int kTeam = kM / kWarpM * (kN / kWarpN) * 32;
  static constexpr int kStep = sizeof(T) == 2 ? 16 : 8;            // terms of one instruction
  static constexpr int kDepth = 64 / static_cast<int>(sizeof(T));  // terms of a block: 64 bytes
  static constexpr int kStageElements = (kM + kN) * (kDepth + 8);  // at least that of any layout
  static constexpr int kPitch = kN + kTilePadding;
  static constexpr int kSharedBytes =
      larger(kStages * kStageElements * static_cast<int>(sizeof(T)), kM * kPitch * static_cast<int>(sizeof(Sum)));
  static constexpr int kTilesM = kWarpM / 16, kTilesN = kWarpN / 8;
  static_assert(kWarpM % 16 == 0 && kWarpN % 16 == 0);

  float sums[kTilesM][kTilesN][4];

  static __device__ __forceinline__ int warp_m() { return static_cast<int>(threadIdx.x) / 32 / (kN / kWarpN) * kWarpM; }
  static __device__ __forceinline__ int warp_n() { return static_cast<int>(threadIdx.x) / 32 % (kN / kWarpN) * kWarpN; }

  template <typename A, typename B>
  __device__ __forceinline__ void multiply(const A& a, const B& b, int64_t m, int64_t n, int64_t k, int64_t k_end,
                                           char* memory) {
    using BlockA = SharedBlock<A, kCopiesA, kM, kDepth, kTeam>;
    using BlockB = SharedBlock<B, kCopiesB, kN, kDepth, kTeam>;
    static_assert(BlockA::kElements + BlockB::kElements <= kStageElements);
    T* const shared = reinterpret_cast<T*>(memory);
#pragma unroll
    for (int i = 0; i < kTilesM; ++i) {
#pragma unroll
      for (int j = 0; j < kTilesN; ++j) sums[i][j][0] = sums[i][j][1] = sums[i][j][2] = sums[i][j][3] = 0;
    }
    if (k >= k_end) return;
    const BlockA from_a(a, m);
    const BlockB from_b(b, n);
    const int count = static_cast<int>((k_end - k + kDepth - 1) / kDepth);
    const auto start = [&](int block) {
      if (block < count) {
        T* const stage = shared + block % kStages * kStageElements;
        from_a.copy(stage, k + int64_t{block} * kDepth, k_end);
        from_b.copy(stage + BlockA::kElements, k + int64_t{block} * kDepth, k_end);
      }
      commit_copies();  // an empty group where there is nothing left: the wait below counts groups
    };
    __syncthreads();  // the tile before this one may still be read
    // kStages - 1 rounds that only start copies, and then as many as there are blocks: one place in the code for the copies,
    // which are the most of it.
#pragma unroll 1
    for (int block = 1 - kStages; block < count; ++block) {
      if (block >= 0) {
        wait_for_copies<kStages - 2>();
        __syncthreads();  // everyone's copies of this block are there, and the block before it has been read
      }
      start(block + kStages - 1);
      if (block < 0) continue;
      const T* const block_a = shared + block % kStages * kStageElements;
      const T* const block_b = block_a + BlockA::kElements;
#pragma unroll
      for (int t = 0; t < kDepth; t += kStep) {
        uint32_t right[kTilesN / 2][4];
#pragma unroll
        for (int j = 0; j < kTilesN / 2; ++j) {
          load_b<T, B::kAlongK, BlockB::kPitch>(right[j], block_b, warp_n() + j * 16, t);
        }
#pragma unroll
        for (int i = 0; i < kTilesM; ++i) {
          uint32_t left[4];
          load_a<T, A::kAlongK, BlockA::kPitch>(left, block_a, warp_m() + i * 16, t);
#pragma unroll
          for (int j = 0; j < kTilesN; ++j) multiply_add<T>(sums[i][j], left, &right[j / 2][j % 2 * 2]);
        }
      }
    }
    wait_for_copies<0>();
  }

  // The sums into rows of kPitch.
  __device__ __forceinline__ void put(Sum* block) const {
#pragma unroll
    for (int i = 0; i < kTilesM; ++i) {
#pragma unroll
      for (int j = 0; j < kTilesN; ++j) {
        put_tile(block + (warp_m() + i * 16) * kPitch + warp_n() + j * 8, kPitch, sums[i][j]);
      }
    }
  }
};

}  // namespace
}  // namespace tilegrad::cuda
