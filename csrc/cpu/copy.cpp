// Copies between strided layouts, and fills.
#include "cpu/elementwise.h"
#include "cpu/transpose.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// Elements as plain bits: a copy only sees their size.
template <size_t kBytes>
struct Raw {
  typedef typename WordOf<kBytes>::type type __attribute__((may_alias));
};

// The side of tiles that fit in L1 on both sides.
inline constexpr int64_t kTile = 32;

// Copies nests whose output runs along the innermost loop and whose input runs along loop `across`, by tiles of those two.
template <typename R>
TILEGRAD_INLINE void copy_across(const Team& team, const LoopNest<2>& nest, int across, const R* x, R* y) {
  const int inner = nest.ndim - 1;
  const int64_t rows = nest.shape[across], columns = nest.shape[inner];
  const int64_t x_step = nest.stride[0][inner], y_step = nest.stride[1][across];
  const int64_t row_tiles = ceil_div(rows, kTile), column_tiles = ceil_div(columns, kTile);
  const int64_t planes = nest.numel / (rows * columns);
  const Range mine = team.share(planes * row_tiles * column_tiles);
  for (int64_t t = mine.begin; t < mine.end; ++t) {
    const int64_t j = t % column_tiles * kTile, i = t / column_tiles % row_tiles * kTile;
    int64_t plane = t / (column_tiles * row_tiles);
    const R* from = x + j * x_step + i;
    R* to = y + i * y_step + j;
    for (int d = inner - 1; d >= 0; --d) {
      if (d == across) continue;
      from += plane % nest.shape[d] * nest.stride[0][d];
      to += plane % nest.shape[d] * nest.stride[1][d];
      plane /= nest.shape[d];
    }
    transpose_tile(from, x_step, to, y_step, smaller(rows - i, kTile), smaller(columns - j, kTile));
  }
}

template <typename T>
void copy(const Team& team, const LoopNest<2>& nest, const T* x, T* y) {
  using R = typename Raw<sizeof(T)>::type;
  const int inner = nest.ndim - 1;
  if (nest.numel > 0 && nest.ndim >= 2 && nest.stride[1][inner] == 1 && nest.stride[0][inner] != 1) {
    for (int d = 0; d < inner; ++d) {
      if (nest.stride[0][d] != 1) continue;
      return copy_across(team, nest, d, reinterpret_cast<const R*>(x), reinterpret_cast<R*>(y));
    }
  }
  map(team, nest, [](R value) { return value; }, reinterpret_cast<R*>(y), reinterpret_cast<const R*>(x));
}

// The value is an operand with strides of 0.
template <typename T>
void fill(const Team& team, const LoopNest<2>& nest, const T* value, T* y) {
  using R = typename Raw<sizeof(T)>::type;
  const R v = *reinterpret_cast<const R*>(value);
  const int64_t step = nest.ndim ? nest.stride[1][nest.ndim - 1] : 1;
  for_each_run(team, nest, [&](int64_t count, const int64_t* offsets) {
    R* const to = reinterpret_cast<R*>(y) + offsets[1];
    if (step == 1) {
#pragma omp simd
      for (int64_t i = 0; i < count; ++i) to[i] = v;
    } else {
      for (int64_t i = 0; i < count; ++i) to[i * step] = v;
    }
  });
}

}  // namespace
DEFINE_KERNEL(copy, ALL)
DEFINE_KERNEL(fill, ALL)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
