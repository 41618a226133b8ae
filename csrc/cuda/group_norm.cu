// Group normalisation of x [N, P, C]: each sample's groups of channels, at all places, on their own. cpu/group_norm.cpp has
// the formulas.
//
// Sums go down the columns (one sample's channel) first, in the order of device/sums.cuh, and then over the chunks of the
// columns of a group, in double: accumulator i % 16 adds chunk i of them.
#include "cuda/device/columns.cuh"
#include "params/norm.h"

namespace tilegrad::cuda {
namespace {

// The statistics of a sample's group from the moments of its columns' chunks, by a team.
template <typename A>
__global__ void __launch_bounds__(kThreads)
    find_statistics(GroupNorm p, const A* sums, const A* squares, A* mean, A* inverse) {
  const int64_t step = int64_t{gridDim.x} * kTeams, chunks = ceil_div(p.P, kSumChunk), width = p.C / p.G;
  const double M = static_cast<double>(p.P * width);
  for (int64_t item = int64_t{blockIdx.x} * kTeams + threadIdx.x / kLanes; item < p.N * p.G; item += step) {
    const int64_t first = item * width * chunks;  // of the group's [width][chunks]
    const double exact_mean = accumulate<SumTotal<double>, 1>(width * chunks,
                                                              [&](SumTotal<double>& total, int64_t i) {
                                                                total.add(static_cast<double>(sums[first + i]));
                                                              })
                                  .value() /
                              M;
    const double spread = accumulate<SumTotal<double>, 1>(width * chunks, [&](SumTotal<double>& total, int64_t i) {
                            const A rows = static_cast<A>(smaller<int64_t>(kSumChunk, p.P - i % chunks * kSumChunk));
                            const double d = static_cast<double>(sums[first + i] / rows) - exact_mean;
                            total.add(static_cast<double>(squares[first + i]));
                            total.add(static_cast<double>(rows) * (d * d));
                          }).value();
    if (team_lane() != 0) continue;
    mean[item] = static_cast<A>(exact_mean);
    inverse[item] = static_cast<A>(inverse_root(spread / M, p.epsilon));
  }
}

template <typename T>
struct Normalise {
  using A = Wide<T>;
  int64_t G, width;
  const T* x;
  const A *gamma, *beta, *mean, *inverse;
  T* y;

  struct Known {
    A center, factor, shift;
  };
  __device__ __forceinline__ Known column(int64_t n, int64_t c) const {
    const int64_t group = n * G + c / width;
    return {mean[group], gamma ? gamma[c] * inverse[group] : inverse[group], beta ? beta[c] : A(0)};
  }
  template <int kVector>
  __device__ __forceinline__ Pack<T, kVector> load(int64_t at) const {
    return load_pack<kVector>(x + at);
  }
  template <int kVector>
  __device__ __forceinline__ void store(const Known (&known)[kVector], int64_t at, const Pack<T, kVector>& from) const {
    Pack<T, kVector> to;
#pragma unroll
    for (int v = 0; v < kVector; ++v) {
      to.at[v] = narrow<T>(static_cast<A>((widen(from.at[v]) - known[v].center) * known[v].factor + known[v].shift));
    }
    store_pack(y + at, to);
  }
};

template <typename T>
void group_norm(const Stream& stream, const GroupNorm& p, const T* x, const Wide<T>* gamma, const Wide<T>* beta, T* y,
                Wide<T>* mean, Wide<T>* inverse, Workspace) {
  using A = Wide<T>;
  if (p.N == 0) return;
  const Columns s{p.N, p.P, p.C};
  A *const sums = stream.scratch_of<A>(s.parts()), *const squares = stream.scratch_of<A>(s.parts());
  if (p.P > 0 && p.C > 0) {
    const ColumnLaunch launch = launch_for(s);
    find_moments<<<launch.blocks, launch.threads, 0, stream.handle>>>(s, launch.log_width, x, sums, squares, Nothing(),
                                                                      false);
  }
  find_statistics<<<blocks_for(p.N * p.G, 1, kTeams), kThreads, 0, stream.handle>>>(p, sums, squares, mean, inverse);
  if (p.P == 0 || p.C == 0) return;
  map_all_columns<T>(stream, s, are_aligned(x, y), Normalise<T>{p.G, p.C / p.G, x, gamma, beta, mean, inverse, y});
}

// grad, and grad h with h = (x - mean) inverse.
template <typename T>
struct ColumnGradients {
  using A = Wide<T>;
  int64_t G, width;
  const T *x, *grad;
  const A *mean, *inverse;

