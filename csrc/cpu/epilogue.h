// What a matrix product or a convolution does to its finished sums: c = activation(sum + bias). The formulas are those
// of the elementwise ops, so that fused and separate give the same bits.
#pragma once

#include "cpu/math.h"
#include "cpu/register_tile.h"
#include "params/gemm.h"

namespace tilegrad::cpu::TILEGRAD_ISA {

// c = activation(c) over rows x columns elements that were just stored: for the activations that are too long to be
// worth repeating in every tile.
void activate(float* c, int64_t stride, int64_t rows, int64_t columns, Activation activation);
void activate(double* c, int64_t stride, int64_t rows, int64_t columns, Activation activation);

namespace {

template <typename T>
struct Epilogue {
  const T* bias;  // one per output column, or null
  int64_t bias_stride;
  Activation activation;
};

// Stores activation(tile + bias) to c. `first` is the tile's first output column: where its bias begins.
template <typename T, int kRows, int kVectors>
TILEGRAD_INLINE void finish(RegisterTile<T, kRows, kVectors> tile, const Epilogue<T>& epilogue, int64_t first, T* c,
                            int64_t stride, int64_t columns) {
  using Tile = RegisterTile<T, kRows, kVectors>;
  if (epilogue.bias) {
    const T* bias = epilogue.bias + first * epilogue.bias_stride;
    T gathered[Tile::kColumns];
    if (epilogue.bias_stride != 1 || columns != Tile::kColumns) {
      for (int64_t n = 0; n < Tile::kColumns; ++n) gathered[n] = n < columns ? bias[n * epilogue.bias_stride] : T(0);
      bias = gathered;
    }
    Vec<T> row[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) row[v] = load_vector(bias, v);
    Tile::each([&](int m, int v) { tile.sum[m][v] = tile.sum[m][v] + row[v]; });
  }
  if (epilogue.activation == Activation::relu) {
    const Vec<T> zero{};
    Tile::each([&](int m, int v) { tile.sum[m][v] = tile.sum[m][v] < zero ? zero : tile.sum[m][v]; });
  }
  tile.store(c, stride, columns);
  if (epilogue.activation > Activation::relu) activate(c, stride, kRows, columns, epilogue.activation);
}

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
