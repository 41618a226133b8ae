// Group normalisation of x [N, P, C]: each sample's groups of channels, at all places, on their own,
//
//     y = (x - mean) * (gamma * inverse) + beta,    inverse = 1 / sqrt(variance + epsilon)
//
// Sums go down the columns (one sample's channel) first, in order, and then over the columns of a group, in double. The
// variance is made in one walk through memory, as in batch_norm.cpp.
#include "cpu/column_sums.h"
#include "params/norm.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// Two sums for every chunk of every column of every sample.
template <typename T>
struct SampleSums {
  const GroupNorm& p;
  T* data;

  TILEGRAD_INLINE SampleSums(const GroupNorm& p, Workspace workspace) : p(p), data(static_cast<T*>(workspace.data)) {}
  TILEGRAD_INLINE int64_t chunks() const { return ceil_div(p.P, kSumChunk); }
  TILEGRAD_INLINE ChunkSums<T> of(int64_t n, int slot) const {
    return ChunkSums<T>(Workspace{data + 2 * n * p.C * chunks()}, p.P, p.C, slot);
  }
  // Behind the sums.
  TILEGRAD_INLINE T* rest() const { return data + 2 * p.N * p.C * chunks(); }
};

// Calls at(n, row, rows, first, columns) for tiles of at most `height` rows of one sample, which the team shares.
template <typename At>
TILEGRAD_INLINE void for_each_sample_tile(const Team& team, const GroupNorm& p, int64_t height, At at) {
  const int64_t across = ceil_div(p.C, kSumColumns), down = ceil_div(p.P, height);
  const Range mine = team.share(p.N * down * across);
  for (int64_t item = mine.begin; item < mine.end; ++item) {
    const int64_t first = item % across * kSumColumns, row = item / across % down * height;
    at(item / across / down, row, smaller(height, p.P - row), first, smaller(kSumColumns, p.C - first));
  }
}
inline constexpr int64_t kTileHeight = 256;

template <typename T>
void group_norm(const Team& team, const GroupNorm& p, const T* x, const T* gamma, const T* beta, T* y, T* mean,
                T* inverse, Workspace workspace) {
  const SampleSums<T> sums(p, workspace);
  const int64_t step = p.C, width = p.C / p.G;
  for_each_sample_tile(team, p, kSumChunk, [&](int64_t n, int64_t row, int64_t rows, int64_t first, int64_t columns) {
    const T* block = x + (n * p.P + row) * step + first;
    T part[kSumColumns], own[kSumColumns];
    sum_chunk_columns(rows, columns, part, [=](int64_t r, int64_t c) { return block[r * step + c]; });
    for (int64_t c = 0; c < columns; ++c) own[c] = part[c] / static_cast<T>(rows);
    sums.of(n, 0).put(row, first, columns, part);
    sum_chunk_columns(rows, columns, part, [=, &own](int64_t r, int64_t c) {
      const T d = block[r * step + c] - own[c];
      return d * d;
    });
    sums.of(n, 1).put(row, first, columns, part);
  });
  team.barrier();
  const double M = static_cast<double>(p.P * width);
  const Range mine = team.share(p.N * p.G);
  for (int64_t item = mine.begin; item < mine.end; ++item) {
    const int64_t n = item / p.G, begin = item % p.G * width;
    const ChunkSums<T> linear = sums.of(n, 0), squares = sums.of(n, 1);
    SumTotal<double> total, spread;
    for (int64_t c = begin; c < begin + width; ++c) {
      for (int64_t b = 0; b < linear.chunks; ++b) total.add(static_cast<double>(linear.of(c)[b]));
    }
    const double exact_mean = total.value() / M;
    for (int64_t c = begin; c < begin + width; ++c) {
      for (int64_t b = 0; b < linear.chunks; ++b) {
        const T rows = static_cast<T>(linear.rows_of(b));
        const double d = static_cast<double>(linear.of(c)[b] / rows) - exact_mean;
        spread.add(static_cast<double>(squares.of(c)[b]));
        spread.add(static_cast<double>(rows) * (d * d));
      }
    }
    mean[item] = static_cast<T>(exact_mean);
    inverse[item] = static_cast<T>(1.0 / __builtin_sqrt(spread.value() / M + p.epsilon));
  }
  team.barrier();
  for_each_sample_tile(team, p, kTileHeight, [&](int64_t n, int64_t row, int64_t rows, int64_t first, int64_t columns) {
    T center[kSumColumns], factor[kSumColumns], shift[kSumColumns];
    for (int64_t c = 0; c < columns; ++c) {
      const int64_t group = n * p.G + (first + c) / width;
      center[c] = mean[group];
      factor[c] = gamma ? gamma[first + c] * inverse[group] : inverse[group];
      shift[c] = beta ? beta[first + c] : T(0);
    }
    for (int64_t r = row; r < row + rows; ++r) {
      const T* from = x + (n * p.P + r) * step + first;
      T* to = y + (n * p.P + r) * step + first;
#pragma omp simd
      for (int64_t c = 0; c < columns; ++c) to[c] = (from[c] - center[c]) * factor[c] + shift[c];
    }
  });
}

