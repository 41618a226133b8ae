// Layer normalisation of the rows of x [N, D]: y = (x - mean) * inverse * gamma + beta, with the row's own mean and
// inverse = 1 / sqrt(variance + epsilon). Not centered, the mean is 0 and the variance the mean square. gamma and beta may
// be null.
#include "cpu/column_sums.h"
#include "cpu/prefetch.h"
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

// Sums of every column's lanes of every chunk of rows (sum_order.h), of the gradients of gamma and beta: [chunk][lane][2][D].
template <typename T>
struct LaneSums {
  const LayerNorm& p;
  T* data;

  TILEGRAD_INLINE int64_t lanes() const { return smaller<int64_t>(kFoldLanes, p.N); }
  TILEGRAD_INLINE int64_t items() const { return ceil_div(p.N, kSumChunk) * lanes(); }
  TILEGRAD_INLINE T* of(int64_t item) const { return data ? data + item * 2 * p.D : nullptr; }

  // Calls at(column, gamma's sum, beta's sum) for the columns that this member has the end of.
  template <typename At>
  TILEGRAD_INLINE void for_each_total(const Team& team, At at) const {
    const Range mine = team.share(p.D, 16);
    for (int64_t first = mine.begin; first < mine.end; first += kSumColumns) {
      const int64_t columns = smaller(kSumColumns, mine.end - first);
      SumTotal<T> totals[2][kSumColumns];
      for (int64_t item = 0; item < items(); item += lanes()) {
        for (int which = 0; which < 2; ++which) {
          T sums[kSumColumns];
          sum_chunk_columns(lanes(), columns, sums,
                            [&](int64_t l, int64_t c) { return of(item + l)[which * p.D + first + c]; });
          for (int64_t c = 0; c < columns; ++c) totals[which][c].add(sums[c]);
        }
      }
      for (int64_t c = 0; c < columns; ++c) at(first + c, totals[0][c].value(), totals[1][c].value());
    }
  }
};

// A row of the operands of the gradient.
template <typename T>
struct BackwardRow {
  const T *x, *grad;
  T* dx;
  T mean, inverse;
  T by_mean, by_variance;  // the means of grad * gamma and of its product with normal()
  TILEGRAD_INLINE T normal(int64_t d) const { return (x[d] - mean) * inverse; }
};

// Rows up to this long leave the hardware's prefetcher before it has seen what comes next.
inline constexpr int64_t kShortRow = 512;

// dx of two rows, unless it is null, and their parts of the sums, unless these are: one row's sums on their own would wait for
// the latency of their additions. The rows may be one and the same.
template <typename T, typename Weighted>
[[gnu::noinline]] void two_rows_backward(const LayerNorm& p, const BackwardRow<T>& first, const BackwardRow<T>& second,
                                         T* sums, Weighted weighted) {
  BackwardRow<T> a = first, b = second;  // by value they would go through the stack in pieces of other sizes
  const double D = static_cast<double>(p.D);
  const int64_t ahead = p.D <= kShortRow ? 2 * kFoldLanes * p.D : 0;  // to the rows of this lane that come next
  SumTotal<T> totals[4];
  for (int64_t begin = 0; a.dx && begin < p.D; begin += kSumChunk) {
    // The stores below would wait for memory one by one.
    for (int64_t d = begin; d < smaller(begin + kSumChunk, p.D); d += kCacheLine / static_cast<int64_t>(sizeof(T))) {
      __builtin_prefetch(a.dx + d, 1);
      __builtin_prefetch(b.dx + d, 1);
      for (const T* soon : {a.x, a.grad, b.x, b.grad}) prefetch(soon + ahead + d);
    }
    T parts[4];
    fold_chunks(smaller(kSumChunk, p.D - begin), T(0), parts, plus<T>, [&](int s, int64_t i) {
      const int64_t d = begin + i;
      const T g = weighted((s < 2 ? a : b).grad[d], d);
      return s % 2 == 0 ? g : g * (s < 2 ? a : b).normal(d);
    });
    for (int s = 0; s < 4; ++s) totals[s].add(parts[s]);
  }
  const auto finish = [&](BackwardRow<T>& row, const SumTotal<T>& by_mean, const SumTotal<T>& by_variance) {
    row.by_mean = p.centered ? by_mean.quotient(D) : T(0);
    row.by_variance = by_variance.quotient(D);
  };
  finish(a, totals[0], totals[1]);
  finish(b, totals[2], totals[3]);
  const auto both = [&](auto with_dx, auto with_sums, auto two) {
    T *of_gamma = sums, *of_beta = sums + p.D;
#pragma omp simd
    for (int64_t d = 0; d < p.D; ++d) {
      const T ga = a.grad[d], gb = b.grad[d], na = a.normal(d), nb = b.normal(d);
      if constexpr (with_dx) a.dx[d] = a.inverse * ((weighted(ga, d) - a.by_mean) - na * a.by_variance);
      if constexpr (with_dx) b.dx[d] = b.inverse * ((weighted(gb, d) - b.by_mean) - nb * b.by_variance);
      if constexpr (with_sums) {
        const T first_gamma = of_gamma[d] + ga * na, first_beta = of_beta[d] + ga;
        of_gamma[d] = two ? first_gamma + gb * nb : first_gamma;
        of_beta[d] = two ? first_beta + gb : first_beta;
      }
    }
  };
  constexpr std::true_type yes;
  constexpr std::false_type no;
  if (!sums) return both(yes, no, no);
  if (!a.dx) return a.x != b.x ? both(no, yes, yes) : both(no, yes, no);
  return a.x != b.x ? both(yes, yes, yes) : both(yes, yes, no);
}

