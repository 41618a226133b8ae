// Softmax and its logarithm along one axis, and their gradients: one pass through memory for each row.
#include "cpu/exp_rows.h"
#include "params/reduce.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// Columns that are worked on together where the axis is not the last.
inline constexpr int64_t kColumns = kSumColumns;

// Calls rows(first, count) for blocks of rows where the axis is the last, and columns(offset, count) for blocks of
// neighbouring lines, whose elements are p.after apart, where it is not.
template <typename Rows, typename Columns>
TILEGRAD_INLINE void for_each_block(const Team& team, const AxisBlocks& p, Rows rows, Columns columns) {
  if (p.after == 1) {
    const Range mine = team.share(p.before, kRowBlock);
    for (int64_t r = mine.begin; r < mine.end; r += kRowBlock) rows(r, smaller(kRowBlock, mine.end - r));
    return;
  }
  const int64_t blocks = ceil_div(p.after, kColumns);
  const Range mine = team.share(p.before * blocks);
  for (int64_t b = mine.begin; b < mine.end; ++b) {
    const int64_t start = b % blocks * kColumns;
    columns(b / blocks * p.length * p.after + start, smaller(kColumns, p.after - start));
  }
}

// sums[c] of f(i, c) over the whole axis.
template <typename T, typename F>
TILEGRAD_INLINE void sum_columns(int64_t length, int64_t columns, T* sums, F f) {
  SumTotal<T> totals[kColumns];
  for (int64_t begin = 0; begin < length; begin += kSumChunk) {
    sum_chunk_columns(smaller(kSumChunk, length - begin), columns, sums,
                      [&](int64_t i, int64_t c) { return f(begin + i, c); });
    for (int64_t c = 0; c < columns; ++c) totals[c].add(sums[c]);
  }
  for (int64_t c = 0; c < columns; ++c) sums[c] = totals[c].value();
}

template <typename T>
TILEGRAD_INLINE void largest_in_columns(int64_t length, int64_t columns, int64_t step, const T* x, T* top) {
  for (int64_t c = 0; c < columns; ++c) top[c] = -formulas::kInfinity<T>;
  for (int64_t i = 0; i < length; ++i) {
    const T* row = x + i * step;
#pragma omp simd
    for (int64_t c = 0; c < columns; ++c) top[c] = formulas::maximum(row[c], top[c]);
  }
}

// y = exp(x - m) / sum exp(x - m), m being the largest x.
template <typename T>
void softmax(const Team& team, const AxisBlocks& p, const T* x, T* y) {
  const int64_t C = p.length;
  for_each_block(
      team, p,
      [&](int64_t first, int64_t rows) {
        T shift[kRowBlock], sum[kRowBlock];
        exp_rows(x + first * C, rows, C, y + first * C, shift, sum);
        for (int64_t r = 0; r < rows; ++r) {
          T* row = y + (first + r) * C;
          const T scale = T(1) / sum[r];
#pragma omp simd
          for (int64_t c = 0; c < C; ++c) row[c] = row[c] * scale;
        }
      },
      [&](int64_t offset, int64_t columns) {
        T top[kColumns], sum[kColumns];
        const T* from = x + offset;
        T* to = y + offset;
        largest_in_columns(C, columns, p.after, from, top);
        for (int64_t i = 0; i < C; ++i) {
          const T* row = from + i * p.after;
          T* out = to + i * p.after;
#pragma omp simd
          for (int64_t c = 0; c < columns; ++c) out[c] = formulas::exp(row[c] - top[c]);
        }
        const int64_t step = p.after;
        sum_columns(C, columns, sum, [=](int64_t i, int64_t c) { return to[i * step + c]; });
        for (int64_t c = 0; c < columns; ++c) sum[c] = T(1) / sum[c];
        for (int64_t i = 0; i < C; ++i) {
          T* out = to + i * p.after;
#pragma omp simd
          for (int64_t c = 0; c < columns; ++c) out[c] = out[c] * sum[c];
        }
      });
}

