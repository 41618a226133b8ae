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
  int64_t parts, length;
  uint32_t tiles_m, tiles_n;
  constexpr uint32_t blocks() const { return tiles_m * tiles_n * static_cast<uint32_t>(parts); }  // of one product
};

// Sizes and parts of a layout by tiles of [m, n] outputs. That the blocks of a product can be counted in 32 bits is a matter
// of course: each of them is some thousand outputs.
inline Layout layout_of(int64_t M, int64_t N, int64_t K, int64_t count, int64_t m, int64_t n, int64_t parts) {
  Layout layout;
  layout.M = M, layout.N = N, layout.K = K, layout.count = count;
  layout.tiles_m = static_cast<uint32_t>(ceil_div(M, m)), layout.tiles_n = static_cast<uint32_t>(ceil_div(N, n));
  layout.length = round_up(std::max<int64_t>(ceil_div(K, parts), 1), 64);
  layout.parts = std::max<int64_t>(ceil_div(K, layout.length), 1);
  return layout;
}

// Blocks that run at the same time should share rows and columns: they walk down so many tiles of a column before the next.
inline constexpr uint32_t kWalk = 8;

// Which tile of which part a block computes.
struct Place {
  uint32_t part, m, n;
};
template <uint32_t kDown = kWalk>
__host__ __device__ __forceinline__ constexpr Place place_of(const Layout& layout, uint32_t block) {
  Place place{};
  const uint32_t tiles = layout.tiles_m * layout.tiles_n;
  place.part = block / tiles;
  const uint32_t tile = block - place.part * tiles, band = tile / (kDown * layout.tiles_n);
  const uint32_t in_band = tile - band * kDown * layout.tiles_n;
  const uint32_t left = layout.tiles_m - band * kDown, height = left < kDown ? left : kDown;
  place.n = in_band / height;
  place.m = band * kDown + (in_band - place.n * height);
  return place;
}

template <typename Tile, typename Problem>
__global__ void __launch_bounds__(Tile::kTeam, Tile::kBlocks)
    contract_tiles(const __grid_constant__ Problem problem, const __grid_constant__ Layout layout,
                   Wide<typename Tile::Element>* partial) {
  using Sum = typename Tile::Sum;
  extern __shared__ __align__(128) char shared_memory[];
  const Place place = place_of(layout, blockIdx.x);
  const int64_t m = int64_t{place.m} * Tile::kM, n = int64_t{place.n} * Tile::kN;
  for (int64_t item = blockIdx.y; item < layout.count; item += gridDim.y) {
    const auto view = problem.view(item);
    if (m >= view.rows()) continue;
    const int64_t k = place.part * layout.length, end = k + layout.length;
    Tile tile;
    tile.multiply(view.a, view.b, m, n, k, end < view.terms() ? end : view.terms(), shared_memory);
    __syncthreads();  // the operands' blocks have been read: the sums take their place
    Sum* const sums = reinterpret_cast<Sum*>(shared_memory);
    tile.put(sums);
    __syncthreads();
    const int thread = static_cast<int>(threadIdx.x);
    if (partial) {
      const Rows<Sum> part{partial + (place.part * layout.count + item) * layout.M * layout.N, layout.N};
      store_block<Tile>(thread, sums, part, m, view.rows(), n, layout.N, NoFinish());
    } else {
      store_block<Tile>(thread, sums, view.out, m, view.rows(), n, layout.N, view.finish);
    }
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
  if (problem.M == 0 || problem.N == 0 || problem.count == 0) return;
  const Layout layout = layout_of(problem.M, problem.N, problem.K, problem.count, Tile::kM, Tile::kN, parts);
  const auto kernel = &contract_tiles<Tile, Problem>;
  if constexpr (Tile::kSharedBytes > 48 * 1024) {
    static OncePerDevice allowed;
    allowed.run(stream.device,
                [&] { cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, Tile::kSharedBytes); });
  }
  Wide<T>* const partial =
      layout.parts > 1 ? stream.scratch_of<Wide<T>>(layout.parts * layout.count * layout.M * layout.N) : nullptr;
  constexpr int64_t kMostInY = 65535;
  const dim3 grid(layout.blocks(), static_cast<unsigned>(std::min(layout.count, kMostInY)));
  kernel<<<grid, Tile::kTeam, Tile::kSharedBytes, stream.handle>>>(problem, layout, partial);
  if (partial) {
    add_parts<<<blocks_for(layout.count * layout.M * layout.N, 1, kSliced), kThreads, 0, stream.handle>>>(
        problem.of_any_layout(), layout, partial);
  }
}

}  // namespace
}  // namespace tilegrad::cuda
