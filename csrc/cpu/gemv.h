// Matrix-vector products: y[j] = sum over k of x[k] W[k, j], where every element of W is used once and memory sets the pace.
// The sum order is that of params/contraction.h.
#pragma once

#include "cpu/dots.h"
#include "cpu/gemv_pairs.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// y[j] at y[j * y_stride]; W[k, j] at w[k * k_stride + j * j_stride].
template <typename T>
struct Gemv {
  int64_t N, K;
  const T* x;
  int64_t x_stride;
  const T* w;
  int64_t k_stride, j_stride;
  T* y;
  int64_t y_stride;
  Epilogue<T> epilogue;
};

// Columns whose sums are kept in L1 while rows of W stream by: half of L1, because the hardware's prefetcher starts anew
// with every piece of a row, and pieces are as short as columns are few (3000: 1.19 times as long with 8 KB).
template <typename T>
inline constexpr int64_t kGemvColumns = 16384 / sizeof(T);

// How many of N columns are summed at a time, in even pieces.
template <typename T>
TILEGRAD_INLINE int64_t gemv_columns(int64_t N) {
  return round_up(ceil_div(N, larger<int64_t>(1, ceil_div(N, kGemvColumns<T>))), kLanes<T>);
}

// chain[j] = fma(x[k], W[k, j], chain[j]) for kRows values of k, ascending: whole rows of W are read in order.
template <int kRows, typename T>
TILEGRAD_INLINE void add_rows(const Gemv<T>& p, int64_t k, int64_t first, int64_t columns, T* chain) {
  constexpr int64_t L = kLanes<T>;
  T scale[kRows];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) scale[r] = p.x[(k + r) * p.x_stride];
  const T* w = p.w + k * p.k_stride + first;
  int64_t j = 0;
  for (; j + L <= columns; j += L) {
    Vec<T> sum = load(chain + j);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) sum = fma_lanes(broadcast(scale[r]), load(w + r * p.k_stride + j), sum);
    store(chain + j, sum);
  }
  for (; j < columns; ++j) {
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) chain[j] = fma(scale[r], w[r * p.k_stride + j], chain[j]);
  }
}

template <typename T>
TILEGRAD_INLINE void finish_vector(const Gemv<T>& p, int64_t first, int64_t columns, T* total) {
  if (p.epilogue.bias) {
    for (int64_t j = 0; j < columns; ++j) total[j] = total[j] + p.epilogue.bias[(first + j) * p.epilogue.bias_stride];
  }
  activate(total, 0, 1, columns, p.epilogue.activation);
  for (int64_t j = 0; j < columns; ++j) p.y[(first + j) * p.y_stride] = total[j];
}

// sums[j] = the sum over k from begin to end of x[k] W[k, first + j].
template <typename T>
[[gnu::noinline]] void sum_chunk(const Gemv<T>& p, int64_t begin, int64_t end, int64_t first, int64_t columns,
                                 T* sums) {
  for (int64_t j = 0; j < columns; ++j) sums[j] = T(0);
  int64_t k = begin;
  for (; k + 8 <= end; k += 8) add_rows<8>(p, k, first, columns, sums);
  for (; k < end; ++k) add_rows<1>(p, k, first, columns, sums);
}

// Outputs first .. first + columns - 1 where the rows of W are contiguous.
template <typename T>
[[gnu::noinline]] void gemv_by_rows(const Gemv<T>& p, int64_t first, int64_t columns) {
  T total[kGemvColumns<T>], chain[kGemvColumns<T>];
  const int64_t chunk = contraction_chunk(p.K);
  for (int64_t j = 0; j < columns; ++j) total[j] = T(0);
  for (int64_t begin = 0; begin < p.K; begin += chunk) {
    sum_chunk(p, begin, smaller(p.K, begin + chunk), first, columns, begin == 0 ? total : chain);
    if (begin > 0) {
      for (int64_t j = 0; j < columns; ++j) total[j] = total[j] + chain[j];
    }
  }
  finish_vector(p, first, columns, total);
}

