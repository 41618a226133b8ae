// The micro-kernels of the matrix product.
#include "cpu/gemm_tiles.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// Something that is loaded by itself.
template <typename V>
TILEGRAD_INLINE V alone(V value) {
  asm("" : "+r"(value));
  return value;
}

// Tiles of float32 fetch ahead where they are told to; the code for it is left out of all others, which are many.
template <typename T, int kRows, int kVectors, template <typename, int> typename A, bool kFetches>
[[gnu::noinline]] void run_tile(const TileJob<T>& job) {
  using Tile = RegisterTile<T, kRows, kVectors>;
  Tile tile;
  if (job.chain) {
    tile.load(job.chain, job.chain_stride);
  } else {
    tile.clear();
  }
  A<T, kRows> a{job.a, job.a_step};
  const T* b = job.b;
  if constexpr (kFetches) {
    // Field by field, as they were written: a wider load would wait until these stores, and all of C's before them, have
    // reached the cache (100352 x 256 x 64: 8.3 ms instead of 6.9).
    Ahead ahead{alone(job.ahead.first), alone(job.ahead.rows), alone(job.ahead.row_step), alone(job.ahead.lines),
                alone(job.ahead.next)};
    const int64_t piece = ahead.rows > 0 ? kPiece<T> : job.K;
    if (ahead.rows > 0) {
      // The lines of the output, which a store would wait for.
#pragma GCC unroll 1
      for (int m = 0; m < kRows; ++m) {
        for (int64_t n = 0; n < Tile::kColumns; n += kPiece<T>) prefetch(job.out + m * job.out_stride + n);
      }
    }
    for (int64_t left = job.K; left > 0; left -= piece) {
      asm("" : "+m"(ahead));                       // in memory: the loop over k needs the registers
      for (int64_t i = 0; i < ahead.lines; ++i) {  // mostly one
        const char* line = ahead.first + i * kCacheLine;
        for (int64_t r = ahead.rows; r > 0; --r, line += ahead.row_step) prefetch(line);
      }
      ahead.first += ahead.next;
      tile.accumulate_on(smaller(left, piece), a, b, job.b_step);
    }
  } else {
    tile.accumulate_on(job.K, a, b, job.b_step);
  }
  if (job.total) tile.add_to(job.total, job.total_stride);
  if (job.bias) {
    Tile::each([&](int m, int v) { tile.sum[m][v] = tile.sum[m][v] + load_vector(job.bias, v); });
  }
  if (job.relu) {
    const Vec<T> zero{};
    Tile::each([&](int m, int v) { tile.sum[m][v] = tile.sum[m][v] < zero ? zero : tile.sum[m][v]; });
  }
  tile.store(job.out, job.out_stride);
}

// Interleaved as an accessor of so many rows.
template <typename T, int kRows>
using PackedRows = Interleaved<T>;

// The tile of this height and width whose A is read by the accessor A (register_tile.h).
template <typename T, template <typename, int> typename A>
TileFunction<T> tile_of(int rows, int vectors) {
  constexpr bool kFetches = sizeof(T) == 4;
  TileFunction<T> found = nullptr;
  const auto of_width = [&](auto width) {
    with_rows<kTileRows<T, width>>(rows, [&](auto height) { found = &run_tile<T, height, width, A, kFetches>; });
  };
  with_rows<kPanelVectors>(vectors, of_width);
  return found;
}

}  // namespace

void find_tile(bool in_rows, int rows, int vectors, TileFunction<float>& found) {
  found = in_rows ? tile_of<float, SpacedRows>(rows, vectors) : tile_of<float, PackedRows>(rows, vectors);
}
void find_tile(bool in_rows, int rows, int vectors, TileFunction<double>& found) {
  found = in_rows ? tile_of<double, SpacedRows>(rows, vectors) : tile_of<double, PackedRows>(rows, vectors);
}

}  // namespace tilegrad::cpu::TILEGRAD_ISA
