// Largest and smallest elements over any axes, and where the first of them is.
#include "cuda/device/folds.cuh"
#include "formulas/arithmetic.h"

namespace tilegrad::cuda {
namespace {

template <typename A>
__device__ __forceinline__ constexpr A lowest() {
  if constexpr (std::is_floating_point_v<A>) {
    return -formulas::kInfinity<A>;
  } else if constexpr (std::is_unsigned_v<A>) {
    return A(0);
  } else {
    return static_cast<A>(uint64_t{1} << (8 * sizeof(A) - 1));
  }
}
// Smallest elements are the largest of what is turned round, there and back: no kernels of their own.
template <typename A>
__device__ __forceinline__ A turned(A x, bool turns) {
  if constexpr (std::is_floating_point_v<A>) {
    return turns ? -x : x;
  } else {
    return turns ? static_cast<A>(~x) : x;
  }
}

// NaN wins over every number. Of -0 and +0, which are equal, the result is +0.
template <typename T>
struct ExtremumFold {
  using A = Wide<T>;
  using Part = A;
  __device__ __forceinline__ static A identity() { return lowest<A>(); }
  __device__ __forceinline__ static A join(A a, A b) { return formulas::maximum(b, a); }
  struct Total {
    A best = identity();
    __device__ __forceinline__ void add(A part) { best = ExtremumFold::join(best, part); }
    __device__ __forceinline__ void join(const Total& other) { add(other.best); }
  };
  bool smallest;
  T* y;
  __device__ __forceinline__ Nothing known(int64_t) const { return {}; }
  __device__ __forceinline__ A map(T x, Nothing, int64_t) const { return turned(widen(x), smallest); }
  __device__ __forceinline__ void finish(int64_t o, const Total& total) const {
    y[o] = narrow<T>(static_cast<A>(turned(total.best, smallest) + A(0)));
  }
};

// With its place: of equal elements, or NaNs, the first. Any order of joining gives the same.
template <typename T>
struct PlacedFold {
  using A = Wide<T>;
  struct Part {
    A value;
    int64_t place;
  };
  __device__ __forceinline__ static Part identity() { return {lowest<A>(), INT64_MAX}; }
  __device__ __forceinline__ static Part join(Part a, Part b) {
    const bool a_nan = a.value != a.value, b_nan = b.value != b.value;
    const bool same = a.value == b.value || (a_nan && b_nan), beats = !a_nan && (b.value > a.value || b_nan);
    return beats || (same && b.place < a.place) ? b : a;
  }
  struct Total {
    Part best = identity();
    __device__ __forceinline__ void add(Part part) { best = PlacedFold::join(best, part); }
    __device__ __forceinline__ void join(const Total& other) { add(other.best); }
  };
  bool smallest;
  T* y;
  int64_t* index;
  __device__ __forceinline__ Nothing known(int64_t) const { return {}; }
  __device__ __forceinline__ Part map(T x, Nothing, int64_t i) const { return {turned(widen(x), smallest), i}; }
  __device__ __forceinline__ void finish(int64_t o, const Total& total) const {
    y[o] = narrow<T>(static_cast<A>(turned(total.best.value, smallest) + A(0)));
    index[o] = total.best.place;
  }
};

template <typename T>
void extremum(const Stream& stream, bool smallest, const Reduce& p, const T* x, T* y, int64_t* index) {
  if (index) {
    fold_axes(stream, p, x, PlacedFold<T>{smallest, y, index});
  } else {
    fold_axes(stream, p, x, ExtremumFold<T>{smallest, y});
  }
}

template <typename T>
void max(const Stream& stream, const Reduce& p, const T* x, T* y, int64_t* index, Workspace) {
  extremum(stream, false, p, x, y, index);
}
template <typename T>
void min(const Stream& stream, const Reduce& p, const T* x, T* y, int64_t* index, Workspace) {
  extremum(stream, true, p, x, y, index);
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    put_gradients(const __grid_constant__ Reduce p, const T* grad, const int64_t* index, T* dx) {
  const int64_t step = int64_t{gridDim.x} * kThreads;
  for (int64_t o = int64_t{blockIdx.x} * kThreads + threadIdx.x; o < p.outer.numel; o += step) {
    dx[offset_of(p.outer, o) + offset_of(p.inner, index[o])] = grad[o];
  }
}

// dx is 0 but for the element that was chosen. p speaks of dx, which is contiguous.
template <typename T>
void extremum_backward(const Stream& stream, const Reduce& p, const T* grad, const int64_t* index, T* dx) {
  if (p.outer.numel == 0 || p.inner.numel == 0) return;
  cudaMemsetAsync(dx, 0, static_cast<size_t>(p.outer.numel * p.inner.numel) * sizeof(T), stream.handle);
  put_gradients<<<blocks_for(p.outer.numel), kThreads, 0, stream.handle>>>(p, grad, index, dx);
}

}  // namespace
DEFINE_KERNEL(max, NUMERIC, BFloat16, Float16)
DEFINE_KERNEL(min, NUMERIC, BFloat16, Float16)
DEFINE_KERNEL(extremum_backward, FLOATING, BFloat16, Float16)
}  // namespace tilegrad::cuda
