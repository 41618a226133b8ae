// What is done to all gradients or weights at once, besides optimizer steps: their norm, scaling, limits, zeros.
#include "cpu/optimizer.h"
#include "cpu/sum_order.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// The norm of all gradients as one vector. Squares are summed in double, so that those of floats cannot overflow, in
// chunks that are cut tensor by tensor (cpu/sum_order.h); any member may make any chunk's sum.
template <typename T>
void gradient_norm(const Team& team, const GradientNorm& p, OperandList operands, Workspace workspace) {
  double* sums = static_cast<double*>(workspace.data);
  int64_t chunks = 0;
  for (int t = 1; t < operands.count; ++t) chunks += ceil_div(operands.numel[t], kSumChunk);
  const Range mine = team.share(chunks);
  int64_t first = 0;
  for (int t = 1; t < operands.count; ++t) {
    const int64_t count = operands.numel[t], here = ceil_div(count, kSumChunk);
    const T* x = static_cast<const T*>(operands.data[t]);
    const int64_t begin = larger<int64_t>(mine.begin - first, 0), end = smaller(mine.end - first, here);
    for (int64_t c = begin; c < end; ++c) {
      const T* chunk = x + c * kSumChunk;
      sums[first + c] = sum_chunk<double>(smaller(kSumChunk, count - c * kSumChunk), [&](int64_t i) {
        return static_cast<double>(chunk[i]) * static_cast<double>(chunk[i]);
      });
    }
    first += here;
  }
  team.barrier();
  if (team.rank != 0) return;
  SumTotal<double> total;
  for (int64_t c = 0; c < chunks; ++c) total.add(sums[c]);
  const double norm = formulas::square_root(total.value());
  double* clip = static_cast<double*>(operands.data[0]);
  clip[0] = norm;
  clip[1] = norm > p.most ? p.most / norm : norm != norm ? norm : 1.0;
}

// Every tensor after the first times the second number of the first.
template <typename T>
void scale_all(const Team& team, const NoParams&, OperandList operands) {
  const T factor = static_cast<T>(static_cast<const double*>(operands.data[0])[1]);
  for_each_part(
      team, operands.count - 1, [&](int t) { return operands.numel[1 + t]; },
      [&](int t, int64_t begin, int64_t end) {
        T* x = static_cast<T*>(operands.data[1 + t]);
#pragma omp simd
        for (int64_t i = begin; i < end; ++i) x[i] *= factor;
      });
}

template <typename T>
void clip_all(const Team& team, const ClipValues& p, OperandList operands) {
  const T bound = static_cast<T>(p.bound);
  for_each_part(
      team, operands.count, [&](int t) { return operands.numel[t]; },
      [&](int t, int64_t begin, int64_t end) {
        T* x = static_cast<T*>(operands.data[t]);
#pragma omp simd
        for (int64_t i = begin; i < end; ++i) x[i] = formulas::limited(x[i], bound);
      });
}

template <typename T>
void zero_all(const Team& team, const NoParams&, OperandList operands) {
  for_each_part(
      team, operands.count, [&](int t) { return operands.numel[t]; },
      [&](int t, int64_t begin, int64_t end) {
        T* x = static_cast<T*>(operands.data[t]);
#pragma omp simd
        for (int64_t i = begin; i < end; ++i) x[i] = T(0);
      });
}

// Columns whose norm is NaN stay as they are.
template <typename T>
void max_norm(const Team& team, const MaxNorm& p, T* w) {
  const Range mine = team.share(ceil_div(p.columns, kSumColumns));
  for (int64_t block = mine.begin; block < mine.end; ++block) {
    const int64_t first = block * kSumColumns, count = smaller(kSumColumns, p.columns - first);
    SumTotal<double> totals[kSumColumns];
    for (int64_t row = 0; row < p.rows; row += kSumChunk) {
      const T* chunk = w + row * p.columns + first;
      double sums[kSumColumns];
      sum_chunk_columns(smaller(kSumChunk, p.rows - row), count, sums, [&](int64_t i, int64_t c) {
        const double x = static_cast<double>(chunk[i * p.columns + c]);
        return x * x;
      });
      for (int64_t c = 0; c < count; ++c) totals[c].add(sums[c]);
    }
    T factors[kSumColumns];
    for (int64_t c = 0; c < count; ++c) {
      const double norm = formulas::square_root(totals[c].value());
      factors[c] = norm > p.most ? static_cast<T>(p.most / norm) : T(1);
    }
    for (int64_t row = 0; row < p.rows; ++row) {
      T* at = w + row * p.columns + first;
#pragma omp simd
      for (int64_t c = 0; c < count; ++c) at[c] *= factors[c];
    }
  }
}

}  // namespace
DEFINE_KERNEL(gradient_norm, FLOATING)
DEFINE_KERNEL(scale_all, FLOATING)
DEFINE_KERNEL(clip_all, FLOATING)
DEFINE_KERNEL(zero_all, FLOATING)
DEFINE_KERNEL(max_norm, FLOATING)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
