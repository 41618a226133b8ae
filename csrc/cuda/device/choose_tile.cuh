// Which tile a contraction is computed with.
#pragma once

#include "core/precision.h"
#include "cuda/device/contract.cuh"
#include "cuda/device/mma_tile.cuh"

namespace tilegrad::cuda {
namespace {

// Blocks that share a multiprocessor: 12 to 16 warps, with as much ahead of them in shared memory as the latency of its
// loads needs. Warps of 64 x 32 outputs read about as fast from shared memory as they multiply; those of 32 x 32 wait for it.
template <typename T>
using LargeTile = MmaTile<T, Copies::wide, Copies::wide, 128, 128, 64, 32, 4, 2>;
template <typename T>
using TallTile = MmaTile<T, Copies::wide, Copies::wide, 128, 64, 64, 32, 4, 3>;
template <typename T, Copies kCopiesA, Copies kCopiesB>
using MiddleTile = MmaTile<T, kCopiesA, kCopiesB, 64, 64, 32, 32, 4, 4>;
template <typename T>
using NarrowTile = MmaTile<T, Copies::wide, Copies::wide, 128, 32, 32, 32, 4, 4>;

// In how many parts sums are computed where there are few outputs: enough blocks for what multiprocessors of the largest
// devices hold of them, of at least kLeastPart terms each. Like the tile it follows from the sizes alone.
inline constexpr int64_t kEnoughTiles = 100;  // large ones: most multiprocessors have one
inline constexpr int64_t kLeastPart = 256, kMostParts = 512;
template <typename Tile>
int64_t parts_for(int64_t tiles, int64_t K) {
  constexpr int64_t kWanted = 128 * Tile::kBlocks;
  if (tiles >= kWanted / 2 || K < 2 * kLeastPart) return 1;
  return std::min({ceil_div(kWanted, std::max<int64_t>(tiles, 1)), K / kLeastPart, kMostParts});
}

// Which operands' copies can be of 16 bytes.
struct WideOperands {
  bool a, b;
};

// The tensor cores where the type allows: 16-bit floats always, float32 unless the highest precision is asked for. `wide`
// tells which operands can be copied 16 bytes at a time. Large tiles read each operand the least often, but there
// must be enough of them for all multiprocessors; narrow ones are for few columns, which are many in networks for small
// images. Warpgroups (on_hopper) take 16-bit types where their tiles, and parts of long sums, are enough as well.
template <typename Problem, typename OnHopper>
void run_contraction(const Stream& stream, const Problem& problem, WideOperands wide, const OnHopper& on_hopper) {
  using T = typename Problem::Element;
  const auto tiles = [&](int64_t m, int64_t n) {
    return ceil_div(problem.M, m) * ceil_div(problem.N, n) * problem.count;
  };
  if constexpr (formulas::kIsHalf<T>) {
    const int64_t blocks = tiles(128, problem.N > 64 ? 128 : 64) * std::max<int64_t>(problem.K / 1024, 1);
    if (wide.a && wide.b && stream.architecture == 90 && problem.M > 64 && problem.N > 32 && problem.K >= 128 &&
        blocks >= kEnoughTiles) {
      return on_hopper();
    }
  }
  const auto run = [&]<typename Tile>() {
    run_tiles<Tile>(stream, problem, parts_for<Tile>(tiles(Tile::kM, Tile::kN), problem.K));
  };
  [[maybe_unused]] constexpr bool kWide = Problem::kWide, kSingleA = Problem::kSingleA, kSingleB = Problem::kSingleB;
  if constexpr (!std::is_same_v<T, double>) {
    if (!std::is_same_v<T, float> || float32_precision() == Precision::high) {
      const auto run_middle = [&]<Copies kCopiesA, Copies kCopiesB>() {
        run.template operator()<MiddleTile<T, kCopiesA, kCopiesB>>();
      };
      if constexpr (kSingleA) {
        if (!wide.a && wide.b) return run_middle.template operator()<Copies::single, Copies::wide>();
      }
      if constexpr (kSingleB) {
        if (wide.a && !wide.b) return run_middle.template operator()<Copies::wide, Copies::single>();
      }
      if (!wide.a || !wide.b) return run_middle.template operator()<Copies::single, Copies::single>();
      if constexpr (kWide) {
        if (problem.N <= 32) return run.template operator()<NarrowTile<T>>();
        if (problem.N > 64 && tiles(128, 128) >= kEnoughTiles) return run.template operator()<LargeTile<T>>();
        if (problem.N <= 64 && tiles(128, 64) >= 2 * kEnoughTiles) return run.template operator()<TallTile<T>>();
        return run_middle.template operator()<Copies::wide, Copies::wide>();
      }
    }
  }
  if constexpr (!formulas::kIsHalf<T>) {
    if constexpr (std::is_same_v<T, float>) {
      if (problem.N > 64 && tiles(128, 128) >= kEnoughTiles) {
        return run.template operator()<SimtTile<T, 128, 128, 16, 8, 8>>();
      }
    }
    run.template operator()<SimtTile<T, 64, 64, 16, 4, 4>>();
  }
}

// Whether an operand's elements come in runs of 16 bytes, given what all its steps and counts must be multiples of.
template <typename T>
bool is_wide(const T* data, std::initializer_list<int64_t> steps) {
  constexpr int64_t kVector = 16 / sizeof(T);
  bool wide = reinterpret_cast<uintptr_t>(data) % 16 == 0;
  for (int64_t step : steps) wide &= step % kVector == 0;
  return wide;
}

}  // namespace
}  // namespace tilegrad::cuda
