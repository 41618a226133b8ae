// Attention without the matrix of probabilities in memory: for a block of queries, blocks of keys are met one after the
// other, and sums so far are scaled down whenever a larger score turns up (Milakov and Gimelshein, 2018; Dao, Fu, Ermon,
// Rudra and Re, "FlashAttention", 2022). Which rows share a block of queries changes no bit of any of them.
#include "cpu/attention.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// The columns of a block of queries that are worked on: whole vectors, and the rows of a tile of weights times values.
template <typename T>
TILEGRAD_INLINE constexpr int64_t queries_width(int64_t rows) {
  return round_up(rows, larger(kLanes<T>, kTileHeight<T>));
}

// Turns sums k q of a block of keys with `rows` queries, [key][query], into scores, as finish_scores() of attention.h does
// for [query][key].
template <typename T>
TILEGRAD_INLINE void finish_scores_across(const Attention& p, Head head, int64_t query, int64_t rows, int64_t key,
                                          int64_t count, Mask<T> mask, T* scores) {
  const T scale = static_cast<T>(p.scale);
  const int64_t width = queries_width<T>(rows);
  for (int64_t i = 0; i < count; ++i) {
    T* row = scores + i * kBlock;
    const int64_t at = p.mask.at(head.n, head.h, query) + (key + i) * p.mask_step, step = p.mask.row;
#pragma omp simd
    for (int64_t r = 0; r < width; ++r) row[r] = row[r] * scale;
    if (mask.addend) {
      for (int64_t r = 0; r < rows; ++r) row[r] = row[r] + mask.addend[at + r * step];
    }
    if (mask.visible) {
      for (int64_t r = 0; r < rows; ++r) {
        row[r] = mask.visible[at + r * step].value ? row[r] : -formulas::kInfinity<T>;
      }
    }
    if (p.causal && key == query) {  // by whole vectors, which are loaded again at once
      const int seen = static_cast<int>(i), all = static_cast<int>(width);
#pragma omp simd
      for (int r = 0; r < all; ++r) row[r] = r < seen ? -formulas::kInfinity<T> : row[r];
    }
  }
}

// A block of queries and what was summed for each so far; lanes run along the queries.
template <typename T>
struct QueryBlock {
  alignas(64) T most[kBlock], denominator[kBlock], shrink[kBlock];

  TILEGRAD_INLINE void clear(int64_t width) {
    for (int64_t r = 0; r < width; ++r) {
      most[r] = -formulas::kInfinity<T>;
      denominator[r] = T(0);
    }
  }

  // Turns the scores of `count` keys into exponentials and adds them to the denominators. Sums of values so far are to
  // be multiplied by shrink; there are none before the `first` keys. kDiagonal: query r sees keys up to r alone, and
  // vectors of queries that do not see a key are left out. Their exponentials would be slow besides: they underflow.
  template <bool kDiagonal>
  void meet(int64_t count, int64_t width, bool first, T* scores) {
    const auto begin = [&](int64_t i) { return kDiagonal ? smaller(i / kLanes<T> * kLanes<T>, width) : 0; };
    alignas(64) T shift[kBlock], sum[kBlock];
#pragma omp simd
    for (int64_t r = 0; r < width; ++r) shift[r] = most[r];
    for (int64_t i = 0; i < count; ++i) {
      const T* row = scores + i * kBlock;
#pragma omp simd
      for (int64_t r = begin(i); r < width; ++r) shift[r] = formulas::maximum(row[r], shift[r]);
    }
#pragma omp simd
    for (int64_t r = 0; r < width; ++r) {
      const T top = shift[r];
      shift[r] = top == -formulas::kInfinity<T> ? T(0) : top;  // no key seen yet
      shrink[r] = most[r] - shift[r];
      most[r] = top;
    }
    if (!first) {
#pragma omp simd
      for (int64_t r = 0; r < width; ++r) shrink[r] = formulas::exp_of_negative(shrink[r]);
    }
    for (int64_t i = 0; i < count; ++i) {
      T* row = scores + i * kBlock;
      for (int64_t r = 0; r < begin(i); ++r) row[r] = T(0);
#pragma omp simd
      for (int64_t r = begin(i); r < width; ++r) row[r] = formulas::exp_of_negative(row[r] - shift[r]);
    }
    sum_chunk_columns(count, width, sum, [&](int64_t i, int64_t r) { return scores[i * kBlock + r]; });
#pragma omp simd
    for (int64_t r = 0; r < width; ++r) denominator[r] = first ? sum[r] : fma(denominator[r], shrink[r], sum[r]);
  }
};

