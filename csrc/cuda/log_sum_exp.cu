// The logarithm of a sum of exponentials over any axes.
#include "cuda/device/folds.cuh"
#include "formulas/logarithm.h"

namespace tilegrad::cuda {
namespace {

// log sum exp(x) = m + log sum exp(x - m), m being the largest x, or 0 where that is infinite.
template <typename T>
struct LogSumExpFold : SumFold<T> {
  const T* largest;
  __device__ __forceinline__ T known(int64_t o) const {
    return formulas::magnitude(largest[o]) == formulas::kInfinity<T> ? T(0) : largest[o];
  }
  __device__ __forceinline__ T map(T x, T shift, int64_t) const { return formulas::exp(x - shift); }
  __device__ __forceinline__ void finish(int64_t o, const SumTotal<T>& total) const {
    const T top = largest[o];
    this->y[o] = top == formulas::kInfinity<T> ? top : known(o) + formulas::log(total.value());
  }
};

template <typename T>
void log_sum_exp(const Stream& stream, const Reduce& p, const T* x, const T* largest, T* y, Workspace) {
  fold_axes(stream, p, x, LogSumExpFold<T>{{y, 1.0}, largest});
}

}  // namespace
DEFINE_KERNEL(log_sum_exp, FLOATING)
}  // namespace tilegrad::cuda
