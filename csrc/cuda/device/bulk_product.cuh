// Large matrix products on Hopper: one warp has blocks of both operands copied in bulk, four stages ahead, and two warpgroups
// do nothing but multiply. 128 x 256 outputs of a tile need 96 bytes of shared memory a multiply-add of 64 x 256 x 16, half of
// what it can be read with.
#pragma once

#include "cuda/device/bulk_copy.cuh"
#include "cuda/device/product.cuh"
#include "cuda/device/wgmma_tile.cuh"

namespace tilegrad::cuda {
namespace {

template <typename T>
using BulkTile = WgmmaTile<T, 256, 4, 1>;  // the sums and where they go

inline constexpr int kBulkStages = 4;
inline constexpr int kBulkThreads = 3 * 128;  // the third warpgroup copies

struct BulkBarriers {
  uint64_t full[kBulkStages], empty[kBulkStages];
};

// A warp's 16 rows of outputs go through a slice of 32 columns in shared memory at a time: the stages hold the next tile's
// operands already.
template <typename T>
struct BulkSlice {
  using Element = T;
  using Sum = float;
  static constexpr int kM = 16, kN = 32, kTeam = 32, kPitch = kN + kTilePadding;
  float sums[kM * kPitch];
};

template <typename T>
inline constexpr int kBulkBytes =
    kBulkStages * BulkTile<T>::kStageBytes + 1024 + static_cast<int>(sizeof(BulkBarriers)) +
    BulkTile<T>::kTeam / 32 * static_cast<int>(sizeof(BulkSlice<T>));

template <typename T, typename Out, typename F>
__device__ __forceinline__ void store_slices(const BulkTile<T>& tile, BulkSlice<T>* slices, int64_t m, int64_t rows,
                                             int64_t n, int64_t columns, const Out& out, const F& finish) {
  using Slice = BulkSlice<T>;
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  float* const slice = slices[warp].sums;
#pragma unroll 1
  for (int at = 0; at < BulkTile<T>::kN; at += Slice::kN) {
    // Which registers are put away is written out; what is done with them is not.
#pragma unroll
    for (int j = 0; j < BulkTile<T>::kN / 8; ++j) {
      if (j * 8 / Slice::kN * Slice::kN == at) put_tile(slice + j * 8 % Slice::kN, Slice::kPitch, tile.sums + j * 4);
    }
    __syncwarp();
    store_block<Slice>(lane, slice, out, m + warp * Slice::kM, rows, n + at, columns, finish);
    __syncwarp();
  }
}

template <bool kAlongA, bool kAlongB, typename T>
__global__ void __launch_bounds__(kBulkThreads, 1)
    multiply_in_bulk(const __grid_constant__ CUtensorMap map_a, const __grid_constant__ CUtensorMap map_b,
                     const __grid_constant__ GemmProblem<T, kAlongA, kAlongB> problem,
                     const __grid_constant__ Layout layout) {
  using Tile = BulkTile<T>;
  using BlockA = SwizzledBlock<Strided<T, kAlongA>, Tile::kM, Tile::kTeam>;
  using BlockB = SwizzledBlock<Strided<T, kAlongB>, Tile::kN, Tile::kTeam>;
  extern __shared__ __align__(128) char memory[];
  char* const shared = memory + (1024 - shared_address(memory) % 1024) % 1024;
  BulkBarriers& barriers = *reinterpret_cast<BulkBarriers*>(shared + kBulkStages * Tile::kStageBytes);
  BulkSlice<T>* const slices = reinterpret_cast<BulkSlice<T>*>(&barriers + 1);
  const int cluster = blocks_of_cluster(), rank = block_of_cluster();
  if (threadIdx.x == 0) {
    for (int s = 0; s < kBulkStages; ++s) {
      barrier_init(&barriers.full[s], 1);
      barrier_init(&barriers.empty[s], 2 * cluster);  // one arrival of each warpgroup that reads what is copied
    }
    fence_barriers();
  }
  fence_shared();
  meet_in_cluster();
  // A cluster takes tiles below each other. Where their number is odd, the last has no rows: it helps, and writes nothing.
  Layout clusters = layout;
  clusters.tiles_m = (layout.tiles_m + cluster - 1) / cluster;
  const uint32_t blocks = clusters.tiles_m * clusters.tiles_n, first = blockIdx.x / cluster, step = gridDim.x / cluster;
  const auto row_of = [&](const Place& place) { return (int64_t{place.m} * cluster + rank) * Tile::kM; };
  const int count = static_cast<int>((layout.K + kSwizzledDepth - 1) / kSwizzledDepth);
  int stage = 0, phase = 0;
  const auto next = [&] {
    if (++stage == kBulkStages) stage = 0, phase ^= 1;
  };
  if (threadIdx.x >= Tile::kTeam) {
    leave_registers<40>();
    if (threadIdx.x == Tile::kTeam) {
      for (uint32_t block = first; block < blocks; block += step) {
        const Place place = place_of(clusters, block);
        const int64_t m = row_of(place), n = int64_t{place.n} * Tile::kN;
        for (int b = 0; b < count; ++b, next()) {
          barrier_wait(&barriers.empty[stage], phase ^ 1);
          uint64_t* const full = &barriers.full[stage];
          barrier_expect(full, Tile::kStageBytes);
          char* const a = shared + stage * Tile::kStageBytes;
          char* const to_b = a + BlockA::kBytes;
          const int64_t k = int64_t{b} * kSwizzledDepth;
          if constexpr (kAlongA) {
            bulk_copy(a, map_a, k, m, full);
          } else {
            for (int i = 0; i < Tile::kM; i += 64) bulk_copy(a + i * 128, map_a, m + i, k, full);
          }
          // Of the columns, which a cluster has in common, each block has its half copied to both.
          constexpr int kBox = kAlongB ? Tile::kN / 2 : 64, kShare = Tile::kN / 2;
          const int begin = rank * kShare, end = cluster == 1 ? Tile::kN : begin + kShare;
          for (int i = begin; i < end; i += kBox) {
            const int64_t column = kAlongB ? k : n + i, line = kAlongB ? n + i : k;
            if (cluster == 1) {
              bulk_copy(to_b + i * 128, map_b, column, line, full);
            } else {
              bulk_copy_to_both(to_b + i * 128, map_b, column, line, full);
            }
          }
        }
      }
    }
  } else {
    take_registers<232>();
    const int row = static_cast<int>(threadIdx.x) / 128 * 64;
    const auto view = problem.view(0);
    for (uint32_t block = first; block < blocks; block += step) {
      const Place place = place_of(clusters, block);
      const int64_t m = row_of(place), n = int64_t{place.n} * Tile::kN;
      Tile tile;
#pragma unroll
      for (int i = 0; i < Tile::kN / 2; ++i) tile.sums[i] = 0;
      pin_sums(tile.sums);
      int before = -1;              // the stage that may still be read
      const auto give_back = [&] {  // to all that copy into it
        const int thread = static_cast<int>(threadIdx.x) % 128;
        if (before >= 0 && thread < cluster) barrier_arrive_at(&barriers.empty[before], thread);
      };
      for (int b = 0; b < count; ++b, next()) {
        barrier_wait(&barriers.full[stage], phase);
        const char* const block_a = shared + stage * Tile::kStageBytes;
        const char* const block_b = block_a + BlockA::kBytes;
        warpgroup_fence();
#pragma unroll
        for (int t = 0; t < kSwizzledDepth; t += 16) {
          warpgroup_multiply_add<!kAlongA, !kAlongB>(tile.sums, BlockA::descriptor(block_a, row, t),
                                                     BlockB::descriptor(block_b, 0, t), T{});
        }
        warpgroup_commit();
        warpgroup_wait<1>();
        give_back();
        before = stage;
      }
      warpgroup_wait<0>();
      pin_sums(tile.sums);
      give_back();
      store_slices(tile, slices, m, layout.M, n, layout.N, view.out, view.finish);
    }
  }
  meet_in_cluster();  // nobody leaves while another may still copy to it or arrive at its barriers
}

// Whether a product is one for this kernel: large enough to fill the device with its tiles, and of matrices whose lines lie
// one behind the other. (Tensor maps take no steps that are negative, 0 or shorter than a line: reversed, repeated and
// overlapping lines are for other kernels.)
template <bool kAlongA, bool kAlongB, typename T>
bool is_large(const Stream& stream, const GemmProblem<T, kAlongA, kAlongB>& problem) {
  using Tile = BulkTile<T>;
  constexpr int64_t kMost = int64_t{1} << 31;       // of coordinates
  constexpr int64_t kMostBytes = int64_t{1} << 40;  // of a step
  const auto can_be_mapped = [](int64_t length, int64_t step) {
    return step >= length && step < kMostBytes / static_cast<int64_t>(sizeof(T));
  };
  const Gemm& g = problem.sizes;
  return problem.count == 1 && problem.K >= 4 * kSwizzledDepth && problem.M < kMost && problem.N < kMost &&
         problem.K < kMost && can_be_mapped(kAlongA ? g.K : g.M, kAlongA ? g.a_row_stride : g.a_col_stride) &&
         can_be_mapped(kAlongB ? g.K : g.N, kAlongB ? g.b_col_stride : g.b_row_stride) &&
         8 * ceil_div(problem.M, Tile::kM) * ceil_div(problem.N, Tile::kN) >= 7 * stream.multiprocessors;
}

template <bool kAlongA, bool kAlongB, typename T>
void multiply_large(const Stream& stream, const GemmProblem<T, kAlongA, kAlongB>& problem) {
  using Tile = BulkTile<T>;
  const Layout layout = layout_of(problem.M, problem.N, problem.K, 1, Tile::kM, Tile::kN, 1);
  const Gemm& g = problem.sizes;
  const CUtensorMap map_a = kAlongA ? tensor_map(problem.a_data, g.M, g.K, g.a_row_stride, Tile::kM)
                                    : tensor_map(problem.a_data, g.K, g.M, g.a_col_stride, 64);
  const CUtensorMap map_b = kAlongB ? tensor_map(problem.b_data, g.N, g.K, g.b_col_stride, Tile::kN / 2)
                                    : tensor_map(problem.b_data, g.K, g.N, g.b_row_stride, 64);
  const auto kernel = &multiply_in_bulk<kAlongA, kAlongB, T>;
  constexpr int kBytes = kBulkBytes<T>;
  static OncePerDevice allowed;
  allowed.run(stream.device,
              [&] { cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes); });
  // Pairs of blocks want two thirds of the bytes of the L2 cache. (Where their tiles are few, an odd one costs more.)
  const int cluster = layout.tiles_m % 2 == 0 || layout.tiles_m >= 16 ? 2 : 1;
  const uint32_t wanted = cluster * static_cast<uint32_t>(ceil_div(layout.tiles_m, cluster)) * layout.tiles_n;
  const uint32_t room = static_cast<uint32_t>(stream.multiprocessors) / cluster * cluster;
  launch_in_clusters(cluster, std::min(wanted, room), kBulkThreads, kBytes, stream.handle, kernel, map_a, map_b,
                     problem, layout);
}

}  // namespace
}  // namespace tilegrad::cuda
