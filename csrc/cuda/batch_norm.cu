// Batch normalisation of the columns (channels) of x [M, C], with an optional ReLU: cpu/batch_norm.cpp has the formulas.
// Parameters and statistics are float where x has 16 bits.
#include "cuda/device/columns.cuh"
#include "formulas/activation.h"
#include "params/norm.h"

namespace tilegrad::cuda {
namespace {

template <typename A>
__device__ __forceinline__ A normalised(A x, A mean, A factor, A beta) {
  return (x - mean) * factor + beta;
}

// What is known of a channel.
template <typename A>
struct Channel {
  A center, inverse, factor, shift;
};
template <typename A>
struct Statistics {
  const A *mean, *inverse, *gamma, *beta;
  __device__ __forceinline__ Channel<A> of(int64_t c) const {
    return {mean[c], inverse[c], gamma ? gamma[c] * inverse[c] : inverse[c], beta ? beta[c] : A(0)};
  }
};

// y = z or relu(z).
template <typename T>
struct Normalise {
  using A = Wide<T>;
  Statistics<A> statistics;
  bool relu;
  const T* x;
  T* y;
  int64_t* batches;

  __device__ __forceinline__ void once() const {
    if (batches) ++*batches;
  }
  __device__ __forceinline__ Channel<A> column(int64_t, int64_t c) const { return statistics.of(c); }
  template <int kVector>
  __device__ __forceinline__ Pack<T, kVector> load(int64_t at) const {
    return load_pack<kVector>(x + at);
  }
  template <int kVector>
  __device__ __forceinline__ void store(const Channel<A> (&known)[kVector], int64_t at,
                                        const Pack<T, kVector>& from) const {
    Pack<T, kVector> to;
#pragma unroll
    for (int v = 0; v < kVector; ++v) {
      const A z = normalised(widen(from.at[v]), known[v].center, known[v].factor, known[v].shift);
      to.at[v] = narrow<T>(relu ? formulas::relu(z) : z);
    }
    store_pack(y + at, to);
  }
};

// The statistics of a channel from its chunks' moments, by a team; the running ones move.
template <typename A>
struct FindStatistics {
  BatchNorm p;
  const A *sums, *squares;
  A *running_mean, *running_var;
  const int64_t* batches;
  A *mean, *inverse;

  __device__ __forceinline__ void operator()(int64_t c) const {
    const int64_t chunks = ceil_div(p.M, kSumChunk);
    const double M = static_cast<double>(p.M);
    const A *const sum = sums + c * chunks, *const square = squares + c * chunks;
    const double exact_mean =
        accumulate<SumTotal<A>>(chunks, [&](SumTotal<A>& total, int64_t b) { total.add(fresh(sum + b)); }).exact() / M;
    const double spread = accumulate<SumTotal<double>>(chunks, [&](SumTotal<double>& total, int64_t b) {
                            const double n = static_cast<double>(smaller<int64_t>(kSumChunk, p.M - b * kSumChunk));
                            const double d = static_cast<double>(fresh(sum + b) / static_cast<A>(n)) - exact_mean;
                            // The squares are about the rounded chunk mean: what its rounding adds is far below theirs.
                            total.add(static_cast<double>(fresh(square + b)));
                            total.add(n * (d * d));
                          }).value();
    if (team_lane() != 0) return;
    const A rounded = static_cast<A>(exact_mean);
    mean[c] = rounded;
    inverse[c] = static_cast<A>(inverse_root(spread / M, p.epsilon));
    if (!running_mean) return;
    const double momentum = batches ? 1.0 / (static_cast<double>(*batches) + 1.0) : p.momentum;
    const A keep = static_cast<A>(1.0 - momentum), take = static_cast<A>(momentum);
    running_mean[c] = keep * running_mean[c] + take * rounded;
    running_var[c] = keep * running_var[c] + take * static_cast<A>(spread / (M - 1.0));
  }
};

// Writes mean and inverse, and moves the running statistics, which may be null; with a count of the batches so far, which
// goes one up, they become averages over all batches.
template <typename T>
void batch_norm(const Stream& stream, const BatchNorm& p, const T* x, const Wide<T>* gamma, const Wide<T>* beta,
                Wide<T>* running_mean, Wide<T>* running_var, int64_t* batches, T* y, Wide<T>* mean, Wide<T>* inverse,
                Workspace) {
  using A = Wide<T>;
  const Columns s{1, p.M, p.C};
  if (p.C > 0) {
    A *const sums = stream.scratch_of<A>(s.parts()), *const squares = stream.scratch_of<A>(s.parts());
    const ColumnLaunch launch = launch_for(s);
    const FindStatistics<A> finish{p, sums, squares, running_mean, running_var, batches, mean, inverse};
    const bool finishes = finishes_columns(s, launch);
    find_moments<<<launch.blocks, launch.threads, 0, stream.handle>>>(s, launch.log_width, x, sums, squares, finish,
                                                                      finishes);
    if (!finishes) {
      finish_all_columns<<<blocks_for(p.C, 1, kTeams), kThreads, 0, stream.handle>>>(p.C, finish);
    }
  }
  const Normalise<T> f{{mean, inverse, gamma, beta}, p.activation == Activation::relu, x, y, batches};
  map_all_columns<T>(stream, s, are_aligned(x, y), f);
}

template <typename A>
__global__ void __launch_bounds__(kThreads) invert_roots(BatchNorm p, const A* variance, A* inverse) {
  const int64_t c = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (c < p.C) inverse[c] = static_cast<A>(inverse_root(static_cast<double>(variance[c]), p.epsilon));
}

// By given statistics: every row on its own.
template <typename T>
void batch_norm_eval(const Stream& stream, const BatchNorm& p, const T* x, const Wide<T>* gamma, const Wide<T>* beta,
                     const Wide<T>* mean, const Wide<T>* variance, T* y, Wide<T>* inverse) {
  if (p.C == 0) return;
  invert_roots<<<blocks_for(p.C), kThreads, 0, stream.handle>>>(p, variance, inverse);
  const Normalise<T> f{{mean, inverse, gamma, beta}, p.activation == Activation::relu, x, y, nullptr};
  map_all_columns<T>(stream, {1, p.M, p.C}, are_aligned(x, y), f);
}

// dz, and dz n with n = (x - mean) inverse.
template <typename T>
struct GradientSums {
  using A = Wide<T>;
  Statistics<A> statistics;
  bool relu;
  const T *x, *grad;

