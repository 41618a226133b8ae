// Layer normalisation of the rows of x [N, D]: y = (x - mean) * inverse * gamma + beta, with the row's own mean and
// inverse = 1 / sqrt(variance + epsilon). Not centered, the mean is 0 and the variance the mean square. gamma and beta may
// be null.
#include "cpu/column_sums.h"
#include "params/norm.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

template <typename T>
void layer_norm(const Team& team, const LayerNorm& p, const T* x, const T* gamma, const T* beta, T* y, T* mean,
                T* inverse) {
  const double D = static_cast<double>(p.D);
  const Range mine = team.share(p.N, 16);
  for (int64_t n = mine.begin; n < mine.end; ++n) {
    const T* row = x + n * p.D;
    T* to = y + n * p.D;
    const T m = p.centered ? sum_in_order<T>(p.D, [&](int64_t d) { return row[d]; }).quotient(D) : T(0);
    const T variance = sum_in_order<T>(p.D, [&](int64_t d) {
                         const T c = row[d] - m;
                         return c * c;
                       }).quotient(D);
    const T scale = static_cast<T>(1.0 / __builtin_sqrt(static_cast<double>(variance) + p.epsilon));
    if (gamma && beta) {
#pragma omp simd
      for (int64_t d = 0; d < p.D; ++d) to[d] = ((row[d] - m) * scale) * gamma[d] + beta[d];
    } else if (gamma) {
#pragma omp simd
      for (int64_t d = 0; d < p.D; ++d) to[d] = ((row[d] - m) * scale) * gamma[d];
    } else {
#pragma omp simd
      for (int64_t d = 0; d < p.D; ++d) to[d] = (row[d] - m) * scale;
      for (int64_t d = 0; beta && d < p.D; ++d) to[d] += beta[d];
    }
    mean[n] = m;
    inverse[n] = scale;
  }
}

// The gradient by the input of the team's share of rows; weighted(grad, d) is grad * gamma[d].
template <typename T, typename Weighted>
TILEGRAD_INLINE void rows_backward(const Team& team, const LayerNorm& p, const T* x, const T* mean, const T* inverse,
                                   const T* grad, T* dx, Weighted weighted) {
  const double D = static_cast<double>(p.D);
  const Range mine = team.share(p.N, 16);
  for (int64_t n = mine.begin; n < mine.end; ++n) {
    const T *from = x + n * p.D, *g = grad + n * p.D;
    T* to = dx + n * p.D;
    const T m = mean[n], scale = inverse[n];
    const T by_mean =
        p.centered ? sum_in_order<T>(p.D, [&](int64_t d) { return weighted(g[d], d); }).quotient(D) : T(0);
    const T by_variance =
        sum_in_order<T>(p.D, [&](int64_t d) { return weighted(g[d], d) * ((from[d] - m) * scale); }).quotient(D);
#pragma omp simd
    for (int64_t d = 0; d < p.D; ++d) {
      to[d] = scale * ((weighted(g[d], d) - by_mean) - ((from[d] - m) * scale) * by_variance);
    }
  }
}

// With n = (x - mean) * inverse and g = grad * gamma: dx = inverse (g - mean(g) - n mean(g n)), dgamma = sum grad * n,
// dbeta = sum grad, over the rows; without mean(g) where the rows were not centered. Each may be null. Workspace: two T
// for every chunk of rows of every column, if dgamma or dbeta is wanted.
template <typename T>
void layer_norm_backward(const Team& team, const LayerNorm& p, const T* x, const T* gamma, const T* mean,
                         const T* inverse, const T* grad, T* dx, T* dgamma, T* dbeta, Workspace workspace) {
  const ChunkSums<T> beta_sums(workspace, p.N, p.D, 0), gamma_sums(workspace, p.N, p.D, 1);
  const int64_t step = p.D;
  if (dgamma || dbeta) {
    beta_sums.for_each_chunk(team, [&](int64_t row, int64_t rows, int64_t first, int64_t columns) {
      const T *from = x + row * step + first, *g = grad + row * step + first, *m = mean + row, *scale = inverse + row;
      T part[kSumColumns];
      if (dbeta) {
        sum_chunk_columns(rows, columns, part, [=](int64_t r, int64_t c) { return g[r * step + c]; });
        beta_sums.put(row, first, columns, part);
      }
      if (dgamma) {
        sum_chunk_columns(rows, columns, part, [=](int64_t r, int64_t c) {
          return g[r * step + c] * ((from[r * step + c] - m[r]) * scale[r]);
        });
        gamma_sums.put(row, first, columns, part);
      }
    });
  }
  if (dx && gamma) {
    rows_backward(team, p, x, mean, inverse, grad, dx, [gamma](T g, int64_t d) { return g * gamma[d]; });
  } else if (dx) {
    rows_backward(team, p, x, mean, inverse, grad, dx, [](T g, int64_t) { return g; });
  }
  if (!dgamma && !dbeta) return;
  team.barrier();
  const Range columns = team.share(p.D, 16);
  for (int64_t d = columns.begin; d < columns.end; ++d) {
    if (dbeta) dbeta[d] = beta_sums.total(d).value();
    if (dgamma) dgamma[d] = gamma_sums.total(d).value();
  }
}

}  // namespace
DEFINE_KERNEL(layer_norm, FLOATING)
DEFINE_KERNEL(layer_norm_backward, FLOATING)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
