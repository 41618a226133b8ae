// What softmax and cross-entropy share: the largest element, the exponentials below it and their sum, of rows.
#pragma once

#include "cpu/exp_vectors.h"
#include "cpu/math.h"
#include "cpu/pack_panel.h"
#include "cpu/sum_order.h"
#include "cpu/transpose.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// Rows go in blocks of this many. Those of up to four vectors go several at a time where a vector is cheaply written in part
// (AVX-512). Elsewhere those up to kShortRow long are transposed first, so that vectors run across them: ends and joining
// lanes cost more than that, at 56 floats as much. Blocks of rows up to kLongRow long stay in the L1 cache.
inline constexpr int64_t kRowBlock = 16;
template <typename T>
inline constexpr int64_t kShortRow = kHasExpVectors && sizeof(T) == 4 ? 56 : 64;
inline constexpr int64_t kLongRow = 256;

// The largest of a row, by kWide chains of comparisons: any order gives the same.
template <int kWide, typename T>
TILEGRAD_INLINE T largest_of(const T* row, int64_t C) {
  T lane[kWide];
  for (int l = 0; l < kWide; ++l) lane[l] = -formulas::kInfinity<T>;
  // The last elements of a row that is long enough are met twice.
  for (int64_t c = 0; c < C && C >= kWide; c += kWide) {
    const T* from = row + smaller(c, C - kWide);
#pragma omp simd
    for (int l = 0; l < kWide; ++l) lane[l] = formulas::maximum(from[l], lane[l]);
  }
  for (int64_t c = 0; c < C && C < kWide; ++c) lane[c] = formulas::maximum(row[c], lane[c]);
  return join_lanes(lane, [](T a, T b) { return formulas::maximum(b, a); });
}

// to[i] = exp(row[i] - top), unless `to` is null: their sum, in order. One pass makes and sums the exponentials: a sum on
// its own would wait for the latency of its additions.
template <typename T>
TILEGRAD_INLINE T exp_and_sum(const T* row, int64_t C, T top, T* to) {
  if constexpr (kHasExpVectors && sizeof(T) == 4) {
    SumTotal<T> total;
    for (int64_t begin = 0; begin < C; begin += kSumChunk) {
      T lane[kFoldLanes];
      exp_chunk(row + begin, smaller(kSumChunk, C - begin), top, to ? to + begin : nullptr, lane);
      total.add(join_lanes(lane, plus<T>));
    }
    return total.value();
  } else if (to) {
    return sum_in_order<T>(C, [&](int64_t i) { return to[i] = formulas::exp_of_negative(row[i] - top); }).value();
  } else {
    return sum_in_order<T>(C, [&](int64_t i) { return formulas::exp_of_negative(row[i] - top); }).value();
  }
}

// For each of `rows` <= kRowBlock rows x[r][0 ... C): shift[r] is the largest element, sum[r] the sum of exp(x - shift)
// in order, and exps[r][...] those exponentials, unless it is null.
template <typename T>
TILEGRAD_INLINE void exp_rows(const T* x, int64_t rows, int64_t C, T* exps, T* shift, T* sum) {
  if constexpr (kHasExpVectors && kLanes<T> == kFoldLanes) {
    if (C <= kLanes<T>) return exp_rows_of_vectors<1>(x, rows, C, exps, shift, sum);
    if (C <= 2 * kLanes<T>) return exp_rows_of_vectors<2>(x, rows, C, exps, shift, sum);
    if (C <= 4 * kLanes<T>) return exp_rows_of_vectors<4>(x, rows, C, exps, shift, sum);
  } else if (C <= kShortRow<T>) {
    T across[kShortRow<T> + 1][kRowBlock];  // a vector may be written behind the last row
    pack_panel(x, 1, C, C, rows, kRowBlock, across[0], kRowBlock);
    T top[kRowBlock], total[kRowBlock];
    for (int64_t r = 0; r < kRowBlock; ++r) top[r] = -formulas::kInfinity<T>;
    for (int64_t c = 0; c < C; ++c) {
#pragma omp simd
      for (int64_t r = 0; r < kRowBlock; ++r) top[r] = formulas::maximum(across[c][r], top[r]);
    }
    for (int64_t c = 0; c < C; ++c) {
#pragma omp simd
      for (int64_t r = 0; r < kRowBlock; ++r) across[c][r] = formulas::exp_of_negative(across[c][r] - top[r]);
    }
    sum_chunk_columns(C, kRowBlock, total, [&](int64_t c, int64_t r) { return across[c][r]; });
    for (int64_t r = 0; r < rows; ++r) {
      shift[r] = top[r];
      sum[r] = total[r];
    }
    if (exps) transpose_tile(across[0], kRowBlock, exps, C, rows, C);
    return;
  }
  // The largest elements of all rows first, so that exponentials do not wait for them; and what is needed soon is fetched.
  const bool is_long = C > kLongRow;
  const int64_t together = is_long ? 1 : rows;
  for (int64_t first = 0; first < rows; first += together) {
    for (int64_t r = first; r < first + together; ++r) {
      const T* row = x + r * C;
      for (int64_t c = 0; !is_long && c < C; c += kCacheLine / static_cast<int64_t>(sizeof(T))) {
        prefetch(row + kFoldChunk + c);
      }
      shift[r] = C >= 4 * kFoldLanes ? largest_of<4 * kFoldLanes>(row, C) : largest_of<kFoldLanes>(row, C);
    }
    for (int64_t r = first; r < first + together; ++r) {
      sum[r] = exp_and_sum(x + r * C, C, shift[r], exps ? exps + r * C : nullptr);
    }
  }
}

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
