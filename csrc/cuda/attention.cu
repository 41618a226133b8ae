// Attention without the matrix of probabilities in memory: for a tile of queries, blocks of keys are met one after the other,
// and sums so far are scaled down whenever a larger score turns up (Milakov and Gimelshein, 2018; Dao, Fu, Ermon, Rudra and
// Re, "FlashAttention", 2022). Which rows share a tile changes no bit of any of them.
#include "cuda/device/attention.cuh"

namespace tilegrad::cuda {
namespace {

template <typename T>
inline constexpr int kQueries = sizeof(T) == 4 ? 64 : 32;  // of a tile

// Four threads make the softmax of a row: thread t of them has the lanes t, t + 4, t + 8 and t + 12 of its sum.
inline constexpr int kOfRow = 4;

template <typename T>
struct QuerySums {
  T most[kQueries<T>], denominator[kQueries<T>], shrink[kQueries<T>];
};

// Turns a row's scores of `count` keys into what multiplies the values, and adds to its denominator. Sums of values so far
// are to be multiplied by shrink.
template <typename T>
__device__ __forceinline__ void meet(const Attention& p, const int64_t* state, Head head, int64_t query, int64_t key,
                                     int count, int row, T* scores, QuerySums<T>& sums) {
  const int t = static_cast<int>(threadIdx.x) % kOfRow;
  const auto neighbour = [](T value, int distance) {
    return from_thread(0xffffffffu, value, static_cast<int>(threadIdx.x) % 32 ^ distance);
  };
  T top = sums.most[row];
  for (int i = t; i < count; i += kOfRow) top = formulas::maximum(scores[i], top);
  top = formulas::maximum(neighbour(top, 2), top);
  top = formulas::maximum(neighbour(top, 1), top);
  const T shift = top == -formulas::kInfinity<T> ? T(0) : top;  // no key seen yet
  T lane_sums[kLanes / kOfRow];
#pragma unroll
  for (int l = 0; l < kLanes / kOfRow; ++l) {
    lane_sums[l] = T(0);
    for (int i = l * kOfRow + t; i < count; i += kLanes) {
      scores[i] = formulas::exp(scores[i] - shift);
      lane_sums[l] = lane_sums[l] + scores[i];
    }
    if (!p.drops) continue;
    const RandomStream stream(state);
    const Kept kept(p, stream, head, query, key, l * kOfRow + t);
    const T keep_scale = static_cast<T>(p.keep_scale);
#pragma unroll
    for (int w = 0; w < 4; ++w) {
      const int i = l * kOfRow + t + w * kLanes;
      if (i < count) scores[i] = kept.at[w] ? scores[i] * keep_scale : T(0);
    }
  }
  // The tree over the lanes: 8 + 8 and 4 + 4 are this thread's.
  T sum = (lane_sums[0] + lane_sums[2]) + (lane_sums[1] + lane_sums[3]);
  sum = sum + neighbour(sum, 2);
  sum = sum + neighbour(sum, 1);
  if (t != 0) return;
  const T shrink = formulas::exp(sums.most[row] - shift);
  sums.shrink[row] = shrink;
  sums.most[row] = top;
  sums.denominator[row] = formulas::fma(sums.denominator[row], shrink, sum);
}

template <typename T>
__global__ void __launch_bounds__(kThreads) attend(const __grid_constant__ Attention p, const T* q, const T* k,
                                                   const T* v, Mask<T> mask, const int64_t* state, T* y, T* log_sum) {
  constexpr int kRows = kQueries<T>;
  __shared__ TileRoom<T, kRows> room;
  __shared__ ScoreTile<T, kRows> scores;
  __shared__ QuerySums<T> sums;
  const int t = static_cast<int>(threadIdx.x);
  const int64_t tiles = ceil_div(p.T, kRows), units = p.N * p.H * tiles;
  for (int64_t unit = blockIdx.x; unit < units; unit += gridDim.x) {
    const int64_t head_number = unit / tiles, query = (unit - head_number * tiles) * kRows;
    const Head head{head_number / p.H, head_number % p.H};
    const int rows = static_cast<int>(smaller<int64_t>(kRows, p.T - query));
    T* const to = y + p.y.at(head.n, head.h, query);
    __syncthreads();
    if (t < kRows) {
      sums.most[t] = -formulas::kInfinity<T>;
      sums.denominator[t] = T(0);
    }
    const int64_t seen = key_blocks(p, query);
    for (int64_t block = 0; block < seen; ++block) {
      const int64_t key = block * kKeys;
      const int count = static_cast<int>(smaller<int64_t>(kKeys, p.S - key));
      multiply_rows<kRows>(
          rows, count, p.D, FeatureRows<T>{q + p.q.at(head.n, head.h, query), p.q.row},
          FeatureRows<T>{k + p.k.at(head.n, head.h, key), p.k.row}, room, scores,
          [&](int r, int i, T product) { return finish_score(p, head, query + r, key + i, mask, product); });
      __syncthreads();
      if (t < kRows * kOfRow) {  // whole warps; rows that are not there do the same with what lies there
        const int row = t / kOfRow;
        meet(p, state, head, query + row, key, row < rows ? count : 0, row, scores.at[row], sums);
      }
      add_columns<kRows, kRows>(
          rows, count, p.E, FeatureRows<T>{v + p.v.at(head.n, head.h, key), p.v.row}, to, p.y.row, room,
          [&](int r, int i) { return scores.at[r][i]; },
          [&](int r, const T* so_far) { return block == 0 ? T(0) : *so_far * sums.shrink[r]; },
          [](int, T sum) { return sum; });
      __syncthreads();
    }
    // Elements are looked after by the threads that summed them.
    const int x = t % kSide, down = t / kSide;
    for (int r = down; r < rows; r += kSide) {
      const bool none = seen == 0 || sums.denominator[r] == T(0);
      const T scale = none ? T(0) : T(1) / sums.denominator[r];
      for (int64_t e = x; e < p.E; e += kSide) {
        T& at = to[r * p.y.row + e];
        at = none ? T(0) : at * scale;
      }
      if (log_sum && x == 0) {
        log_sum[head_number * p.T + query + r] =
            none ? formulas::kInfinity<T> : sums.most[r] + formulas::log(sums.denominator[r]);
      }
    }
  }
}

// The gradient draws the same words again from what the generator's state was.
__global__ void keep_state(int64_t* state, int64_t* used) {
  if (used) {
    used[0] = state[0];
    used[1] = state[1];
  }
  state[1] = static_cast<int64_t>(static_cast<uint64_t>(state[1]) + 1);
}

// y = softmax(scale q k^T + mask) v, and the logarithm of every row's denominator: infinity for rows that see no key, whose
// y is 0.
template <typename T>
void attention(const Stream& stream, const Attention& p, const T* q, const T* k, const T* v, const Bool* visible,
               const T* addend, int64_t* state, int64_t* used, T* y, T* log_sum, Workspace) {
  const int64_t units = p.N * p.H * ceil_div(p.T, kQueries<T>);
  if (units > 0) {
    attend<<<blocks_for(units, 1, 1), kThreads, 0, stream.handle>>>(p, q, k, v, Mask<T>{visible, addend},
                                                                    static_cast<const int64_t*>(state), y, log_sum);
  }
  if (p.drops) keep_state<<<1, 1, 0, stream.handle>>>(state, used);
}

}  // namespace
DEFINE_KERNEL(attention, FLOATING)
}  // namespace tilegrad::cuda
