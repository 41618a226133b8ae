// Local response normalisation of the rows of x [M, C]: y = x s^-beta with s = k + scale * (the sum of the squares of the
// neighbours of x). A sum goes over ascending channels; a thread makes all of it.
#include "cuda/device/sums.cuh"
#include "formulas/arithmetic.h"
#include "formulas/power.h"
#include "params/norm.h"

namespace tilegrad::cuda {
namespace {

// s^-beta; the usual exponents need square roots only.
template <typename T>
struct InversePower {
  double beta;
  __device__ __forceinline__ T operator()(T s) const {
    if (beta == 0.75) {
      const T root = formulas::square_root(s);
      return T(1) / (root * formulas::square_root(root));
    }
    if (beta == 0.5) return T(1) / formulas::square_root(s);
    if (beta == 1.0) return T(1) / s;
    return formulas::power(s, static_cast<T>(-beta));
  }
};

// The sum of value(i) over the channels from c - before to c + after that exist, of the row that begins at `row`.
template <typename T, typename F>
__device__ __forceinline__ T neighbour_sum(int64_t C, int64_t row, int64_t c, int64_t before, int64_t after, F value) {
  T sum = T(0);
  const int64_t last = smaller(C - 1, c + after);
  for (int64_t i = larger<int64_t>(0, c - before); i <= last; ++i) sum = sum + value(row + i);
  return sum;
}

template <typename T>
__global__ void __launch_bounds__(kThreads) respond(LocalResponseNorm p, const T* x, T* y, T* s) {
  const InversePower<T> inverse_power{p.beta};
  const T scale = static_cast<T>(p.scale), k = static_cast<T>(p.k);
  const int64_t step = int64_t{gridDim.x} * kThreads, count = p.M * p.C;
  for (int64_t at = int64_t{blockIdx.x} * kThreads + threadIdx.x; at < count; at += step) {
    const int64_t row = at / p.C * p.C;
    const T sum = neighbour_sum<T>(p.C, row, at - row, p.before, p.after, [&](int64_t i) { return x[i] * x[i]; });
    const T size = k + scale * sum;
    y[at] = x[at] * inverse_power(size);
    if (s) s[at] = size;
  }
}

// Writes s, which may be null, for the backward pass.
template <typename T>
void local_response_norm(const Stream& stream, const LocalResponseNorm& p, const T* x, T* y, T* s) {
  if (p.M * p.C == 0) return;
  respond<<<blocks_for(p.M * p.C), kThreads, 0, stream.handle>>>(p, x, y, s);
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    respond_backward(LocalResponseNorm p, const T* x, const T* s, const T* grad, T* dx) {
  const InversePower<T> inverse_power{p.beta};
  const T factor = static_cast<T>(2.0 * p.scale * p.beta);
  const int64_t step = int64_t{gridDim.x} * kThreads, count = p.M * p.C;
  for (int64_t at = int64_t{blockIdx.x} * kThreads + threadIdx.x; at < count; at += step) {
    const int64_t row = at / p.C * p.C;
    const T sum = neighbour_sum<T>(p.C, row, at - row, p.after, p.before,
                                   [&](int64_t i) { return grad[i] * x[i] * inverse_power(s[i]) / s[i]; });
    dx[at] = grad[at] * inverse_power(s[at]) - factor * x[at] * sum;
  }
}

// dx_j = g_j s_j^-beta - 2 scale beta x_j sum of g_i x_i s_i^-beta / s_i over those i that have j among their neighbours.
template <typename T>
void local_response_norm_backward(const Stream& stream, const LocalResponseNorm& p, const T* x, const T* s,
                                  const T* grad, T* dx) {
  if (p.M * p.C == 0) return;
  respond_backward<<<blocks_for(p.M * p.C), kThreads, 0, stream.handle>>>(p, x, s, grad, dx);
}

}  // namespace
DEFINE_KERNEL(local_response_norm, FLOATING)
DEFINE_KERNEL(local_response_norm_backward, FLOATING)
}  // namespace tilegrad::cuda