// With n = (x - mean) * inverse and g = grad * gamma: dx = inverse (g - mean(g) - n mean(g n)), dgamma = sum grad * n,
// dbeta = sum grad, over the rows; without mean(g) where the rows were not centered. Each may be null. Workspace: LaneSums, if
// dgamma or dbeta is wanted.
template <typename T>
void layer_norm_backward(const Team& team, const LayerNorm& p, const T* x, const T* gamma, const T* mean,
                         const T* inverse, const T* grad, T* dx, T* dgamma, T* dbeta, Workspace workspace) {
  const LaneSums<T> sums{p, dgamma || dbeta ? static_cast<T*>(workspace.data) : nullptr};
  const auto rows = [&](auto weighted) {
    // Members share the chunks; where these are few, groups of their lanes.
    int64_t groups = 1;
    while (groups < kFoldLanes && groups * ceil_div(p.N, kSumChunk) < 4 * team.size) groups *= 2;
    const int64_t each = ceil_div(sums.lanes(), groups);
    const Range mine = team.share(ceil_div(p.N, kSumChunk) * groups);
    const auto row = [&](int64_t n) __attribute__((always_inline)) {
      return BackwardRow<T>{x + n * p.D, grad + n * p.D, dx ? dx + n * p.D : nullptr, mean[n], inverse[n], T(0), T(0)};
    };
    for (int64_t item = mine.begin; item < mine.end; ++item) {
      const int64_t chunk = item / groups, end = smaller((chunk + 1) * kSumChunk, p.N);
      const int64_t first = item % groups * each, last = smaller(first + each, sums.lanes());
      T* const to = sums.of(chunk * sums.lanes());
      for (int64_t d = first * 2 * p.D; to && d < last * 2 * p.D; ++d) to[d] = T(0);
      for (int64_t begin = chunk * kSumChunk; begin < end; begin += 2 * kFoldLanes) {
        for (int64_t lane = first; lane < last && begin + lane < end; ++lane) {
          const int64_t n = begin + lane, other = n + kFoldLanes < end ? n + kFoldLanes : n;
          two_rows_backward(p, row(n), row(other), to ? to + lane * 2 * p.D : nullptr, weighted);
        }
      }
    }
  };
  if (gamma) {
    rows([gamma](T g, int64_t d) { return g * gamma[d]; });
  } else {
    rows([](T g, int64_t) { return g; });
  }
  if (!dgamma && !dbeta) return;
  team.barrier();
  sums.for_each_total(team, [&](int64_t d, T of_gamma, T of_beta) {
    if (dgamma) dgamma[d] = of_gamma;
    if (dbeta) dbeta[d] = of_beta;
  });
}

}  // namespace
DEFINE_KERNEL(layer_norm, FLOATING)
DEFINE_KERNEL(layer_norm_backward, FLOATING)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