// y = softmax(scale q k^T + mask) v, and the logarithm of every row's denominator: infinity for rows that see no key, whose
// y is 0. `used` gets the generator's state, from which the gradient draws the same words.
template <typename T>
void attention(const Team& team, const Attention& p, const T* q, const T* k, const T* v, const Bool* visible,
               const T* addend, int64_t* state, int64_t* used, T* y, T* log_sum, Workspace workspace) {
  const AttentionWorkspace at = attention_workspace(p, false);
  const int64_t D = attention_width(p.D), E = attention_width(p.E);
  T* const mine = static_cast<T*>(workspace.data) + team.rank * at.per_member;
  T *const queries = mine + at.q_across, *const keys = mine + at.k, *const values = mine + at.v;
  T *const scores = mine + at.scores, *const sums = mine + at.y;
  const Stream stream = p.drops ? current_stream(state) : Stream{0, 0};
  const T keep_scale = static_cast<T>(p.keep_scale);
  const int64_t blocks = attention_blocks(p.T);
  const Range share = team.share(p.N * p.H * blocks);
  for (int64_t unit = share.begin; unit < share.end; ++unit) {
    const int64_t head_number = unit / blocks, query = unit % blocks * kBlock;
    const Head head{head_number / p.H, head_number % p.H};
    const int64_t rows = smaller(kBlock, p.T - query), width = queries_width<T>(rows);
    pack_panel(q + p.q.at(head.n, head.h, query), int64_t{1}, p.q.row, p.D, rows, width, queries, kBlock);
    QueryBlock<T> block;
    block.clear(width);
    if (p.S == 0) {
      for (int64_t i = 0; i < rows * E; ++i) sums[i] = T(0);
    }
    const int64_t seen = key_blocks(p, query / kBlock);
    for (int64_t key = 0; key < seen * kBlock; key += kBlock) {
      const int64_t count = smaller(kBlock, p.S - key);
      pack_rows(k + p.k.at(head.n, head.h, key), p.k.row, count, p.D, D, keys);
      pack_rows(v + p.v.at(head.n, head.h, key), p.v.row, count, p.E, E, values);
      multiply_rows(count, width, p.D, keys, D, queries, kBlock, scores, kBlock, false);
      finish_scores_across(p, head, query, rows, key, count, {visible, addend}, scores);
      if (p.causal && key == query && width > kLanes<T>) {
        block.template meet<true>(count, width, key == 0, scores);
      } else {
        block.template meet<false>(count, width, key == 0, scores);
      }
      for (int64_t r = 0; p.drops && r < rows; ++r) {
        uint8_t kept[kBlock];
        draw_kept(p, stream, head, query + r, key, kept);
        for (int64_t i = 0; i < count; ++i) {
          T& weight = scores[i * kBlock + r];
          weight = kept[i] ? weight * keep_scale : T(0);
        }
      }
      for (int64_t r = 0; key > 0 && r < rows; ++r) {
        T* const sum = sums + r * E;
        const T shrink = block.shrink[r];
#pragma omp simd
        for (int64_t e = 0; e < E; ++e) sum[e] = sum[e] * shrink;
      }
      multiply_columns(rows, E, count, scores, kBlock, values, E, sums, E, key > 0);
    }
    for (int64_t r = 0; r < rows; ++r) {
      const bool none = block.denominator[r] == T(0);
      const T scale = none ? T(0) : T(1) / block.denominator[r];
      T* const to = y + p.y.at(head.n, head.h, query + r);
      const T* const sum = sums + r * E;
#pragma omp simd
      for (int64_t e = 0; e < p.E; ++e) to[e] = none ? T(0) : sum[e] * scale;
    }
    if (log_sum) {
      T* const to = log_sum + head_number * p.T + query;
#pragma omp simd
      for (int64_t r = 0; r < rows; ++r) {
        const T found = block.most[r] + formulas::log(block.denominator[r]);
        to[r] = block.denominator[r] == T(0) ? formulas::kInfinity<T> : found;
      }
    }
  }
  if (p.drops) {
    if (team.rank == 0 && used) {
      used[0] = state[0];
      used[1] = state[1];
    }
    next_stream(team, state);
  }
}

}  // namespace
DEFINE_KERNEL(attention, FLOATING)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
