// The gradient of attention, from the probabilities that it computes once more, block by block:
//
//     P = exp(scores - log_sum)      dP = dy v^T (where dropout kept P)      dS = P (dP - sum over e of dy y)
//     dq = scale dS k                dk = scale dS^T q                       dv = P^T dy (of what dropout kept)
//
// Sums of dq run over ascending keys, those of dk and dv over ascending queries. Where there are heads for all members,
// each takes whole heads and meets every pair of blocks once; where there are fewer, blocks of keys are shared out for dk
// and dv, then blocks of queries for dq: with the same bits, at the cost of computing P twice.
#include "cpu/attention.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

template <typename T>
struct AttentionGradient {
  const Attention& p;
  const AttentionWorkspace at;
  const T *q, *k, *v;
  const Mask<T> mask;
  const Stream stream;
  const T *y, *log_sum, *grad;
  T *dq, *dk, *dv;
  T *mine, *deltas;
  const int64_t D, E;

  TILEGRAD_INLINE int64_t row_number(Head head, int64_t query) const { return (head.n * p.H + head.h) * p.T + query; }

  TILEGRAD_INLINE void load_queries(Head head, int64_t query, int64_t rows) const {
    pack_rows(q + p.q.at(head.n, head.h, query), p.q.row, rows, p.D, D, mine + at.q);
    pack_rows(grad + p.dy.at(head.n, head.h, query), p.dy.row, rows, p.E, E, mine + at.dy);
  }
  TILEGRAD_INLINE void load_keys(Head head, int64_t key, int64_t count) const {
    const T *const keys = k + p.k.at(head.n, head.h, key), *const values = v + p.v.at(head.n, head.h, key);
    pack_rows(keys, p.k.row, count, p.D, D, mine + at.k);
    pack_across(keys, p.k.row, count, p.D, mine + at.k_across);
    pack_across(values, p.v.row, count, p.E, mine + at.v_across);
  }

  // The probabilities of the loaded blocks, as they meet v, in scores; dS in slopes.
  void find_slopes(Head head, int64_t query, int64_t rows, int64_t key) const {
    T *const scores = mine + at.scores, *const slopes = mine + at.slopes;
    const int64_t width = block_width(smaller(kBlock, p.S - key));
    multiply_rows(rows, width, p.D, mine + at.q, D, mine + at.k_across, kBlock, scores, kBlock, false);
    finish_scores(p, head, query, rows, key, mask, scores);
    multiply_rows(rows, width, p.E, mine + at.dy, E, mine + at.v_across, kBlock, slopes, kBlock, false);
    const T keep_scale = static_cast<T>(p.keep_scale);
    for (int64_t r = 0; r < rows; ++r) {
      T *const row = scores + r * kBlock, *const slope = slopes + r * kBlock;
      const T shift = log_sum[row_number(head, query + r)], delta = deltas[row_number(head, query + r)];
      if (p.drops) {
        uint8_t kept[kBlock];
        draw_kept(p, stream, head, query + r, key, kept);
#pragma omp simd
        for (int64_t i = 0; i < width; ++i) {
          const T probability = formulas::exp_of_negative(row[i] - shift);
          slope[i] = probability * ((kept[i] ? slope[i] * keep_scale : T(0)) - delta);
          row[i] = kept[i] ? probability * keep_scale : T(0);
        }
      } else {
        // Vectors of keys that are not seen share one exponential, which underflows, and is slow because of that.
        int64_t seen = round_up(keys_seen(p, query + r, key), kLanes<T>);
        if (seen + kLanes<T> < width) {
          const T unseen = formulas::exp_of_negative(-formulas::kInfinity<T> - shift);
#pragma omp simd
          for (int64_t i = seen; i < width; ++i) {
            slope[i] = unseen * (slope[i] - delta);
            row[i] = unseen;
          }
        } else {
          seen = width;
        }
#pragma omp simd
        for (int64_t i = 0; i < seen; ++i) {
          const T probability = formulas::exp_of_negative(row[i] - shift);
          slope[i] = probability * (slope[i] - delta);
          row[i] = probability;
        }
      }
    }
  }

  // Adds the loaded blocks' part to dk and dv of the block of keys, which are in the workspace.
  TILEGRAD_INLINE void add_to_keys(int64_t rows, int64_t count) const {
    multiply_columns(count, E, rows, mine + at.scores, kBlock, mine + at.dy, E, mine + at.dv, E, true);
    multiply_columns(count, D, rows, mine + at.slopes, kBlock, mine + at.q, D, mine + at.dk, D, true);
  }
  TILEGRAD_INLINE void clear_keys(int64_t count) const {
    const int64_t rows = round_up(count, kTileHeight<T>);
    for (int64_t i = 0; i < rows * D; ++i) mine[at.dk + i] = T(0);
    for (int64_t i = 0; i < rows * E; ++i) mine[at.dv + i] = T(0);
  }
  TILEGRAD_INLINE void store_keys(Head head, int64_t key, int64_t count) const {
    unpack_rows(mine + at.dk, D, count, p.D, static_cast<T>(p.scale), dk + p.dk.at(head.n, head.h, key), p.dk.row);
    unpack_rows(mine + at.dv, E, count, p.E, T(1), dv + p.dv.at(head.n, head.h, key), p.dv.row);
  }
  // Adds their part to dq of the block of queries.
  TILEGRAD_INLINE void add_to_queries(int64_t rows, int64_t count, bool first) const {
    multiply_rows(rows, D, count, mine + at.slopes, kBlock, mine + at.k, D, mine + at.dq, D, !first);
  }

