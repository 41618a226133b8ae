// Sums, products and truth over any axes.
#include "cpu/math.h"
#include "cpu/sum_fold.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

template <typename T>
void sum(const Team& team, const Reduce& p, const T* x, T* y, Workspace workspace) {
  fold_axes(team, p, x, workspace, SumFold<T>{y, p.divisor});
}

// sum (x - center)^2 / divisor, or its root.
template <typename T>
struct SquaresFold : SumFold<T> {
  const T* center;
  bool root;
  TILEGRAD_INLINE T map(T x, int64_t o) const {
    const T d = x - center[o];
    return d * d;
  }
  TILEGRAD_INLINE void finish(int64_t o, const SumTotal<T>& total) const {
    const T value = total.quotient(this->divisor);
    this->y[o] = root ? T(sizeof(T) == 4 ? __builtin_sqrtf(static_cast<float>(value)) : __builtin_sqrt(value)) : value;
  }
};
template <typename T>
struct PlainSquaresFold : SquaresFold<T> {
  TILEGRAD_INLINE T map(T x, int64_t) const { return x * x; }
};

template <typename T>
void sum_squares(const Team& team, const Reduce& p, const T* x, const T* center, T* y, Workspace workspace) {
  if (center) {
    fold_axes(team, p, x, workspace, SquaresFold<T>{{y, p.divisor}, center, p.root != 0});
  } else {
    fold_axes(team, p, x, workspace, PlainSquaresFold<T>{{{y, p.divisor}, center, p.root != 0}});
  }
}

// A Bool is the byte that it is: no kernels of its own.
template <typename T>
struct CountedOf {
  using type = T;
};
template <>
struct CountedOf<Bool> {
  using type = uint8_t;
};
template <typename T>
using Counted = typename CountedOf<T>::type;
template <typename T>
TILEGRAD_INLINE const Counted<T>* counted(const T* x) {
  return reinterpret_cast<const Counted<T>*>(x);
}

template <typename T>
TILEGRAD_INLINE int64_t as_integer(T value) {
  return static_cast<int64_t>(value);
}

// Integers wrap around, as NumPy's do.
template <typename T>
struct IntegerSumFold {
  using Part = uint64_t;
  struct Total {
    uint64_t sum = 0;
    TILEGRAD_INLINE void add(uint64_t part) { sum += part; }
  };
  int64_t* y;
  TILEGRAD_INLINE static uint64_t identity() { return 0; }
  TILEGRAD_INLINE static uint64_t join(uint64_t a, uint64_t b) { return a + b; }
  TILEGRAD_INLINE uint64_t map(T x, int64_t) const { return static_cast<uint64_t>(as_integer(x)); }
  TILEGRAD_INLINE void finish(int64_t o, const Total& total) const { y[o] = static_cast<int64_t>(total.sum); }
};

template <typename T>
void sum_integers(const Team& team, const Reduce& p, const T* x, int64_t* y, Workspace workspace) {
  fold_axes(team, p, counted(x), workspace, IntegerSumFold<Counted<T>>{y});
}

// Products of floats in the order of sums, of chunks in double.
template <typename T>
struct ProductFold {
  using Part = T;
  struct Total {
    double product = 1;
    TILEGRAD_INLINE void add(T part) { product *= static_cast<double>(part); }
  };
  T* y;
  TILEGRAD_INLINE static T identity() { return T(1); }
  TILEGRAD_INLINE static T join(T a, T b) { return a * b; }
  TILEGRAD_INLINE T map(T x, int64_t) const { return x; }
  TILEGRAD_INLINE void finish(int64_t o, const Total& total) const { y[o] = static_cast<T>(total.product); }
};

template <typename T>
void prod(const Team& team, const Reduce& p, const T* x, T* y, Workspace workspace) {
  fold_axes(team, p, x, workspace, ProductFold<T>{y});
}

template <typename T>
struct IntegerProductFold {
  using Part = uint64_t;
  struct Total {
    uint64_t product = 1;
    TILEGRAD_INLINE void add(uint64_t part) { product *= part; }
  };
  int64_t* y;
  TILEGRAD_INLINE static uint64_t identity() { return 1; }
  TILEGRAD_INLINE static uint64_t join(uint64_t a, uint64_t b) { return a * b; }
  TILEGRAD_INLINE uint64_t map(T x, int64_t) const { return static_cast<uint64_t>(as_integer(x)); }
  TILEGRAD_INLINE void finish(int64_t o, const Total& total) const { y[o] = static_cast<int64_t>(total.product); }
};

template <typename T>
void prod_integers(const Team& team, const Reduce& p, const T* x, int64_t* y, Workspace workspace) {
  fold_axes(team, p, counted(x), workspace, IntegerProductFold<Counted<T>>{y});
}

// dx = grad * (the product of the others). x and dx are contiguous, and p speaks of both.
template <typename T>
void prod_backward(const Team& team, const Reduce& p, const T* x, const T* grad, T* dx) {
  const Range mine = team.share(p.outer.numel);
  for (int64_t o = mine.begin; o < mine.end; ++o) {
    const int64_t base = Walk(p.outer, o).offset;
    double product = 1;
    int64_t zeros = 0;
    Walk walk(p.inner, 0);
    for (int64_t i = 0; i < p.inner.numel; ++i, walk.next()) {
      const T value = x[base + walk.offset];
      zeros += value == T(0);
      product *= value == T(0) ? 1.0 : static_cast<double>(value);
    }
    Walk again(p.inner, 0);
    for (int64_t i = 0; i < p.inner.numel; ++i, again.next()) {
      const T value = x[base + again.offset];
      const double others = zeros == 0                    ? product / static_cast<double>(value)
                            : zeros == 1 && value == T(0) ? product
                                                          : 0.0;
      dx[base + again.offset] = grad[o] * static_cast<T>(others);
    }
  }
}

template <typename T>
TILEGRAD_INLINE uint8_t is_true(T value) {
  return value != T(0);
}

// Whether any element is true or, where that is flipped on the way in and out, all are.
template <typename T>
struct TruthFold {
  using Part = uint8_t;
  struct Total {
    uint8_t found = 0;
    TILEGRAD_INLINE void add(uint8_t part) { found |= part; }
  };
  Bool* y;
  uint8_t flips;
  TILEGRAD_INLINE static uint8_t identity() { return 0; }
  TILEGRAD_INLINE static uint8_t join(uint8_t a, uint8_t b) { return a | b; }
  TILEGRAD_INLINE uint8_t map(T x, int64_t) const { return is_true(x) ^ flips; }
  TILEGRAD_INLINE void finish(int64_t o, const Total& total) const {
    y[o] = Bool{static_cast<uint8_t>(total.found ^ flips)};
  }
};

template <typename T>
void any(const Team& team, const Reduce& p, const T* x, Bool* y, Workspace workspace) {
  fold_axes(team, p, counted(x), workspace, TruthFold<Counted<T>>{y, 0});
}
template <typename T>
void all(const Team& team, const Reduce& p, const T* x, Bool* y, Workspace workspace) {
  fold_axes(team, p, counted(x), workspace, TruthFold<Counted<T>>{y, 1});
}

}  // namespace
DEFINE_KERNEL(sum, FLOATING)
DEFINE_KERNEL(sum_squares, FLOATING)
DEFINE_KERNEL(sum_integers, INTEGRAL)
DEFINE_KERNEL(prod, FLOATING)
DEFINE_KERNEL(prod_integers, INTEGRAL)
DEFINE_KERNEL(prod_backward, FLOATING)
DEFINE_KERNEL(any, COMPARABLE)
DEFINE_KERNEL(all, COMPARABLE)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
