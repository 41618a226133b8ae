// Sums, products and truth over any axes.
#include "cuda/device/folds.cuh"
#include "formulas/arithmetic.h"

namespace tilegrad::cuda {
namespace {

template <typename T>
void sum(const Stream& stream, const Reduce& p, const T* x, T* y, Workspace) {
  fold_axes(stream, p, x, SumFold<T>{y, p.divisor});
}

// sum (x - center)^2 / divisor, or its root; center may be null.
template <typename T>
struct SquaresFold : SumFold<T> {
  const T* center;
  bool root;
  __device__ __forceinline__ T known(int64_t o) const { return center ? center[o] : T(0); }
  __device__ __forceinline__ T map(T x, T middle, int64_t) const {
    const T d = x - middle;
    return d * d;
  }
  __device__ __forceinline__ void finish(int64_t o, const SumTotal<T>& total) const {
    const T value = total.quotient(this->divisor);
    this->y[o] = root ? formulas::square_root(value) : value;
  }
};

template <typename T>
void sum_squares(const Stream& stream, const Reduce& p, const T* x, const T* center, T* y, Workspace) {
  fold_axes(stream, p, x, SquaresFold<T>{{y, p.divisor}, center, p.root != 0});
}

// A Bool is the byte that it is: no kernels of its own.
template <typename T>
using Counted = std::conditional_t<std::is_same_v<T, Bool>, uint8_t, T>;
template <typename T>
const Counted<T>* counted(const T* x) {
  return reinterpret_cast<const Counted<T>*>(x);
}

template <typename T>
__device__ __forceinline__ uint64_t as_integer(T value) {
  return static_cast<uint64_t>(static_cast<int64_t>(value));
}

// Integers wrap around, as NumPy's do.
template <typename T>
struct IntegerSumFold {
  using Part = uint64_t;
  struct Total {
    uint64_t sum = 0;
    __device__ __forceinline__ void add(uint64_t part) { sum += part; }
    __device__ __forceinline__ void join(const Total& other) { sum += other.sum; }
  };
  int64_t* y;
  __device__ __forceinline__ static uint64_t identity() { return 0; }
  __device__ __forceinline__ static uint64_t join(uint64_t a, uint64_t b) { return a + b; }
  __device__ __forceinline__ Nothing known(int64_t) const { return {}; }
  __device__ __forceinline__ uint64_t map(T x, Nothing, int64_t) const { return as_integer(x); }
  __device__ __forceinline__ void finish(int64_t o, const Total& total) const {
    y[o] = static_cast<int64_t>(total.sum);
  }
};

template <typename T>
[[maybe_unused]] void sum_integers(const Stream& stream, const Reduce& p, const T* x, int64_t* y, Workspace) {
  fold_axes(stream, p, counted(x), IntegerSumFold<Counted<T>>{y});
}

// Products of floats in the order of sums, of chunks in double.
template <typename T>
struct ProductFold {
  using Part = T;
  struct Total {
    double product = 1;
    __device__ __forceinline__ void add(T part) { product *= static_cast<double>(part); }
    __device__ __forceinline__ void join(const Total& other) { product *= other.product; }
  };
  T* y;
  __device__ __forceinline__ static T identity() { return T(1); }
  __device__ __forceinline__ static T join(T a, T b) { return a * b; }
  __device__ __forceinline__ Nothing known(int64_t) const { return {}; }
  __device__ __forceinline__ T map(T x, Nothing, int64_t) const { return x; }
  __device__ __forceinline__ void finish(int64_t o, const Total& total) const { y[o] = static_cast<T>(total.product); }
};

template <typename T>
void prod(const Stream& stream, const Reduce& p, const T* x, T* y, Workspace) {
  fold_axes(stream, p, x, ProductFold<T>{y});
}

template <typename T>
struct IntegerProductFold {
  using Part = uint64_t;
  struct Total {
    uint64_t product = 1;
    __device__ __forceinline__ void add(uint64_t part) { product *= part; }
    __device__ __forceinline__ void join(const Total& other) { product *= other.product; }
  };
  int64_t* y;
  __device__ __forceinline__ static uint64_t identity() { return 1; }
  __device__ __forceinline__ static uint64_t join(uint64_t a, uint64_t b) { return a * b; }
  __device__ __forceinline__ Nothing known(int64_t) const { return {}; }
  __device__ __forceinline__ uint64_t map(T x, Nothing, int64_t) const { return as_integer(x); }
  __device__ __forceinline__ void finish(int64_t o, const Total& total) const {
    y[o] = static_cast<int64_t>(total.product);
  }
};

template <typename T>
[[maybe_unused]] void prod_integers(const Stream& stream, const Reduce& p, const T* x, int64_t* y, Workspace) {
  fold_axes(stream, p, counted(x), IntegerProductFold<Counted<T>>{y});
}

// dx = grad * (the product of the others). x and dx are contiguous, and p speaks of both. A block takes an output: thread
// t multiplies elements t, t + kThreads, ..., and the threads' products are joined as a tree.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    prod_gradient(const __grid_constant__ Reduce p, const T* x, const T* grad, T* dx) {
  __shared__ double products[kThreads];
  __shared__ int64_t zeros[kThreads];
  const int t = static_cast<int>(threadIdx.x);
  for (int64_t o = blockIdx.x; o < p.outer.numel; o += gridDim.x) {
    const int64_t base = offset_of(p.outer, o);
    double product = 1;
    int64_t zero = 0;
    for (int64_t i = t; i < p.inner.numel; i += kThreads) {
      const T value = x[base + offset_of(p.inner, i)];
      zero += value == T(0);
      product *= value == T(0) ? 1.0 : static_cast<double>(value);
    }
    products[t] = product;
    zeros[t] = zero;
    __syncthreads();
    for (int half = kThreads / 2; half > 0; half /= 2) {
      if (t < half) {
        products[t] *= products[t + half];
        zeros[t] += zeros[t + half];
      }
      __syncthreads();
    }
    product = products[0];
    zero = zeros[0];
    for (int64_t i = t; i < p.inner.numel; i += kThreads) {
      const int64_t at = base + offset_of(p.inner, i);
      const T value = x[at];
      const double others = zero == 0                    ? product / static_cast<double>(value)
                            : zero == 1 && value == T(0) ? product
                                                         : 0.0;
      dx[at] = grad[o] * static_cast<T>(others);
    }
    __syncthreads();
  }
}

template <typename T>
void prod_backward(const Stream& stream, const Reduce& p, const T* x, const T* grad, T* dx) {
  if (p.outer.numel == 0 || p.inner.numel == 0) return;
  prod_gradient<<<blocks_for(p.outer.numel, 1, 1), kThreads, 0, stream.handle>>>(p, x, grad, dx);
}

// Whether any element is true or, where that is flipped on the way in and out, all are.
template <typename T>
struct TruthFold {
  using Part = uint8_t;
  struct Total {
    uint8_t found = 0;
    __device__ __forceinline__ void add(uint8_t part) { found |= part; }
    __device__ __forceinline__ void join(const Total& other) { found |= other.found; }
  };
  Bool* y;
  uint8_t flips;
  __device__ __forceinline__ static uint8_t identity() { return 0; }
  __device__ __forceinline__ static uint8_t join(uint8_t a, uint8_t b) { return a | b; }
  __device__ __forceinline__ Nothing known(int64_t) const { return {}; }
  __device__ __forceinline__ uint8_t map(T x, Nothing, int64_t) const { return formulas::truth(x) ^ flips; }
  __device__ __forceinline__ void finish(int64_t o, const Total& total) const {
    y[o] = Bool{static_cast<uint8_t>(total.found ^ flips)};
  }
};

template <typename T>
void any(const Stream& stream, const Reduce& p, const T* x, Bool* y, Workspace) {
  fold_axes(stream, p, counted(x), TruthFold<Counted<T>>{y, 0});
}
template <typename T>
void all(const Stream& stream, const Reduce& p, const T* x, Bool* y, Workspace) {
  fold_axes(stream, p, counted(x), TruthFold<Counted<T>>{y, 1});
}

}  // namespace
DEFINE_KERNEL(sum, FLOATING, BFloat16, Float16)
DEFINE_KERNEL(sum_squares, FLOATING)
DEFINE_KERNEL(sum_integers, INTEGRAL)
DEFINE_KERNEL(prod, FLOATING)
DEFINE_KERNEL(prod_integers, INTEGRAL)
DEFINE_KERNEL(prod_backward, FLOATING)
DEFINE_KERNEL(any, COMPARABLE)
DEFINE_KERNEL(all, COMPARABLE)
}  // namespace tilegrad::cuda