// With h = (x - mean) * inverse and g = grad * gamma: dx = inverse (g - mean(g) - h mean(g h)) over each group,
// dgamma = sum grad * h, dbeta = sum grad over samples and places. Each may be null.
template <typename T>
void group_norm_backward(const Team& team, const GroupNorm& p, const T* x, const T* gamma, const T* mean,
                         const T* inverse, const T* grad, T* dx, T* dgamma, T* dbeta, Workspace workspace) {
  const SampleSums<T> sums(p, workspace);
  T *by_mean = sums.rest(), *by_variance = by_mean + p.N * p.G;
  const int64_t step = p.C, width = p.C / p.G;
  struct Columns {
    T center[kSumColumns], inverse[kSumColumns];
  };
  const auto load_columns = [&](Columns& s, int64_t n, int64_t first, int64_t columns) {
    for (int64_t c = 0; c < columns; ++c) {
      const int64_t group = n * p.G + (first + c) / width;
      s.center[c] = mean[group];
      s.inverse[c] = inverse[group];
    }
  };
  for_each_sample_tile(team, p, kSumChunk, [&](int64_t n, int64_t row, int64_t rows, int64_t first, int64_t columns) {
    Columns s;
    load_columns(s, n, first, columns);
    const int64_t at = (n * p.P + row) * step + first;
    const T *from = x + at, *g = grad + at;
    T part[kSumColumns];
    sum_chunk_columns(rows, columns, part, [=](int64_t r, int64_t c) { return g[r * step + c]; });
    sums.of(n, 0).put(row, first, columns, part);
    sum_chunk_columns(rows, columns, part, [=, &s](int64_t r, int64_t c) {
      return g[r * step + c] * ((from[r * step + c] - s.center[c]) * s.inverse[c]);
    });
    sums.of(n, 1).put(row, first, columns, part);
  });
  team.barrier();
  const Range channels = team.share(p.C, 16);
  for (int64_t c = channels.begin; c < channels.end; ++c) {
    SumTotal<T> shifts, scales;
    for (int64_t n = 0; n < p.N; ++n) {
      for (int64_t b = 0; b < sums.chunks(); ++b) {
        shifts.add(sums.of(n, 0).of(c)[b]);
        scales.add(sums.of(n, 1).of(c)[b]);
      }
    }
    if (dbeta) dbeta[c] = shifts.value();
    if (dgamma) dgamma[c] = scales.value();
  }
  if (!dx) return;
  const double M = static_cast<double>(p.P * width);
  const Range mine = team.share(p.N * p.G);
  for (int64_t item = mine.begin; item < mine.end; ++item) {
    const int64_t n = item / p.G, begin = item % p.G * width;
    const ChunkSums<T> shifts = sums.of(n, 0), scales = sums.of(n, 1);
    SumTotal<double> shift, scale;
    for (int64_t c = begin; c < begin + width; ++c) {
      const double g = gamma ? static_cast<double>(gamma[c]) : 1.0;
      shift.add(g * shifts.total(c).exact());
      scale.add(g * scales.total(c).exact());
    }
    by_mean[item] = static_cast<T>(shift.quotient(M));
    by_variance[item] = static_cast<T>(scale.quotient(M));
  }
  team.barrier();
  for_each_sample_tile(team, p, kTileHeight, [&](int64_t n, int64_t row, int64_t rows, int64_t first, int64_t columns) {
    Columns s;
    load_columns(s, n, first, columns);
    T factor[kSumColumns], taken[kSumColumns], slope[kSumColumns];
    for (int64_t c = 0; c < columns; ++c) {
      const int64_t group = n * p.G + (first + c) / width;
      factor[c] = gamma ? gamma[first + c] : T(1);
      taken[c] = by_mean[group];
      slope[c] = by_variance[group];
    }
    for (int64_t r = row; r < row + rows; ++r) {
      const int64_t at = (n * p.P + r) * step + first;
      const T *from = x + at, *g = grad + at;
      T* to = dx + at;
#pragma omp simd
      for (int64_t c = 0; c < columns; ++c) {
        const T h = (from[c] - s.center[c]) * s.inverse[c];
        to[c] = s.inverse[c] * ((g[c] * factor[c] - taken[c]) - h * slope[c]);
      }
    }
  });
}

}  // namespace
DEFINE_KERNEL(group_norm, FLOATING)
DEFINE_KERNEL(group_norm_backward, FLOATING)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
