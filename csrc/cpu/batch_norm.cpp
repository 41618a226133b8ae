// Batch normalisation of the columns (channels) of x [M, C], with an optional ReLU:
//
//     z = (x - mean) * (gamma * inverse) + beta,    inverse = 1 / sqrt(variance + epsilon)
//
// where gamma and beta may be null: 1 and 0.
//
// Forward and backward compute z by the same expression, so that the ReLU's mask is the same in both.
//
// The variance is made in one walk through memory: of a chunk of rows, while it is in cache, the sum and then the squares
// about the chunk's own mean; the chunks' means are then put right: M variance = sum_b (squares_b + n_b (mean_b - mean)^2).
#include "cpu/column_sums.h"
#include "cpu/math.h"
#include "params/norm.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

template <typename T>
TILEGRAD_INLINE T normalised(T x, T mean, T factor, T beta) {
  return (x - mean) * factor + beta;
}
TILEGRAD_INLINE double inverse_root(double variance, double epsilon) {
  return 1.0 / __builtin_sqrt(variance + epsilon);
}

// y = z or relu(z) for the team's share of all rows.
template <typename T>
TILEGRAD_INLINE void normalise(const Team& team, const BatchNorm& p, const T* x, const T* mean, const T* inverse,
                               const T* gamma, const T* beta, T* y) {
  for_each_tile(team, p.M, p.C, [&](int64_t row, int64_t rows, int64_t first, int64_t columns) {
    T center[kSumColumns], factor[kSumColumns], shift[kSumColumns];
    for (int64_t c = 0; c < columns; ++c) {
      center[c] = mean[first + c];
      factor[c] = gamma ? gamma[first + c] * inverse[first + c] : inverse[first + c];
      shift[c] = beta ? beta[first + c] : T(0);
    }
    const bool relu = p.activation == Activation::relu;
    for (int64_t r = row; r < row + rows; ++r) {
      const T* from = x + r * p.C + first;
      T* to = y + r * p.C + first;
      if (relu) {
#pragma omp simd
        for (int64_t c = 0; c < columns; ++c) {
          to[c] = formulas::relu(normalised(from[c], center[c], factor[c], shift[c]));
        }
      } else {
#pragma omp simd
        for (int64_t c = 0; c < columns; ++c) to[c] = normalised(from[c], center[c], factor[c], shift[c]);
      }
    }
  });
}

// Writes mean and inverse, and moves the running statistics, which may be null; with a count of the batches so far, which
// goes one up, they become averages over all batches. Workspace: two T for every chunk of every column.
template <typename T>
void batch_norm(const Team& team, const BatchNorm& p, const T* x, const T* gamma, const T* beta, T* running_mean,
                T* running_var, int64_t* batches, T* y, T* mean, T* inverse, Workspace workspace) {
  const ChunkSums<T> sums(workspace, p.M, p.C, 0), squares(workspace, p.M, p.C, 1);
  sums.for_each_chunk(team, [&](int64_t row, int64_t rows, int64_t first, int64_t columns) {
    const T* block = x + row * p.C + first;
    const int64_t step = p.C;
    T part[kSumColumns], own[kSumColumns];
    sum_chunk_columns(rows, columns, part, [=](int64_t r, int64_t c) { return block[r * step + c]; });
    for (int64_t c = 0; c < columns; ++c) own[c] = part[c] / static_cast<T>(rows);
    sums.put(row, first, columns, part);
    sum_chunk_columns(rows, columns, part, [=, &own](int64_t r, int64_t c) {
      const T d = block[r * step + c] - own[c];
      return d * d;
    });
    squares.put(row, first, columns, part);
  });
  team.barrier();
  const double M = static_cast<double>(p.M);
  const double momentum = batches ? 1.0 / (static_cast<double>(*batches) + 1.0) : p.momentum;
  const T keep = static_cast<T>(1.0 - momentum), take = static_cast<T>(momentum);
  const Range mine = team.share(p.C, 16);
  for (int64_t c = mine.begin; c < mine.end; ++c) {
    const SumTotal<T> total = sums.total(c);
    const double exact_mean = total.exact() / M;
    SumTotal<double> spread;
    for (int64_t b = 0; b < sums.chunks; ++b) {
      const double n = static_cast<double>(sums.rows_of(b));
      const double d = static_cast<double>(static_cast<T>(sums.of(c)[b] / static_cast<T>(n))) - exact_mean;
      // The squares are about the rounded chunk mean: what its rounding adds is far below theirs.
      spread.add(static_cast<double>(squares.of(c)[b]));
      spread.add(n * (d * d));
    }
    const double variance = spread.value() / M;
    mean[c] = static_cast<T>(exact_mean);
    inverse[c] = static_cast<T>(inverse_root(variance, p.epsilon));
    if (running_mean) {
      running_mean[c] = keep * running_mean[c] + take * mean[c];
      running_var[c] = keep * running_var[c] + take * static_cast<T>(spread.value() / (M - 1.0));
    }
  }
  team.barrier();
  if (batches && team.rank == 0) ++*batches;
  normalise(team, p, x, mean, inverse, gamma, beta, y);
}

