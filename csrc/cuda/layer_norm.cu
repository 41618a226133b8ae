// Layer normalisation of the rows of x [N, D]: y = (x - mean) * inverse * gamma + beta, with the row's own mean and
// inverse = 1 / sqrt(variance + epsilon). Not centered, the mean is 0 and the variance the mean square. gamma and beta may
// be null. Parameters and statistics are float where x has 16 bits.
#include "cuda/device/columns.cuh"
#include "cuda/device/rows.cuh"
#include "params/norm.h"

namespace tilegrad::cuda {
namespace {

template <typename Group, typename T>
__global__ void __launch_bounds__(kMostRowThreads)
    normalise_rows(LayerNorm p, Wide<T>* spilled, const T* x, const Wide<T>* gamma, const Wide<T>* beta, T* y,
                   Wide<T>* mean, Wide<T>* inverse) {
  using A = Wide<T>;
  __shared__ RowRoom<A> room;
  const Group group(&room);
  A* const kept = kept_of(group, p.D, spilled);
  const double D = static_cast<double>(p.D);
  for_each_row<Group>(p.N, [&](int64_t n) {
    const T* const row = x + n * p.D;
    T* const to = y + n * p.D;
    keep<A>(group, p.D, kept, [&](int64_t d) { return widen(row[d]); });
    const A m = p.centered ? group.sum(p.D, [&](int64_t d) { return kept[d]; }).quotient(D) : A(0);
    const A variance = group
                           .sum(p.D,
                                [&](int64_t d) {
                                  const A c = kept[d] - m;
                                  return c * c;
                                })
                           .quotient(D);
    const A scale = static_cast<A>(inverse_root(static_cast<double>(variance), p.epsilon));
#pragma unroll(kRowUnroll<A>)
    for (int64_t d = group.thread(); d < p.D; d += group.size()) {
      A z = (kept[d] - m) * scale;
      if (gamma) z = z * gamma[d];
      if (beta) z = z + beta[d];
      to[d] = narrow<T>(z);
    }
    if (group.thread() == 0) {
      mean[n] = m;
      inverse[n] = scale;
    }
  });
}

template <typename T>
void layer_norm(const Stream& stream, const LayerNorm& p, const T* x, const Wide<T>* gamma, const Wide<T>* beta, T* y,
                Wide<T>* mean, Wide<T>* inverse) {
  using A = Wide<T>;
  if (p.N == 0) return;
  RowPlan<A> plan(p.N, p.D);
  A* const spilled = plan.spill(stream, p.D);
  const auto launch = [&](auto kernel) {
    kernel<<<plan.blocks, plan.threads, plan.shared, stream.handle>>>(p, spilled, x, gamma, beta, y, mean, inverse);
  };
  if (plan.warps) {
    launch(&normalise_rows<WarpRow<A>, T>);
  } else {
    launch(&normalise_rows<BlockRow<A>, T>);
  }
}

// g = grad gamma and h = (x - mean) inverse.
template <typename A>
struct Weighted {
  A g, h;
};

template <typename Group, typename T>
__global__ void __launch_bounds__(kMostRowThreads)
    rows_backward(LayerNorm p, Weighted<Wide<T>>* spilled, const T* x, const Wide<T>* gamma, const Wide<T>* mean,
                  const Wide<T>* inverse, const T* grad, T* dx) {
  using A = Wide<T>;
  __shared__ RowRoom<A> room;
  const Group group(&room);
  Weighted<A>* const kept = kept_of(group, p.D, spilled);
  const double D = static_cast<double>(p.D);
  for_each_row<Group>(p.N, [&](int64_t n) {
    const T *const from = x + n * p.D, *const row = grad + n * p.D;
    T* const to = dx + n * p.D;
    const A m = mean[n], scale = inverse[n];
    keep<A>(group, p.D, kept, [&](int64_t d) {
      const A g = widen(row[d]);
      return Weighted<A>{gamma ? g * gamma[d] : g, (widen(from[d]) - m) * scale};
    });
    const A by_mean = p.centered ? group.sum(p.D, [&](int64_t d) { return kept[d].g; }).quotient(D) : A(0);
    const A by_variance = group.sum(p.D, [&](int64_t d) { return kept[d].g * kept[d].h; }).quotient(D);
#pragma unroll(kRowUnroll<A>)
    for (int64_t d = group.thread(); d < p.D; d += group.size()) {
      to[d] = narrow<T>(static_cast<A>(scale * ((kept[d].g - by_mean) - kept[d].h * by_variance)));
    }
  });
}

// grad, and grad h.
template <typename T>
struct ParameterSums {
  using A = Wide<T>;
  const T *x, *grad;
  const A *mean, *inverse;
  __device__ __forceinline__ int column(int64_t, int64_t) const { return 0; }
  __device__ __forceinline__ void add(int, int64_t row, int64_t at, A (&sums)[2]) const {
    const A g = widen(grad[at]);
    sums[0] = sums[0] + g;
    sums[1] = sums[1] + g * ((widen(x[at]) - mean[row]) * inverse[row]);
  }
};

// dx = inverse (g - mean(g) - h mean(g h)), dgamma = sum grad h, dbeta = sum grad over the rows; without mean(g) where the
// rows were not centered. Each may be null.
template <typename T>
void layer_norm_backward(const Stream& stream, const LayerNorm& p, const T* x, const Wide<T>* gamma,
                         const Wide<T>* mean, const Wide<T>* inverse, const T* grad, T* dx, Wide<T>* dgamma,
                         Wide<T>* dbeta, Workspace) {
  using A = Wide<T>;
  if (dx && p.N > 0 && p.D > 0) {
    RowPlan<Weighted<A>> plan(p.N, p.D);
    Weighted<A>* const spilled = plan.spill(stream, p.D);
    const auto launch = [&](auto kernel) {
      kernel<<<plan.blocks, plan.threads, plan.shared, stream.handle>>>(p, spilled, x, gamma, mean, inverse, grad, dx);
    };
    if (plan.warps) {
      launch(&rows_backward<WarpRow<A>, T>);
    } else {
      launch(&rows_backward<BlockRow<A>, T>);
    }
  }
  if ((!dgamma && !dbeta) || p.D == 0) return;
  sum_columns(stream, Columns{1, p.N, p.D}, ParameterSums<T>{x, grad, mean, inverse}, dbeta, dgamma);
}

}  // namespace
DEFINE_KERNEL(layer_norm, FLOATING, BFloat16, Float16)
DEFINE_KERNEL(layer_norm_backward, FLOATING, BFloat16, Float16)
}  // namespace tilegrad::cuda
