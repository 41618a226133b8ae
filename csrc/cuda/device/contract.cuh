// The driver of every contraction: matrix products and the three passes of a convolution. A problem gives its sizes and, for
// each of its `count` independent products, operands (operand.cuh) and outputs (output.cuh); a tile (simt_tile.cuh,
// mma_tile.cuh) computes a block of outputs; here the blocks are laid over the grid, and long sums with few outputs are cut
// into parts that are computed apart and added in ascending order.
#pragma once

#include <algorithm>

#include "core/error.h"
#include "cuda/device/operand.cuh"
#include "cuda/device/simt_tile.cuh"

namespace tilegrad::cuda {
namespace {

// How a problem is laid over blocks. Every sum is cut into `parts` of `length` terms (a multiple of every tile's depth);
// nothing here depends on the device.
struct Layout {
  int64_t M, N, K, count;
  int64_t tiles_m, tiles_n;
  int64_t parts, length;
  int64_t blocks() const { return tiles_m * tiles_n * count * parts; }
};

// Blocks that run at the same time should share rows and columns: they walk down 8 tiles of a column before the next.
inline constexpr int64_t kWalk = 8;

struct Place {
  int64_t item, part, m, n;
};
__device__ __forceinline__ Place place_of(const Layout& layout, int64_t block) {
  Place place;
  const int64_t tiles = layout.tiles_m * layout.tiles_n, rest = block / tiles, tile = block - rest * tiles;
  place.part = rest % layout.parts;
  place.item = rest / layout.parts;
  const int64_t band = tile / (kWalk * layout.tiles_n), in_band = tile - band * kWalk * layout.tiles_n;
  const int64_t left = layout.tiles_m - band * kWalk, height = left < kWalk ? left : kWalk;
  place.n = in_band / height;
  place.m = band * kWalk + (in_band - place.n * height);
  return place;
}

template <typename Tile, typename Problem>
__global__ void __launch_bounds__(Tile::kTeam, Tile::kBlocks)
    contract_tiles(const __grid_constant__ Problem problem, const __grid_constant__ Layout layout,
                   Wide<typename Tile::Element>* partial) {
  using Sum = typename Tile::Sum;
  extern __shared__ __align__(128) char shared_memory[];
  const int64_t blocks = layout.tiles_m * layout.tiles_n * layout.count * layout.parts;
  for (int64_t block = blockIdx.x; block < blocks; block += gridDim.x) {
    const Place place = place_of(layout, block);
    const auto view = problem.view(place.item);
    const int64_t m = place.m * Tile::kM, n = place.n * Tile::kN;
    if (m >= view.rows()) continue;
    const int64_t k = place.part * layout.length, end = k + layout.length;
    Tile tile;
    tile.multiply(view.a, view.b, m, n, k, end < view.terms() ? end : view.terms(), shared_memory);
    tile.for_each_row([&](int i, const auto& for_each_run) {
      const int64_t row = m + i;
      if (row >= view.rows()) return;
      if (partial) {
        Sum* const to = partial + ((place.part * layout.count + place.item) * layout.M + row) * layout.N;
        for_each_run([&](int j, const auto& sums) {
          store_sums(to, n + j, layout.N, sums, [](Sum sum, int64_t) { return sum; });
        });
      } else {
        auto* const to = view.out.row(row);
        for_each_run([&](int j, const auto& sums) { store_sums(to, n + j, layout.N, sums, view.finish); });
      }
    });
  }
}

// Adds up the parts of every output, in ascending order.
template <typename Problem>
__global__ void __launch_bounds__(kThreads)
    add_parts(const __grid_constant__ Problem problem, const __grid_constant__ Layout layout,
              const Wide<typename Problem::Element>* partial) {
  using T = typename Problem::Element;
  const int64_t size = layout.M * layout.N, total = size * layout.count, step = int64_t{gridDim.x} * kThreads;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < total; i += step) {
    const int64_t item = i / size, m = (i - item * size) / layout.N, n = i - item * size - m * layout.N;
    const auto view = problem.view(item);
    if (m >= view.rows()) continue;
    Wide<T> sum = partial[i];
    for (int64_t part = 1; part < layout.parts; ++part) sum = sum + partial[part * total + i];
    view.out.row(m)[n] = narrow<T>(view.finish(sum, n));
  }
}

template <typename Tile, typename Problem>
void run_tiles(const Stream& stream, const Problem& problem, int64_t parts) {
  using T = typename Problem::Element;
  Layout layout;
  layout.M = problem.M, layout.N = problem.N, layout.K = problem.K, layout.count = problem.count;
  if (layout.M == 0 || layout.N == 0 || layout.count == 0) return;
  layout.tiles_m = ceil_div(layout.M, Tile::kM), layout.tiles_n = ceil_div(layout.N, Tile::kN);
  layout.length = round_up(std::max<int64_t>(ceil_div(layout.K, parts), 1), 64);
  layout.parts = std::max<int64_t>(ceil_div(layout.K, layout.length), 1);
  const auto kernel = &contract_tiles<Tile, Problem>;
  if constexpr (Tile::kSharedBytes > 48 * 1024) {
    [[maybe_unused]] static const cudaError_t allowed =
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, Tile::kSharedBytes);
  }
  Wide<T>* const partial =
      layout.parts > 1 ? stream.scratch_of<Wide<T>>(layout.parts * layout.count * layout.M * layout.N) : nullptr;
  const int64_t grid = std::min<int64_t>(layout.blocks(), int64_t{1} << 30);
  kernel<<<static_cast<unsigned>(grid), Tile::kTeam, Tile::kSharedBytes, stream.handle>>>(problem, layout, partial);
  if (partial) {
    add_parts<Problem>
        <<<blocks_for(layout.count * layout.M * layout.N), kThreads, 0, stream.handle>>>(problem, layout, partial);
  }
}

// In how many parts sums are computed: as many as give a large device some work where there are few outputs, of at least
// kLeastPart terms each. It follows from the sizes alone.
inline constexpr int64_t kLeastPart = 256;
inline int64_t parts_for(int64_t tiles, int64_t K) {
  constexpr int64_t kWanted = 256;  // blocks: two for each multiprocessor of the largest devices
  if (tiles >= kWanted / 2 || K < 2 * kLeastPart) return 1;
  return std::min({ceil_div(kWanted, std::max<int64_t>(tiles, 1)), K / kLeastPart, int64_t{64}});
}

}  // namespace
}  // namespace tilegrad::cuda