  // All of one head: dq is kept where it belongs, unscaled until the last block of keys was met.
  void whole_head(Head head) const {
    for (int64_t key = 0; key < p.S; key += kBlock) {
      const int64_t count = smaller(kBlock, p.S - key), block = key / kBlock;
      load_keys(head, key, count);
      clear_keys(count);
      for (int64_t query = p.causal ? key : 0; query < p.T; query += kBlock) {
        const int64_t rows = smaller(kBlock, p.T - query);
        const bool last = block == key_blocks(p, query / kBlock) - 1;
        load_queries(head, query, rows);
        find_slopes(head, query, rows, key);
        add_to_keys(rows, count);
        T* const to = dq + p.dq.at(head.n, head.h, query);
        if (block > 0) pack_rows(static_cast<const T*>(to), p.dq.row, rows, p.D, D, mine + at.dq);
        add_to_queries(rows, count, block == 0);
        unpack_rows(mine + at.dq, D, rows, p.D, last ? static_cast<T>(p.scale) : T(1), to, p.dq.row);
      }
      store_keys(head, key, count);
    }
  }

  void keys_of(Head head, int64_t key) const {
    const int64_t count = smaller(kBlock, p.S - key);
    load_keys(head, key, count);
    clear_keys(count);
    for (int64_t query = p.causal ? key : 0; query < p.T; query += kBlock) {
      const int64_t rows = smaller(kBlock, p.T - query);
      load_queries(head, query, rows);
      find_slopes(head, query, rows, key);
      add_to_keys(rows, count);
    }
    store_keys(head, key, count);
  }

  void queries_of(Head head, int64_t query) const {
    const int64_t rows = smaller(kBlock, p.T - query), seen = key_blocks(p, query / kBlock);
    load_queries(head, query, rows);
    for (int64_t block = 0; block < seen; ++block) {
      const int64_t key = block * kBlock, count = smaller(kBlock, p.S - key);
      load_keys(head, key, count);
      find_slopes(head, query, rows, key);
      add_to_queries(rows, count, block == 0);
    }
    unpack_rows(mine + at.dq, D, rows, p.D, static_cast<T>(p.scale), dq + p.dq.at(head.n, head.h, query), p.dq.row);
  }
};

template <typename T>
void attention_backward(const Team& team, const Attention& p, const T* q, const T* k, const T* v, const Bool* visible,
                        const T* addend, const int64_t* used, const T* y, const T* log_sum, const T* grad, T* dq, T* dk,
                        T* dv, Workspace workspace) {
  const AttentionWorkspace at = attention_workspace(p, true);
  T* const deltas = static_cast<T*>(workspace.data);
  const Stream stream = p.drops ? current_stream(used) : Stream{0, 0};
  const AttentionGradient<T> gradient{p,
                                      at,
                                      q,
                                      k,
                                      v,
                                      {visible, addend},
                                      stream,
                                      y,
                                      log_sum,
                                      grad,
                                      dq,
                                      dk,
                                      dv,
                                      deltas + at.deltas + team.rank * at.per_member,
                                      deltas,
                                      attention_width(p.D),
                                      attention_width(p.E)};
  const Range rows = team.share(p.N * p.H * p.T);
  for (int64_t i = rows.begin; i < rows.end; ++i) {
    const int64_t head = i / p.T, t = i % p.T;
    const T *const out = y + p.y.at(head / p.H, head % p.H, t), *const g = grad + p.dy.at(head / p.H, head % p.H, t);
    deltas[i] = sum_in_order<T>(p.E, [&](int64_t e) { return g[e] * out[e]; }).value();
  }
  team.barrier();
  const int64_t heads = p.N * p.H;
  if (heads >= team.size) {
    const Range mine = team.share(heads);
    for (int64_t i = mine.begin; i < mine.end; ++i) gradient.whole_head({i / p.H, i % p.H});
    return;
  }
  const int64_t key_count = attention_blocks(p.S), query_count = attention_blocks(p.T);
  const Range keys = team.share(heads * key_count);
  for (int64_t i = keys.begin; i < keys.end; ++i) {
    const int64_t head = i / key_count;
    gradient.keys_of({head / p.H, head % p.H}, i % key_count * kBlock);
  }
  const Range queries = team.share(heads * query_count);
  for (int64_t i = queries.begin; i < queries.end; ++i) {
    const int64_t head = i / query_count;
    gradient.queries_of({head / p.H, head % p.H}, i % query_count * kBlock);
  }
}

}  // namespace
DEFINE_KERNEL(attention_backward, FLOATING)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
