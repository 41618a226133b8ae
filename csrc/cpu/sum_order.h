// THE order of sums (docs/numerics.md), a function of the summed length alone:
//
//   - the sequence is cut in chunks of 1024 elements;
//   - in a chunk element i goes to virtual lane i % 16, and every lane, from 0, adds its elements in ascending order;
//   - the lanes are joined as a tree: 8 + 8, 4 + 4, 2 + 2, 1 + 1;
//   - chunk sums are added in ascending order: in double for float, with Neumaier's compensation for double.
//
// So the same sequence gives the same bits whether it lies along memory or across it, in vectors of any width, and with
// chunks computed by different threads. Elements are functors of their number, so that a sum of squares or of products is
// made in one pass:
//
//     sum_in_order<T>(count, [&](int64_t i) { return (x[i] - mean) * (x[i] - mean); }).value()
#pragma once

#include "cpu/fold.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

inline constexpr int64_t kSumChunk = kFoldChunk;
inline constexpr int64_t kSumColumns = kFoldColumns;

// Chunk sums added up. value() is the sum, exact() the sum before it is rounded to T, and quotient(n) the sum over n.
template <typename T>
struct SumTotal;
template <>
struct SumTotal<float> {
  double sum = 0;
  TILEGRAD_INLINE void add(float chunk) { sum += static_cast<double>(chunk); }
  TILEGRAD_INLINE float quotient(double divisor) const { return static_cast<float>(sum / divisor); }
  TILEGRAD_INLINE float value() const { return static_cast<float>(sum); }
  TILEGRAD_INLINE double exact() const { return sum; }
};
template <>
struct SumTotal<double> {
  double sum = 0, lost = 0;
  TILEGRAD_INLINE void add(double chunk) {
    const double next = sum + chunk;
    lost += __builtin_fabs(sum) >= __builtin_fabs(chunk) ? (sum - next) + chunk : (chunk - next) + sum;
    sum = next;
  }
  // The compensation of an infinite sum is NaN and must not count.
  TILEGRAD_INLINE double value() const { return sum - sum == 0 ? sum + lost : sum; }
  TILEGRAD_INLINE double quotient(double divisor) const { return value() / divisor; }
  TILEGRAD_INLINE double exact() const { return value(); }
};

template <typename T>
TILEGRAD_INLINE constexpr T plus(T a, T b) {
  return a + b;
}

// The sum of one chunk f(0) ... f(count - 1), count <= kSumChunk.
template <typename T, typename F>
TILEGRAD_INLINE T sum_chunk(int64_t count, F f) {
  T sums[1];
  fold_chunks(count, T(0), sums, plus<T>, [&](int, int64_t i) { return f(i); });
  return sums[0];
}

// sums[c] = the sum of one chunk f(0, c) ... f(count - 1, c), for columns <= kSumColumns.
template <typename T, typename F>
TILEGRAD_INLINE void sum_chunk_columns(int64_t count, int64_t columns, T* sums, F f) {
  fold_chunk_columns(count, columns, T(0), sums, plus<T>, f, [](int64_t) {});
}

// The sum of f(0) ... f(count - 1). Every f(i) is called once, in an order of no concern: it may write element i.
template <typename T, typename F>
TILEGRAD_INLINE SumTotal<T> sum_in_order(int64_t count, F f) {
  SumTotal<T> total;
  int64_t begin = 0;
  for (; begin + kFoldStreams * kSumChunk <= count; begin += kFoldStreams * kSumChunk) {
    T sums[kFoldStreams];
    fold_chunks(kSumChunk, T(0), sums, plus<T>, [&](int s, int64_t i) { return f(begin + s * kSumChunk + i); });
    for (int s = 0; s < kFoldStreams; ++s) total.add(sums[s]);
  }
  for (; begin < count; begin += kSumChunk) {
    total.add(sum_chunk<T>(smaller(kSumChunk, count - begin), [&](int64_t i) { return f(begin + i); }));
  }
  return total;
}

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