// The same by the team, which shares out the chunks: each member reads W in the order of memory. `parts` holds their sums.
template <typename T>
[[gnu::noinline]] void gemv_by_parts(const Team& team, const Gemv<T>& p, T* parts) {
  const int64_t chunk = contraction_chunk(p.K), count = ceil_div(p.K, chunk);
  const Range mine = team.share(count), columns = team.share(p.N, kLanes<T>);
  const int64_t most = gemv_columns<T>(p.N);
  T sums[kGemvColumns<T>];
  for (int64_t i = mine.begin; i < mine.end; ++i) {
    for (int64_t j = 0; j < p.N; j += most) {
      const int64_t width = smaller(most, p.N - j);
      sum_chunk(p, i * chunk, smaller(p.K, (i + 1) * chunk), j, width, sums);
      __builtin_memcpy(parts + i * p.N + j, sums, width * sizeof(T));
    }
  }
  team.barrier();
  for (int64_t i = 1; i < count; ++i) {
    for (int64_t j = columns.begin; j < columns.end; ++j) parts[j] = parts[j] + parts[i * p.N + j];
  }
  finish_vector(p, columns.begin, columns.end - columns.begin, parts + columns.begin);
  team.barrier();  // before the next product of the batch takes the parts
}

// Outputs first .. first + columns - 1, columns <= kLanes, where the columns of W are contiguous or nothing is: squares of W
// are transposed in registers, which is as fast as memory.
template <typename T>
[[gnu::noinline]] void gemv_by_columns(const Gemv<T>& p, int64_t first, int64_t columns) {
  constexpr int L = kLanes<T>;
  const T* w[L];  // columns that do not exist are read from the first, and their sums dropped
  for (int j = 0; j < L; ++j) w[j] = p.w + (first + (j < columns ? j : 0)) * p.j_stride;
  Vec<T> total{};
  const int64_t chunk = contraction_chunk(p.K);
  for (int64_t begin = 0; begin < p.K; begin += chunk) {
    const int64_t end = smaller(p.K, begin + chunk);
    Vec<T> chain{};
    int64_t k = begin;
    if (p.k_stride == 1) {
      for (; k + L <= end; k += L) {
        Vec<T> square[L];
#pragma GCC unroll 16
        for (int i = 0; i < L; ++i) {
          square[i] = load(w[i] + k);
          keep_whole(square[i]);  // one load, not one for every use
          prefetch(w[i] + k + kPrefetchAhead<T>);
        }
        transpose<T>(square);
        const T* x = p.x + k * p.x_stride;
#pragma GCC unroll 16
        for (int i = 0; i < L; ++i, x += p.x_stride) chain = fma_lanes(broadcast(*x), square[i], chain);
      }
    }
    for (; k < end; ++k) {
      T column[L];
      for (int i = 0; i < L; ++i) column[i] = w[i][k * p.k_stride];
      chain = fma_lanes(broadcast(p.x[k * p.x_stride]), load(column), chain);
    }
    total = begin == 0 ? chain : total + chain;
  }
  T sums[L];
  store(sums, total);
  finish_vector(p, first, columns, sums);
}

// The sums of K terms for kDotLanes rows of W each, at w[0] and w[1], which take turns: a sum is one chain of fma.
template <typename T>
[[gnu::noinline]] void add_two(const T* const (&w)[2], const T* const (&x)[2], int64_t x_stride, int64_t j_stride,
                               int64_t K, typename DotVector<T>::type (&sums)[2]) {
  using V = typename DotVector<T>::type;
  constexpr int kCount = kColumnsAtOnce<V>;
  V sum[2] = {};
  int64_t k = 0;
  for (; k + kCount <= K; k += kCount) {
    V columns[2][kCount];
#pragma GCC unroll 2
    for (int g = 0; g < 2; ++g) load_columns(w[g] + k, j_stride, columns[g]);
#pragma GCC unroll 16
    for (int j = 0; j < kCount; ++j) {
#pragma GCC unroll 2
      for (int g = 0; g < 2; ++g) add_product(sum[g], x[g][(k + j) * x_stride] - V{}, columns[g][j]);
    }
  }
  for (; k < K; ++k) {
    for (int g = 0; g < 2; ++g) {
      const V column = load_column<V>(w[g] + k, j_stride);
      sum[g] = fma_lanes(x[g][k * x_stride] - V{}, column, sum[g]);
    }
  }
  sums[0] = sum[0];
  sums[1] = sum[1];
}

// Not beyond the caches, where the prefetches of gemv_by_columns are worth more.
template <typename T>
TILEGRAD_INLINE bool takes_two(const Gemv<T>& p) {
  constexpr int64_t kMostBytes = 8 << 20;
  return kHasFma && p.k_stride == 1 && p.N * p.K * static_cast<int64_t>(sizeof(T)) <= kMostBytes;
}

