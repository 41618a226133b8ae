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
        for_each_run([&](int j, const auto& sums) { store_sums(to, n + j, layout.N, sums, NoFinish()); });
      } else {
        auto* const to = view.out.row(row);
        for_each_run([&](int j, const auto& sums) { store_sums(to, n + j, layout.N, sums, view.finish); });
      }
    });
  }
}

// Adds up the parts of every output: 8 slices of them, each every 8th part in ascending order, then the slices.
inline constexpr int kSlices = 8, kSliced = kThreads / kSlices;  // outputs of a block

template <typename Problem>
__global__ void __launch_bounds__(kThreads)
    add_parts(const __grid_constant__ Problem problem, const __grid_constant__ Layout layout,
              const Wide<typename Problem::Element>* partial) {
  using T = typename Problem::Element;
  __shared__ Wide<T> slices[kSlices][kSliced];
  const int64_t size = layout.M * layout.N, total = size * layout.count;
  const int column = static_cast<int>(threadIdx.x) % kSliced, slice = static_cast<int>(threadIdx.x) / kSliced;
  for (int64_t first = int64_t{blockIdx.x} * kSliced; first < total; first += int64_t{gridDim.x} * kSliced) {
    const int64_t i = first + column;
    Wide<T> sum = 0;
    if (i < total) {
#pragma unroll 8
      for (int64_t part = slice; part < layout.parts; part += kSlices) sum = sum + partial[part * total + i];
    }
    slices[slice][column] = sum;
    __syncthreads();
    if (slice == 0 && i < total) {
#pragma unroll
      for (int s = 1; s < kSlices; ++s) sum = sum + slices[s][column];
      const int64_t item = i / size, m = (i - item * size) / layout.N, n = i - item * size - m * layout.N;
      const auto view = problem.view(item);
      if (m < view.rows()) view.out.row(m)[n] = narrow<T>(view.finish.of(sum, n));
    }
    __syncthreads();
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
    static OncePerDevice allowed;
    allowed.run(stream.device,
                [&] { cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, Tile::kSharedBytes); });
  }
  Wide<T>* const partial =
      layout.parts > 1 ? stream.scratch_of<Wide<T>>(layout.parts * layout.count * layout.M * layout.N) : nullptr;
  const int64_t grid = std::min<int64_t>(layout.blocks(), int64_t{1} << 30);
  kernel<<<static_cast<unsigned>(grid), Tile::kTeam, Tile::kSharedBytes, stream.handle>>>(problem, layout, partial);
  if (partial) {
    add_parts<Problem><<<blocks_for(layout.count * layout.M * layout.N, 1, kSliced), kThreads, 0, stream.handle>>>(
        problem, layout, partial);
  }
}

}  // namespace
}  // namespace tilegrad::cuda