// By given statistics: every row on its own.
template <typename T>
void batch_norm_eval(const Team& team, const BatchNorm& p, const T* x, const T* gamma, const T* beta, const T* mean,
                     const T* variance, T* y, T* inverse) {
  const Range mine = team.share(p.C, 16);
  for (int64_t c = mine.begin; c < mine.end; ++c)
    inverse[c] = static_cast<T>(inverse_root(static_cast<double>(variance[c]), p.epsilon));
  team.barrier();
  normalise(team, p, x, mean, inverse, gamma, beta, y);
}

// dbeta = sum dz, dgamma = sum dz * n with n = (x - mean) * inverse, dx = gamma inverse (dz - dbeta / M - n dgamma / M);
// without the last two terms where the statistics are constants. dz is grad where the ReLU let z through. dx may be null.
template <typename T>
void batch_norm_backward(const Team& team, const BatchNorm& p, const T* x, const T* gamma, const T* beta, const T* mean,
                         const T* inverse, const T* grad, T* dx, T* dgamma, T* dbeta, Workspace workspace) {
  const bool relu = p.activation == Activation::relu;
  const ChunkSums<T> beta_sums(workspace, p.M, p.C, 0), gamma_sums(workspace, p.M, p.C, 1);
  struct Columns {
    T center[kSumColumns], inverse[kSumColumns], factor[kSumColumns], shift[kSumColumns];
  };
  const auto load_columns = [&](Columns& s, int64_t first, int64_t columns) {
    for (int64_t c = 0; c < columns; ++c) {
      s.center[c] = mean[first + c];
      s.inverse[c] = inverse[first + c];
      s.factor[c] = gamma ? gamma[first + c] * inverse[first + c] : inverse[first + c];
      s.shift[c] = beta ? beta[first + c] : T(0);
    }
  };
  beta_sums.for_each_chunk(team, [&](int64_t row, int64_t rows, int64_t first, int64_t columns) {
    Columns s;
    load_columns(s, first, columns);
    const int64_t step = p.C;
    const T *from = x + row * step + first, *g = grad + row * step + first;
    const auto put = [&](auto dz) {
      T part[kSumColumns];
      sum_chunk_columns(rows, columns, part, dz);
      beta_sums.put(row, first, columns, part);
      sum_chunk_columns(rows, columns, part, [&](int64_t r, int64_t c) {
        return dz(r, c) * ((from[r * step + c] - s.center[c]) * s.inverse[c]);
      });
      gamma_sums.put(row, first, columns, part);
    };
    if (relu) {
      put([&](int64_t r, int64_t c) {
        const T z = normalised(from[r * step + c], s.center[c], s.factor[c], s.shift[c]);
        return formulas::relu_backward(g[r * step + c], z);
      });
    } else {
      put([&](int64_t r, int64_t c) { return g[r * step + c]; });
    }
  });
  team.barrier();
  const Range mine = team.share(p.C, 16);
  for (int64_t c = mine.begin; c < mine.end; ++c) {
    dbeta[c] = beta_sums.total(c).value();
    dgamma[c] = gamma_sums.total(c).value();
  }
  if (!dx) return;
  team.barrier();
  const T M = static_cast<T>(p.M);
  for_each_tile(team, p.M, p.C, [&](int64_t row, int64_t rows, int64_t first, int64_t columns) {
    Columns s;
    load_columns(s, first, columns);
    T by_mean[kSumColumns], by_variance[kSumColumns];
    for (int64_t c = 0; c < columns; ++c) {
      by_mean[c] = p.batch_statistics ? dbeta[first + c] / M : T(0);
      by_variance[c] = p.batch_statistics ? dgamma[first + c] / M : T(0);
    }
    for (int64_t r = row; r < row + rows; ++r) {
      const T *from = x + r * p.C + first, *g = grad + r * p.C + first;
      T* to = dx + r * p.C + first;
#pragma omp simd
      for (int64_t c = 0; c < columns; ++c) {
        const T centered = from[c] - s.center[c];
        const T z = centered * s.factor[c] + s.shift[c];
        const T dz = relu ? formulas::relu_backward(g[c], z) : g[c];
        to[c] = s.factor[c] * ((dz - by_mean[c]) - (centered * s.inverse[c]) * by_variance[c]);
      }
    }
  });
}

}  // namespace
DEFINE_KERNEL(batch_norm, FLOATING)
DEFINE_KERNEL(batch_norm_eval, FLOATING)
DEFINE_KERNEL(batch_norm_backward, FLOATING)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