  __device__ __forceinline__ Channel<A> column(int64_t, int64_t c) const { return statistics.of(c); }
  __device__ __forceinline__ void add(const Channel<A>& known, int64_t, int64_t at, A (&sums)[2]) const {
    const A value = widen(x[at]);
    A dz = widen(grad[at]);
    if (relu) dz = formulas::relu_backward(dz, normalised(value, known.center, known.factor, known.shift));
    sums[0] = sums[0] + dz;
    sums[1] = sums[1] + dz * ((value - known.center) * known.inverse);
  }
};

// dx = gamma inverse (dz - dbeta / M - n dgamma / M).
template <typename T>
struct InputGradient {
  using A = Wide<T>;
  Statistics<A> statistics;
  bool relu, batch_statistics;
  A M;
  const T *x, *grad;
  const A *dgamma, *dbeta;
  T* dx;

  struct Known {
    Channel<A> channel;
    A by_mean, by_variance;
  };
  __device__ __forceinline__ Known column(int64_t, int64_t c) const {
    return {statistics.of(c), batch_statistics ? dbeta[c] / M : A(0), batch_statistics ? dgamma[c] / M : A(0)};
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
      const Channel<A>& s = known[v].channel;
      const A centered = widen(from.at[v]) - s.center, gradient = widen(g.at[v]);
      const A dz = relu ? formulas::relu_backward(gradient, centered * s.factor + s.shift) : gradient;
      to.at[v] = narrow<T>(
          static_cast<A>(s.factor * ((dz - known[v].by_mean) - (centered * s.inverse) * known[v].by_variance)));
    }
    store_pack(dx + at, to);
  }
};

// dbeta = sum dz, dgamma = sum dz n. dz is grad where the ReLU let z through. dx may be null.
template <typename T>
void batch_norm_backward(const Stream& stream, const BatchNorm& p, const T* x, const Wide<T>* gamma,
                         const Wide<T>* beta, const Wide<T>* mean, const Wide<T>* inverse, const T* grad, T* dx,
                         Wide<T>* dgamma, Wide<T>* dbeta, Workspace) {
  using A = Wide<T>;
  if (p.C == 0) return;
  const Columns s{1, p.M, p.C};
  const bool relu = p.activation == Activation::relu;
  const Statistics<A> statistics{mean, inverse, gamma, beta};
  sum_columns(stream, s, GradientSums<T>{statistics, relu, x, grad}, dbeta, dgamma);
  if (!dx || p.M == 0) return;
  const InputGradient<T> f{statistics, relu, p.batch_statistics != 0, static_cast<A>(p.M), x, grad, dgamma, dbeta, dx};
  map_all_columns<T>(stream, s, are_aligned(x, grad, dx), f);
}

}  // namespace
DEFINE_KERNEL(batch_norm, FLOATING, BFloat16, Float16)
DEFINE_KERNEL(batch_norm_eval, FLOATING, BFloat16, Float16)
DEFINE_KERNEL(batch_norm_backward, FLOATING, BFloat16, Float16)
}  // namespace tilegrad::cuda
