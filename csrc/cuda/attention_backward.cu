// The gradient of attention, from the probabilities that it computes once more, tile by tile:
//
//     P = exp(scores - log_sum)      dP = dy v^T (where dropout kept P)      dS = P (dP - sum over e of dy y)
//     dq = scale dS k                dk = scale dS^T q                       dv = P^T dy (of what dropout kept)
//
// Sums of dq run over ascending keys, those of dk and dv over ascending queries. One kernel has a block for every block of
// keys and makes dk and dv, another one for every tile of queries and makes dq: P is computed twice.
#include "cuda/device/attention.cuh"

namespace tilegrad::cuda {
namespace {

template <typename T>
inline constexpr int kQueries = sizeof(T) == 4 ? 32 : 16;  // of a tile

template <typename T>
struct Gradient {
  Attention p;
  const T *q, *k, *v;
  Mask<T> mask;
  const int64_t* used;
  const T *log_sum, *grad, *deltas;
  T *dq, *dk, *dv;

  __device__ __forceinline__ FeatureRows<T> queries(Head head, int64_t query) const {
    return {q + p.q.at(head.n, head.h, query), p.q.row};
  }
  __device__ __forceinline__ FeatureRows<T> keys(Head head, int64_t key) const {
    return {k + p.k.at(head.n, head.h, key), p.k.row};
  }
  __device__ __forceinline__ FeatureRows<T> values(Head head, int64_t key) const {
    return {v + p.v.at(head.n, head.h, key), p.v.row};
  }
  __device__ __forceinline__ FeatureRows<T> gradients(Head head, int64_t query) const {
    return {grad + p.dy.at(head.n, head.h, query), p.dy.row};
  }
};

template <typename T>
struct Tiles {
  TileRoom<T, kQueries<T>> room;
  ScoreTile<T, kQueries<T>> weights, slopes;  // the probabilities as they meet v, and dS
};

template <typename T>
__device__ __forceinline__ void find_slopes(const Gradient<T>& g, Head head, int64_t query, int rows, int64_t key,
                                            int count, Tiles<T>& tiles) {
  constexpr int kRows = kQueries<T>;
  const Attention& p = g.p;
  const int64_t first = (head.n * p.H + head.h) * p.T + query;
  multiply_rows<kRows>(rows, count, p.D, g.queries(head, query), g.keys(head, key), tiles.room, tiles.weights,
                       [&](int r, int i, T product) {
                         const T score = finish_score(p, head, query + r, key + i, g.mask, product);
                         return formulas::exp(score - g.log_sum[first + r]);
                       });
  multiply_rows<kRows>(rows, count, p.E, g.gradients(head, query), g.values(head, key), tiles.room, tiles.slopes,
                       [&](int, int, T product) { return product; });
  __syncthreads();
  const T keep_scale = static_cast<T>(p.keep_scale);
  for (int e = static_cast<int>(threadIdx.x); e < rows * kLanes; e += kThreads) {
    const int r = e / kLanes, lane = e % kLanes;
    const T delta = g.deltas[first + r];
    const auto put = [&](int i, bool kept) {
      T &weight = tiles.weights.at[r][i], &slope = tiles.slopes.at[r][i];
      const T reaching = !p.drops ? slope : kept ? slope * keep_scale : T(0);
      slope = weight * (reaching - delta);
      if (p.drops) weight = kept ? weight * keep_scale : T(0);
    };
    if (p.drops) {
      const RandomStream stream(g.used);
      const Kept kept(p, stream, head, query + r, key, lane);
#pragma unroll
      for (int w = 0; w < 4; ++w) {
        if (lane + w * kLanes < count) put(lane + w * kLanes, kept.at[w]);
      }
    } else {
      for (int i = lane; i < count; i += kLanes) put(i, true);
    }
  }
  __syncthreads();
}

template <typename T>
__global__ void __launch_bounds__(kThreads) key_gradients(const __grid_constant__ Gradient<T> g) {
  constexpr int kRows = kQueries<T>;
  __shared__ Tiles<T> tiles;
  const Attention& p = g.p;
  const int64_t blocks = attention_blocks(p.S), units = p.N * p.H * blocks;
  for (int64_t unit = blockIdx.x; unit < units; unit += gridDim.x) {
    const int64_t head_number = unit / blocks, key = (unit - head_number * blocks) * kKeys;
    const Head head{head_number / p.H, head_number % p.H};
    const int count = static_cast<int>(smaller<int64_t>(kKeys, p.S - key));
    T *const dk = g.dk + p.dk.at(head.n, head.h, key), *const dv = g.dv + p.dv.at(head.n, head.h, key);
    const int64_t begin = p.causal ? key : 0;
    for (int64_t query = begin; query < p.T; query += kRows) {
      const int rows = static_cast<int>(smaller<int64_t>(kRows, p.T - query));
      const bool is_first = query == begin, is_last = query + kRows >= p.T;
      find_slopes(g, head, query, rows, key, count, tiles);
      const auto start = [&](int, const T* so_far) { return is_first ? T(0) : *so_far; };
      add_columns<kRows, kKeys>(
          count, rows, p.E, g.gradients(head, query), dv, p.dv.row, tiles.room,
          [&](int i, int r) { return tiles.weights.at[r][i]; }, start, [](int, T sum) { return sum; });
      add_columns<kRows, kKeys>(
          count, rows, p.D, g.queries(head, query), dk, p.dk.row, tiles.room,
          [&](int i, int r) { return tiles.slopes.at[r][i]; }, start,
          [&](int, T sum) { return is_last ? sum * static_cast<T>(p.scale) : sum; });
      __syncthreads();
    }
    if (begin < p.T) continue;
    // Keys that no query sees.
    for (int e = static_cast<int>(threadIdx.x); e < count * p.D; e += kThreads) dk[e / p.D * p.dk.row + e % p.D] = T(0);
    for (int e = static_cast<int>(threadIdx.x); e < count * p.E; e += kThreads) dv[e / p.E * p.dv.row + e % p.E] = T(0);
  }
}

template <typename T>
__global__ void __launch_bounds__(kThreads) query_gradients(const __grid_constant__ Gradient<T> g) {
  constexpr int kRows = kQueries<T>;
  __shared__ Tiles<T> tiles;
  const Attention& p = g.p;
  const int64_t blocks = ceil_div(p.T, kRows), units = p.N * p.H * blocks;
  for (int64_t unit = blockIdx.x; unit < units; unit += gridDim.x) {
    const int64_t head_number = unit / blocks, query = (unit - head_number * blocks) * kRows;
    const Head head{head_number / p.H, head_number % p.H};
    const int rows = static_cast<int>(smaller<int64_t>(kRows, p.T - query));
    T* const dq = g.dq + p.dq.at(head.n, head.h, query);
    const int64_t seen = key_blocks(p, query);
    for (int64_t block = 0; block < seen; ++block) {
      const int64_t key = block * kKeys;
      const int count = static_cast<int>(smaller<int64_t>(kKeys, p.S - key));
      find_slopes(g, head, query, rows, key, count, tiles);
      add_columns<kRows, kRows>(
          rows, count, p.D, g.keys(head, key), dq, p.dq.row, tiles.room,
          [&](int r, int i) { return tiles.slopes.at[r][i]; },
          [&](int, const T* so_far) { return block == 0 ? T(0) : *so_far; },
          [&](int, T sum) { return block == seen - 1 ? sum * static_cast<T>(p.scale) : sum; });
      __syncthreads();
    }
  }
}

// The sum over e of dy y, by a team for each query.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    find_deltas(const __grid_constant__ Attention p, const T* y, const T* grad, T* deltas) {
  const int64_t count = p.N * p.H * p.T, step = int64_t{gridDim.x} * kTeams;
  for (int64_t i = int64_t{blockIdx.x} * kTeams + threadIdx.x / kLanes; i < count; i += step) {
    const int64_t head = i / p.T, t = i % p.T;
    const T *const out = y + p.y.at(head / p.H, head % p.H, t), *const g = grad + p.dy.at(head / p.H, head % p.H, t);
    SumTotal<T> total;
    for (int64_t begin = 0; begin < p.E; begin += kSumChunk) {
      const int length = static_cast<int>(smaller<int64_t>(kSumChunk, p.E - begin));
      total.add(sum_chunk<T>(length, [&](int e) { return g[begin + e] * out[begin + e]; }));
    }
    if (team_lane() == 0) deltas[i] = total.value();
  }
}

template <typename T>
void attention_backward(const Stream& stream, const Attention& p, const T* q, const T* k, const T* v,
                        const Bool* visible, const T* addend, const int64_t* used, const T* y, const T* log_sum,
                        const T* grad, T* dq, T* dk, T* dv, Workspace) {
  const int64_t heads = p.N * p.H;
  if (heads == 0) return;
  T* const deltas = stream.scratch_of<T>(larger<int64_t>(1, heads * p.T));
  if (p.T > 0) {
    find_deltas<<<blocks_for(heads * p.T, 1, kTeams), kThreads, 0, stream.handle>>>(p, y, grad, deltas);
  }
  const Gradient<T> g{p, q, k, v, {visible, addend}, used, log_sum, grad, deltas, dq, dk, dv};
  if (p.S > 0) {
    key_gradients<<<blocks_for(heads * attention_blocks(p.S), 1, 1), kThreads, 0, stream.handle>>>(g);
  }
  if (p.T > 0) {
    query_gradients<<<blocks_for(heads * ceil_div(p.T, kQueries<T>), 1, 1), kThreads, 0, stream.handle>>>(g);
  }
}

}  // namespace
DEFINE_KERNEL(attention_backward, FLOATING)
}  // namespace tilegrad::cuda
