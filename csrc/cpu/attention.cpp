// Attention without the matrix of probabilities in memory: for a block of queries, blocks of keys are met one after the
// other, and sums so far are scaled down whenever a larger score turns up (Milakov and Gimelshein, 2018; Dao, Fu, Ermon,
// Rudra and Re, "FlashAttention", 2022). Which rows share a block of queries changes no bit of any of them.
#include "cpu/attention.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// y = softmax(scale q k^T + mask) v, and the logarithm of every row's denominator: infinity for rows that see no key, whose
// y is 0. `used` gets the generator's state, from which the gradient draws the same words.
template <typename T>
void attention(const Team& team, const Attention& p, const T* q, const T* k, const T* v, const Bool* visible,
               const T* addend, int64_t* state, int64_t* used, T* y, T* log_sum, Workspace workspace) {
  const AttentionWorkspace at = attention_workspace(p, false);
  const int64_t D = attention_width(p.D), E = attention_width(p.E);
  T* const mine = static_cast<T*>(workspace.data) + team.rank * at.per_member;
  T *const queries = mine + at.q, *const keys = mine + at.k_across, *const values = mine + at.v;
  T *const scores = mine + at.scores, *const sums = mine + at.y;
  const Stream stream = p.drops ? current_stream(state) : Stream{0, 0};
  const T keep_scale = static_cast<T>(p.keep_scale);
  const int64_t blocks = attention_blocks(p.T);
  const Range share = team.share(p.N * p.H * blocks);
  for (int64_t unit = share.begin; unit < share.end; ++unit) {
    const int64_t head_number = unit / blocks, query = unit % blocks * kBlock;
    const Head head{head_number / p.H, head_number % p.H};
    const int64_t rows = smaller(kBlock, p.T - query);
    pack_rows(q + p.q.at(head.n, head.h, query), p.q.row, rows, p.D, D, queries);
    T largest_score[kBlock], denominator[kBlock];
    for (int64_t r = 0; r < rows; ++r) {
      largest_score[r] = -formulas::kInfinity<T>;
      denominator[r] = T(0);
    }
    for (int64_t i = 0; i < round_up(rows, kTileHeight<T>) * E; ++i) sums[i] = T(0);
    const int64_t seen = key_blocks(p, query / kBlock);
    for (int64_t block = 0; block < seen; ++block) {
      const int64_t key = block * kBlock, count = smaller(kBlock, p.S - key), width = block_width(count);
      pack_across(k + p.k.at(head.n, head.h, key), p.k.row, count, p.D, keys);
      pack_rows(v + p.v.at(head.n, head.h, key), p.v.row, count, p.E, E, values);
      multiply_rows(rows, width, p.D, queries, D, keys, kBlock, scores, kBlock, false);
      finish_scores(p, head, query, rows, key, {visible, addend}, scores);
      for (int64_t r = 0; r < rows; ++r) {
        T* const row = scores + r * kBlock;
        const T most = largest(largest_score[r], largest_of(static_cast<const T*>(row), kBlock));
        const T shift = most == -formulas::kInfinity<T> ? T(0) : most;  // no key seen yet
        const T shrink = formulas::exp(largest_score[r] - shift);
        largest_score[r] = most;
#pragma omp simd
        for (int64_t i = 0; i < width; ++i) row[i] = formulas::exp(row[i] - shift);
        denominator[r] = fma(denominator[r], shrink, sum_chunk<T>(width, [&](int64_t i) { return row[i]; }));
        if (p.drops) {
          uint8_t kept[kBlock];
          draw_kept(p, stream, head, query + r, key, kept);
#pragma omp simd
          for (int64_t i = 0; i < width; ++i) row[i] = kept[i] ? row[i] * keep_scale : T(0);
        }
        T* const sum = sums + r * E;
#pragma omp simd
        for (int64_t e = 0; e < E; ++e) sum[e] = sum[e] * shrink;
      }
      multiply_rows(rows, E, count, scores, kBlock, values, E, sums, E, true);
    }
    for (int64_t r = 0; r < rows; ++r) {
      const bool none = denominator[r] == T(0);
      const T scale = none ? T(0) : T(1) / denominator[r];
      T* const to = y + p.y.at(head.n, head.h, query + r);
      const T* const sum = sums + r * E;
#pragma omp simd
      for (int64_t e = 0; e < p.E; ++e) to[e] = none ? T(0) : sum[e] * scale;
      if (log_sum) {
        log_sum[head_number * p.T + query + r] =
            none ? formulas::kInfinity<T> : largest_score[r] + formulas::log(denominator[r]);
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
