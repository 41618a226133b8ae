// THE order of sums (docs/numerics.md), a function of the summed length alone:
//
//   - the sequence is cut in chunks of 1024 elements;
//   - in a chunk element i goes to virtual lane i % 16, and every lane, from 0,
//   adds its elements in ascending order;
//   - the lanes are joined as a tree: 8 + 8, 4 + 4, 2 + 2, 1 + 1;
//   - chunk sums are added in ascending order: in double for float, with
//   Neumaier's compensation for double.
//
// So the same sequence gives the same bits whether it lies along memory or
// across it, in vectors of any width, and with chunks computed by different
// threads. Elements are functors of their number, so that a sum of squares or
// of products is made in one pass:
//
//     sum_in_order<T>(count, [&](int64_t i) { return (x[i] - mean) * (x[i] -
//     mean); }).value()
#pragma once

#include "cpu/vec.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

inline constexpr int64_t kSumChunk = 1024;
inline constexpr int kSumLanes = 16;

// Chunk sums added up. value() is the sum; quotient(n) is the sum over n,
// rounded once (float) or twice (double).
template <typename T> struct SumTotal;
template <> struct SumTotal<float> {
  double sum = 0;
  TILEGRAD_INLINE void add(float chunk) { sum += static_cast<double>(chunk); }
  TILEGRAD_INLINE float quotient(double divisor) const {
    return static_cast<float>(sum / divisor);
  }
  TILEGRAD_INLINE float value() const { return static_cast<float>(sum); }
};
template <> struct SumTotal<double> {
  double sum = 0, lost = 0;
  TILEGRAD_INLINE void add(double chunk) {
    const double next = sum + chunk;
    const bool larger_sum = __builtin_fabs(sum) >= __builtin_fabs(chunk);
    lost += larger_sum ? (sum - next) + chunk : (chunk - next) + sum;
    sum = next;
  }
  // The compensation of an infinite sum is NaN and must not count.
  TILEGRAD_INLINE double value() const {
    return sum - sum == 0 ? sum + lost : sum;
  }
  TILEGRAD_INLINE double quotient(double divisor) const {
    return value() / divisor;
  }
};

// Joins the lanes of `width` neighbouring sums, lane[l * step + column], into
// lane[column].
template <typename T> TILEGRAD_INLINE T join_lanes(T (&lane)[kSumLanes]) {
#pragma GCC unroll 4
  for (int half = kSumLanes / 2; half > 0; half /= 2) {
#pragma GCC unroll 8
    for (int l = 0; l < half; ++l)
      lane[l] = lane[l] + lane[l + half];
  }
  return lane[0];
}

// The sums of kStreams sequences of `count` <= kSumChunk elements each,
// f(stream, i): several, because one alone waits for the latency of its
// additions.
template <typename T, int kStreams, typename F>
TILEGRAD_INLINE void sum_chunks(int64_t count, T (&sums)[kStreams], F f) {
  constexpr int kParts = kSumLanes / kLanes<T>;
  Vec<T> parts[kStreams][kParts] = {};
  T lane[kStreams][kSumLanes];
  const int64_t whole = count - count % kSumLanes;
  for (int64_t i = 0; i < whole; i += kSumLanes) {
#pragma GCC unroll 4
    for (int s = 0; s < kStreams; ++s) {
      T values[kSumLanes];
#pragma omp simd
      for (int l = 0; l < kSumLanes; ++l)
        values[l] = f(s, i + l);
#pragma GCC unroll 8
      for (int v = 0; v < kParts; ++v)
        parts[s][v] = parts[s][v] + load(values + v * kLanes<T>);
    }
  }
#pragma GCC unroll 4
  for (int s = 0; s < kStreams; ++s) {
#pragma GCC unroll 8
    for (int v = 0; v < kParts; ++v)
      store(lane[s] + v * kLanes<T>, parts[s][v]);
    for (int l = 0; whole + l < count; ++l)
      lane[s][l] = lane[s][l] + f(s, whole + l);
    sums[s] = join_lanes(lane[s]);
  }
}

template <typename T, typename F>
TILEGRAD_INLINE T sum_chunk(int64_t count, F f) {
  T sums[1];
  sum_chunks<T>(count, sums, [&](int, int64_t i) { return f(i); });
  return sums[0];
}

// Chunks that run at once where a sequence has so many.
inline constexpr int kSumStreams = 4;

// The sum of f(0) ... f(count - 1).
template <typename T, typename F>
TILEGRAD_INLINE SumTotal<T> sum_in_order(int64_t count, F f) {
  SumTotal<T> total;
  int64_t begin = 0;
  for (; begin + kSumStreams * kSumChunk <= count;
       begin += kSumStreams * kSumChunk) {
    T sums[kSumStreams];
    sum_chunks<T>(kSumChunk, sums, [&](int s, int64_t i) {
      return f(begin + s * kSumChunk + i);
    });
    for (int s = 0; s < kSumStreams; ++s)
      total.add(sums[s]);
  }
  for (; begin < count; begin += kSumChunk) {
    total.add(sum_chunk<T>(smaller(kSumChunk, count - begin),
                           [&](int64_t i) { return f(begin + i); }));
  }
  return total;
}

// Columns that are summed side by side: their lanes fill a part of the L1
// cache.
inline constexpr int64_t kSumColumns = 64;

// sums[c] = the chunk sum of f(0, c) ... f(count - 1, c), for columns <=
// kSumColumns: across memory, where neighbouring sequences lie side by side.
template <typename T, typename F>
TILEGRAD_INLINE void sum_chunk_columns(int64_t count, int64_t columns, T *sums,
                                       F f) {
  T lane[kSumLanes][kSumColumns];
  for (int l = 0; l < kSumLanes; ++l) {
#pragma omp simd
    for (int64_t c = 0; c < columns; ++c)
      lane[l][c] = T(0);
  }
  int64_t i = 0;
  for (; i + 4 * kSumLanes <= count; i += 4 * kSumLanes) {
    for (int l = 0; l < kSumLanes; ++l) {
      T *own = lane[l];
      const int64_t a = i + l, b = a + kSumLanes, d = b + kSumLanes,
                    e = d + kSumLanes;
#pragma omp simd
      for (int64_t c = 0; c < columns; ++c)
        own[c] = (((own[c] + f(a, c)) + f(b, c)) + f(d, c)) + f(e, c);
    }
  }
  for (; i < count; ++i) {
    T *own = lane[i % kSumLanes];
#pragma omp simd
    for (int64_t c = 0; c < columns; ++c)
      own[c] = own[c] + f(i, c);
  }
  for (int half = kSumLanes / 2; half > 0; half /= 2) {
    for (int l = 0; l < half; ++l) {
#pragma omp simd
      for (int64_t c = 0; c < columns; ++c)
        lane[l][c] = lane[l][c] + lane[l + half][c];
    }
  }
#pragma omp simd
  for (int64_t c = 0; c < columns; ++c)
    sums[c] = lane[0][c];
}

} // namespace
} // namespace tilegrad::cpu::TILEGRAD_ISA
