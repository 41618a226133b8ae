// Which tile of warpgroups a contraction is computed with.
#pragma once

#include "cuda/device/choose_tile.cuh"
#include "cuda/device/wgmma_tile.cuh"

namespace tilegrad::cuda {
namespace {

// The widest tile of which there are enough: the wider, the more is done with what was copied.
template <typename Problem>
void run_on_warpgroups(const Stream& stream, const Problem& problem) {
  using T = typename Problem::Element;
  const auto tiles = [&](int64_t n) { return ceil_div(problem.M, 128) * ceil_div(problem.N, n) * problem.count; };
  const auto run = [&]<typename Tile>() {
    run_tiles<Tile>(stream, problem, parts_for<Tile>(tiles(Tile::kN), problem.K));
  };
  if (problem.N > 128 && tiles(256) >= kEnoughTiles) return run.template operator()<WgmmaTile<T, 256, 4, 1>>();
  if (problem.N > 64) return run.template operator()<WgmmaTile<T, 128, 3, 2>>();
  run.template operator()<WgmmaTile<T, 64, 4, 2>>();
}

}  // namespace
}  // namespace tilegrad::cuda