  struct Known {
    A center, inverse;
  };
  __device__ __forceinline__ Known column(int64_t n, int64_t c) const {
    const int64_t group = n * G + c / width;
    return {mean[group], inverse[group]};
  }
  __device__ __forceinline__ void add(const Known& known, int64_t, int64_t at, A (&sums)[2]) const {
    const A g = widen(grad[at]);
    sums[0] = sums[0] + g;
    sums[1] = sums[1] + g * ((widen(x[at]) - known.center) * known.inverse);
  }
};

// Over samples and their chunks: chunk b of sample n is number n chunks + b.
template <typename A>
__global__ void __launch_bounds__(kThreads)
    add_samples(GroupNorm p, const A* shifts, const A* scales, A* dgamma, A* dbeta) {
  const int64_t step = int64_t{gridDim.x} * kTeams, chunks = ceil_div(p.P, kSumChunk);
  for (int64_t c = int64_t{blockIdx.x} * kTeams + threadIdx.x / kLanes; c < p.C; c += step) {
    const auto sum = [&](const A* parts) {
      return accumulate<SumTotal<A>, 1>(p.N * chunks,
                                        [&](SumTotal<A>& total, int64_t i) {
                                          const int64_t n = i / chunks;
                                          total.add(parts[(n * p.C + c) * chunks + i - n * chunks]);
                                        })
          .value();
    };
    const A shift = sum(shifts), scale = sum(scales);
    if (team_lane() != 0) continue;
    if (dbeta) dbeta[c] = shift;
    if (dgamma) dgamma[c] = scale;
  }
}

// mean(g) and mean(g h) of a sample's group: accumulator i % 16 adds channel i.
template <typename A>
__global__ void __launch_bounds__(kThreads)
    find_means(GroupNorm p, const A* shifts, const A* scales, const A* gamma, A* by_mean, A* by_variance) {
  const int64_t step = int64_t{gridDim.x} * kTeams, chunks = ceil_div(p.P, kSumChunk), width = p.C / p.G;
  const double M = static_cast<double>(p.P * width);
  for (int64_t item = int64_t{blockIdx.x} * kTeams + threadIdx.x / kLanes; item < p.N * p.G; item += step) {
    const int64_t channel = item % p.G * width;
    const auto mean = [&](const A* parts) {
      return accumulate<SumTotal<double>, 1>(
                 width,
                 [&](SumTotal<double>& total, int64_t i) {
                   const A* const own = parts + (item * width + i) * chunks;
                   SumTotal<A> column;
                   for (int64_t b = 0; b < chunks; ++b) column.add(own[b]);
                   total.add((gamma ? static_cast<double>(gamma[channel + i]) : 1.0) * column.exact());
                 })
          .quotient(M);
    };
    const A shift = static_cast<A>(mean(shifts)), scale = static_cast<A>(mean(scales));
    if (team_lane() != 0) continue;
    by_mean[item] = shift;
    by_variance[item] = scale;
  }
}

template <typename T>
struct InputGradient {
  using A = Wide<T>;
  int64_t G, width;
  const T *x, *grad;
  const A *gamma, *mean, *inverse, *by_mean, *by_variance;
  T* dx;

  struct Known {
    A center, inverse, factor, taken, slope;
  };
  __device__ __forceinline__ Known column(int64_t n, int64_t c) const {
    const int64_t group = n * G + c / width;
    return {mean[group], inverse[group], gamma ? gamma[c] : A(1), by_mean[group], by_variance[group]};
  }
  template <int kVector>
  __device__ __forceinline__ TwoPacks<T, kVector> load(int64_t at) const {
    return {load_pack<kVector>(x + at), load_pack<kVector>(grad + at)};
  }
  template <int kVector>
  __device__ __forceinline__ void store(const Known (&known)[kVector], int64_t at,
                                        const TwoPacks<T, kVector>& loaded) const {
    const Pack<T, kVector>&from = loaded.first, &g = loaded.second;
    Pack<T, kVector> to;
#pragma unroll
    for (int v = 0; v < kVector; ++v) {
      const Known& k = known[v];
      const A h = (widen(from.at[v]) - k.center) * k.inverse;
      to.at[v] = narrow<T>(static_cast<A>(k.inverse * ((widen(g.at[v]) * k.factor - k.taken) - h * k.slope)));
    }
    store_pack(dx + at, to);
  }
};

// dx = inverse (g - mean(g) - h mean(g h)) over each group with g = grad gamma, dgamma = sum grad h, dbeta = sum grad over
// samples and places. Each may be null.
template <typename T>
void group_norm_backward(const Stream& stream, const GroupNorm& p, const T* x, const Wide<T>* gamma,
                         const Wide<T>* mean, const Wide<T>* inverse, const T* grad, T* dx, Wide<T>* dgamma,
                         Wide<T>* dbeta, Workspace) {
  using A = Wide<T>;
  if (p.C == 0) return;
  const Columns s{p.N, p.P, p.C};
  const int64_t width = p.C / p.G;
  const bool empty = p.N == 0 || p.P == 0;
  A *const shifts = stream.scratch_of<A>(s.parts()), *const scales = stream.scratch_of<A>(s.parts());
  if (!empty) {
    const ColumnLaunch launch = launch_for(s);
    const ColumnGradients<T> f{p.G, width, x, grad, mean, inverse};
    add_columns<<<launch.blocks, launch.threads, 0, stream.handle>>>(s, launch.log_width, f, shifts, scales, Nothing(),
                                                                     false);
  }
  if (dgamma || dbeta) {
    add_samples<<<blocks_for(p.C, 1, kTeams), kThreads, 0, stream.handle>>>(p, shifts, scales, dgamma, dbeta);
  }
  if (!dx || empty) return;
  A *const by_mean = stream.scratch_of<A>(p.N * p.G), *const by_variance = stream.scratch_of<A>(p.N * p.G);
  find_means<<<blocks_for(p.N * p.G, 1, kTeams), kThreads, 0, stream.handle>>>(p, shifts, scales, gamma, by_mean,
                                                                               by_variance);
  map_all_columns<T>(stream, s, are_aligned(x, grad, dx),
                     InputGradient<T>{p.G, width, x, grad, gamma, mean, inverse, by_mean, by_variance, dx});
}

}  // namespace
DEFINE_KERNEL(group_norm, FLOATING, BFloat16, Float16)
DEFINE_KERNEL(group_norm_backward, FLOATING, BFloat16, Float16)
}  // namespace tilegrad::cuda