// y = (x - m) - log sum exp(x - m).
template <typename T>
void log_softmax(const Team& team, const AxisBlocks& p, const T* x, T* y) {
  const int64_t C = p.length;
  for_each_block(
      team, p,
      [&](int64_t first, int64_t rows) {
        T shift[kRowBlock], sum[kRowBlock];
        exp_rows<T>(x + first * C, rows, C, nullptr, shift, sum);
        for (int64_t r = rows; r < kRowBlock; ++r) sum[r] = T(1);
#pragma omp simd
        for (int64_t r = 0; r < kRowBlock; ++r) sum[r] = formulas::log(sum[r]);
        for (int64_t r = 0; r < rows; ++r) {
          const T* from = x + (first + r) * C;
          T* to = y + (first + r) * C;
          const T top = shift[r], log_sum = sum[r];
#pragma omp simd
          for (int64_t c = 0; c < C; ++c) to[c] = (from[c] - top) - log_sum;
        }
      },
      [&](int64_t offset, int64_t columns) {
        T top[kColumns], sum[kColumns];
        const T* from = x + offset;
        T* to = y + offset;
        largest_in_columns(C, columns, p.after, from, top);
        const int64_t step = p.after;
        sum_columns(C, columns, sum, [&](int64_t i, int64_t c) { return formulas::exp(from[i * step + c] - top[c]); });
        for (int64_t c = 0; c < columns; ++c) sum[c] = formulas::log(sum[c]);
        for (int64_t i = 0; i < C; ++i) {
          const T* row = from + i * step;
          T* out = to + i * step;
#pragma omp simd
          for (int64_t c = 0; c < columns; ++c) out[c] = (row[c] - top[c]) - sum[c];
        }
      });
}

// dx = formula(y, grad, sum of term(y, grad)) along the axis.
template <typename T, typename Term, typename Formula>
TILEGRAD_INLINE void backward(const Team& team, const AxisBlocks& p, const T* y, const T* grad, T* dx, Term term,
                              Formula formula) {
  const int64_t C = p.length;
  for_each_block(
      team, p,
      [&](int64_t first, int64_t rows) {
        for (int64_t r = first; r < first + rows; ++r) {
          const T *out = y + r * C, *g = grad + r * C;
          T* to = dx + r * C;
          const T sum = sum_in_order<T>(C, [&](int64_t i) { return term(out[i], g[i]); }).value();
#pragma omp simd
          for (int64_t c = 0; c < C; ++c) to[c] = formula(out[c], g[c], sum);
        }
      },
      [&](int64_t offset, int64_t columns) {
        T sum[kColumns];
        const T *out = y + offset, *g = grad + offset;
        const int64_t step = p.after;
        sum_columns(C, columns, sum, [=](int64_t i, int64_t c) { return term(out[i * step + c], g[i * step + c]); });
        for (int64_t i = 0; i < C; ++i) {
          const T *out_row = out + i * step, *g_row = g + i * step;
          T* to = dx + offset + i * step;
#pragma omp simd
          for (int64_t c = 0; c < columns; ++c) to[c] = formula(out_row[c], g_row[c], sum[c]);
        }
      });
}

template <typename T>
void softmax_backward(const Team& team, const AxisBlocks& p, const T* y, const T* grad, T* dx) {
  backward(team, p, y, grad, dx, [](T out, T g) { return out * g; }, [](T out, T g, T dot) { return out * (g - dot); });
}

template <typename T>
void log_softmax_backward(const Team& team, const AxisBlocks& p, const T* y, const T* grad, T* dx) {
  backward(
      team, p, y, grad, dx, [](T, T g) { return g; }, [](T out, T g, T sum) { return g - formulas::exp(out) * sum; });
}

}  // namespace
DEFINE_KERNEL(softmax, FLOATING)
DEFINE_KERNEL(log_softmax, FLOATING)
DEFINE_KERNEL(softmax_backward, FLOATING)
DEFINE_KERNEL(log_softmax_backward, FLOATING)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