// Where rows push each other out of the L1 cache: half as many at a time, in two places that do not share its sets.
template <typename T>
TILEGRAD_INLINE bool takes_chunks(const Gemv<T>& p) {
  const int64_t chunk = contraction_chunk(p.K);
  return takes_two(p) && shares_cache_sets<T>(p.j_stride) && p.K % chunk == 0 && p.K > chunk;
}

// Outputs first .. first + kDotLanes - 1 of sums of whole chunks.
template <typename T>
void gemv_by_chunks(const Gemv<T>& p, int64_t first) {
  using V = typename DotVector<T>::type;
  const int64_t chunk = contraction_chunk(p.K);
  V total{};
  for (int64_t k = 0; k < p.K; k += 2 * chunk) {
    const bool both = k + chunk < p.K;
    const T* const w = p.w + first * p.j_stride + k;
    const T* const x = p.x + k * p.x_stride;
    V sums[2];
    add_two<T>({w, both ? w + chunk : w}, {x, both ? x + chunk * p.x_stride : x}, p.x_stride, p.j_stride, chunk, sums);
    total = k == 0 ? sums[0] : total + sums[0];
    if (both) total = total + sums[1];
  }
  T finished[kDotLanes<T>];
  __builtin_memcpy(finished, &total, sizeof total);
  finish_vector(p, first, kDotLanes<T>, finished);
}

// Outputs first .. first + 2 * kDotLanes - 1.
template <typename T>
void gemv_by_groups(const Gemv<T>& p, int64_t first) {
  using V = typename DotVector<T>::type;
  const int64_t chunk = contraction_chunk(p.K), next = kDotLanes<T> * p.j_stride;
  V total[2] = {};
  for (int64_t k = 0; k < p.K; k += chunk) {
    const T* const w = p.w + first * p.j_stride + k;
    const T* const x = p.x + k * p.x_stride;
    V sums[2];
    add_two<T>({w, w + next}, {x, x}, p.x_stride, p.j_stride, smaller(chunk, p.K - k), sums);
    for (int g = 0; g < 2; ++g) total[g] = k == 0 ? sums[g] : total[g] + sums[g];
  }
  T finished[2 * kDotLanes<T>];
  __builtin_memcpy(finished, total, sizeof total);
  finish_vector(p, first, 2 * kDotLanes<T>, finished);
}

// `parts`: see gemm_workspace.
template <typename T>
void gemv(const Team& team, const Gemv<T>& p, T* parts) {
  constexpr int64_t L = kLanes<T>;
  const Range mine = team.share(p.N, 2 * L);
  if (p.j_stride == 1) {
    const int64_t chunk = contraction_chunk(p.K), chunks = ceil_div(p.K, chunk);
    // Chunks that fill the team, the last of them whole or nearly so.
    const bool even = chunks % team.size == 0 && p.K * 8 >= chunks * chunk * 7;
    if (team.size > 1 && gemv_splits_sums(p.N, p.K) && even) return gemv_by_parts(team, p, parts);
    const int64_t most = gemv_columns<T>(mine.end - mine.begin);
    for (int64_t j = mine.begin; j < mine.end; j += most) gemv_by_rows(p, j, smaller(most, mine.end - j));
  } else {
    int64_t j = mine.begin;
    if constexpr (kVectorBytes == 64) {
      const PairedRows<T> rows{mine.end - j, p.K, p.x, p.x_stride, p.w + j * p.j_stride, p.j_stride, p.y + j};
      const Paired paired = p.k_stride == 1 && p.y_stride == 1 ? pairing_of(rows) : Paired::none;
      if (paired != Paired::none) {
        const int64_t count =
            paired == Paired::chunks ? sum_paired_rows<Paired::chunks>(rows) : sum_paired_rows<Paired::rows>(rows);
        finish_vector(p, j, count, rows.y);
        j += count;
      }
    }
    if (takes_chunks(p)) {
      for (; j + kDotLanes<T> <= mine.end; j += kDotLanes<T>) gemv_by_chunks(p, j);
    } else if (kVectorBytes == 32 && takes_two(p)) {
      for (; j + 2 * L <= mine.end; j += 2 * L) gemv_by_groups(p, j);
    }
    for (; j < mine.end; j += L) gemv_by_columns(p, j, smaller(L, mine.end - j));
  }
}

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
