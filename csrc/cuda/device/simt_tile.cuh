// A tile of a contraction on the ordinary arithmetic units: one fma chain over ascending k per output.
#pragma once

#include "cuda/device/output.cuh"
#include "formulas/fma.h"

namespace tilegrad::cuda {
namespace {

// Loads [kRows, kDepth] blocks of an operand into registers, and puts them into shared memory as [kDepth][kPitch].
template <typename Operand, int kRows, int kDepth, int kPitch, int kTeam>
struct RegisterLoader {
  using T = typename Operand::Element;
  static constexpr int kCount = kRows * kDepth / kTeam;
  static constexpr bool kAlongK = Operand::kAlongK;
  static constexpr int kAcross = kAlongK ? kDepth : kRows;  // threads side by side
  static constexpr int kStep = kTeam / kAcross;
  static_assert(kTeam % kAcross == 0 && kRows * kDepth % kTeam == 0);

  const Operand& operand;
  int across, along;
  typename Operand::Row rows[kAlongK ? kCount : 1];
  T held[kCount];

  __device__ __forceinline__ RegisterLoader(const Operand& o, int64_t first) : operand(o) {
    across = static_cast<int>(threadIdx.x) % kAcross, along = static_cast<int>(threadIdx.x) / kAcross;
    if constexpr (kAlongK) {
#pragma unroll
      for (int j = 0; j < kCount; ++j) rows[j] = operand.row(first + along + j * kStep);
    } else {
      rows[0] = operand.row(first + across);
    }
  }
  __device__ __forceinline__ void fetch(int64_t k, int64_t k_end) {
    const auto get = [&](const auto& row, const auto& column) {
      const T* const from = operand.at(row, column);
      return from ? *from : T{};
    };
    const auto column = [&](int64_t at) { return operand.column(at < k_end ? at : operand.terms); };
    if constexpr (kAlongK) {
      const auto one = column(k + across);
#pragma unroll
      for (int j = 0; j < kCount; ++j) held[j] = get(rows[j], one);
    } else {
#pragma unroll
      for (int j = 0; j < kCount; ++j) held[j] = get(rows[0], column(k + along + j * kStep));
    }
  }
  __device__ __forceinline__ void put(Wide<T>* block) const {
#pragma unroll
    for (int j = 0; j < kCount; ++j) {
      const int other = along + j * kStep;
      block[kAlongK ? across * kPitch + other : other * kPitch + across] = widen(held[j]);
    }
  }
};

// [kM, kN] outputs by kM * kN / (kTileM * kTileN) threads, kDepth terms at a time.
template <typename T, int kM_, int kN_, int kDepth_, int kTileM, int kTileN>
struct SimtTile {
  using Element = T;
  using Sum = Wide<T>;
  static constexpr int kM = kM_, kN = kN_, kDepth = kDepth_;
  static constexpr int kTeam = kM * kN / (kTileM * kTileN), kBlocks = 1;
  static constexpr int kPitchM = kM + 4,
                       kPitchN = kN + 4;  // rows stay aligned, and transposed stores spread over banks
  static constexpr int kStage = kDepth * (kPitchM + kPitchN);
  static constexpr int kPitch = kPitchN, kOutputs = kM * kPitch;
  static constexpr int kSharedBytes = larger(2 * kStage, kOutputs) * static_cast<int>(sizeof(Sum));
  static_assert(kTileM % 4 == 0 && kTileN % 4 == 0 && kTeam <= 1024);

  Sum sums[kTileM][kTileN];

  // A thread's rows (and columns) come in runs of 4, so that a warp reads shared memory in long pieces.
  static __device__ __forceinline__ int place_m(int i) {
    return i / 4 * (kM * 4 / kTileM) + static_cast<int>(threadIdx.x) / (kN / kTileN) * 4 + i % 4;
  }
  static __device__ __forceinline__ int place_n(int j) {
    return j / 4 * (kN * 4 / kTileN) + static_cast<int>(threadIdx.x) % (kN / kTileN) * 4 + j % 4;
  }

  template <typename A, typename B>
  __device__ __forceinline__ void multiply(const A& a, const B& b, int64_t m, int64_t n, int64_t k, int64_t k_end,
                                           char* memory) {
    Sum* const shared = reinterpret_cast<Sum*>(memory);
#pragma unroll
    for (int i = 0; i < kTileM; ++i) {
#pragma unroll
      for (int j = 0; j < kTileN; ++j) sums[i][j] = 0;
    }
    if (k >= k_end) return;
    RegisterLoader<A, kM, kDepth, kPitchM, kTeam> from_a(a, m);
    RegisterLoader<B, kN, kDepth, kPitchN, kTeam> from_b(b, n);
    from_a.fetch(k, k_end);
    from_b.fetch(k, k_end);
    __syncthreads();  // the tile before this one may still be read
    from_a.put(shared);
    from_b.put(shared + kDepth * kPitchM);
    __syncthreads();
    int stage = 0;
    for (; k < k_end; k += kDepth) {
      const bool more = k + kDepth < k_end;
      if (more) from_a.fetch(k + kDepth, k_end), from_b.fetch(k + kDepth, k_end);
      const Sum* const block_a = shared + stage * kStage;
      const Sum* const block_b = block_a + kDepth * kPitchM;
#pragma unroll kDepth / 2
      for (int t = 0; t < kDepth; ++t) {
        Sum left[kTileM], right[kTileN];
#pragma unroll
        for (int i = 0; i < kTileM; ++i) left[i] = block_a[t * kPitchM + place_m(i)];
#pragma unroll
        for (int j = 0; j < kTileN; ++j) right[j] = block_b[t * kPitchN + place_n(j)];
#pragma unroll
        for (int i = 0; i < kTileM; ++i) {
#pragma unroll
          for (int j = 0; j < kTileN; ++j) sums[i][j] = formulas::fma(left[i], right[j], sums[i][j]);
        }
      }
      stage ^= 1;
      if (more) {
        from_a.put(shared + stage * kStage);
        from_b.put(shared + stage * kStage + kDepth * kPitchM);
      }
      __syncthreads();
    }
  }

  // The sums into rows of kPitch.
  __device__ __forceinline__ void put(Sum* block) const {
#pragma unroll
    for (int i = 0; i < kTileM; ++i) {
#pragma unroll
      for (int j = 0; j < kTileN; j += 2) {
        *reinterpret_cast<Pack<Sum, 2>*>(block + place_m(i) * kPitch + place_n(j)) = {sums[i][j], sums[i][j + 1]};
      }
    }
  }
};

}  // namespace
}  // namespace tilegrad::cuda
