// Largest and smallest elements over any axes, and where the first of them is.
#include "cpu/fold.h"
#include "cpu/transpose.h"
#include "formulas/arithmetic.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

template <typename T>
inline constexpr bool kIsFloating = T(0.5) != T(0);
template <typename T>
inline constexpr T kHighest = T(-1) > T(0) ? T(-1) : static_cast<T>(~(uint64_t{1} << (8 * sizeof(T) - 1)));
template <>
inline constexpr float kHighest<float> = formulas::kInfinity<float>;
template <>
inline constexpr double kHighest<double> = formulas::kInfinity<double>;
template <typename T>
inline constexpr T kLowest = T(-1) > T(0) ? T(0) : static_cast<T>(-kHighest<T> - (kIsFloating<T> ? 0 : 1));

// NaN wins over every number. Of -0 and +0, which are equal, the result is +0: a choice by position would depend on the
// lanes.
template <typename T, bool kLargest>
struct ExtremumFold {
  using Part = T;
  TILEGRAD_INLINE static T identity() { return kLargest ? kLowest<T> : kHighest<T>; }
  TILEGRAD_INLINE static T join(T a, T b) { return kLargest ? formulas::maximum(b, a) : formulas::minimum(b, a); }
  TILEGRAD_INLINE T map(T x, int64_t) const { return x; }
  struct Total {
    T best = identity();
    TILEGRAD_INLINE void add(T part) { best = join(best, part); }
  };
  TILEGRAD_INLINE void finish(int64_t o, const Total& total) const { y[o] = static_cast<T>(total.best + T(0)); }
  T* y;
};

// The first of `count` elements that is `best` (or NaN); count when there is none. Without a branch: where it is can't be
// foreseen.
template <typename T>
TILEGRAD_INLINE int first_of_few(const T* x, int count, T best) {
  int first = count;
#pragma omp simd reduction(min : first)
  for (int i = 0; i < count; ++i) first = smaller(first, (x[i] == best) | (x[i] != x[i]) ? i : count);
  return first;
}

template <typename T>
TILEGRAD_INLINE int64_t first_of(const T* x, int64_t count, T best) {
  constexpr int64_t kBlock = 256 / static_cast<int64_t>(sizeof(T));
  int64_t i = 0;
  for (; i + kBlock <= count; i += kBlock) {
    uint8_t found = 0;
#pragma omp simd reduction(| : found)
    for (int64_t k = 0; k < kBlock; ++k) found |= static_cast<uint8_t>((x[i + k] == best) | (x[i + k] != x[i + k]));
    if (found) break;
  }
  return i + first_of_few(x + i, static_cast<int>(smaller(kBlock, count - i)), best);
}

template <typename T>
void find_in_rows(const Team& team, const Reduce& p, const T* x, const T* y, int64_t* index) {
  const Range mine = team.share(p.outer.numel);
  if (mine.begin == mine.end) return;
  Walk outer(p.outer, mine.begin);
  for (int64_t o = mine.begin; o < mine.end; ++o, outer.next()) {
    const T* from = x + outer.offset;
    if (is_dense(p.inner)) {
      index[o] = first_of(from, p.inner.numel, y[o]);
      continue;
    }
    Walk inner(p.inner, 0);
    int64_t i = 0;
    while (from[inner.offset] != y[o] && from[inner.offset] == from[inner.offset]) ++i, inner.next();
    index[o] = i;
  }
}

template <typename T>
void find_in_columns(const Team& team, const Reduce& p, const T* x, const T* y, int64_t* index) {
  const int64_t width = p.outer.shape[p.outer.ndim - 1];
  const int64_t blocks = ceil_div(width, kFoldColumns);
  const Range mine = team.share(p.outer.numel / width * blocks);
  int64_t offsets[kFoldChunk];
  for (int64_t group = mine.begin; group < mine.end; ++group) {
    const int64_t start = group % blocks * kFoldColumns, first = group / blocks * width + start;
    const int64_t columns = smaller(kFoldColumns, width - start);
    const T* base = x + Walk(p.outer, first).offset;
    const T* best = y + first;
    int64_t* found = index + first;
    for (int64_t c = 0; c < columns; ++c) found[c] = -1;
    for (int64_t begin = 0; begin < p.inner.numel; begin += kFoldChunk) {
      const int64_t count = smaller(kFoldChunk, p.inner.numel - begin);
      offsets_of(p.inner, begin, count, offsets);
      for (int64_t i = 0; i < count; ++i) {
        const T* row = base + offsets[i];
#pragma omp simd
        for (int64_t c = 0; c < columns; ++c) {
          const bool match = (row[c] == best[c]) | (row[c] != row[c]);
          found[c] = match & (found[c] < 0) ? begin + i : found[c];
        }
      }
    }
  }
}

// Lanes where a or b is NaN. As one comparison: gcc makes two of the expression.
template <typename V>
TILEGRAD_INLINE auto unordered(V a, V b) {
#if defined(__AVX2__) && !defined(__AVX512F__) && !defined(__clang__)
  if constexpr (sizeof(a[0]) == 4) {
    return __builtin_bit_cast(decltype(a != a), __builtin_ia32_cmpps256(a, b, 3));
  } else {
    return __builtin_bit_cast(decltype(a != a), __builtin_ia32_cmppd256(a, b, 3));
  }
#else
  return (a != a) | (b != b);
#endif
}

// The extremum of each lane of a row of at least one vector, or NaN. The order is of no concern, so the row's last
// vector may be met twice, and NaN is asked for apart, of two vectors at a time: half the instructions of a fold.
template <typename T, bool kLargest>
TILEGRAD_INLINE Vec<T> lanes_of_row(const T* row, int64_t count) {
  constexpr int L = kLanes<T>;
  using V = Vec<T>;
  const auto better = [](V a, V b)
                          __attribute__((always_inline)) { return kLargest ? (a > b ? a : b) : (a < b ? a : b); };
  const V last = load(row + count - L);
  V best = last;
  auto missing = last != last;
  int64_t i = 0;
  if (count >= 4 * L) {
    V other = last;
    for (; i + 4 * L <= count; i += 4 * L) {
      prefetch(row + i + 4 * kFoldChunk);
      prefetch(row + i + 2 * L + 4 * kFoldChunk);
      const V a = load(row + i), b = load(row + i + L), c = load(row + i + 2 * L), d = load(row + i + 3 * L);
      best = better(better(a, b), best);
      other = better(better(c, d), other);
      missing |= unordered(a, b) | unordered(c, d);
    }
    best = better(best, other);
  }
  for (; i + L <= count; i += L) {
    // Where a vector is a line, rows of three are long; where it is less, rows of 10 take a sixth longer with this.
    if constexpr (kVectorBytes >= kCacheLine) prefetch(row + i + 4 * kFoldChunk);
    const V a = load(row + i);
    best = better(a, best);
    missing |= a != a;
  }
  return missing ? broadcast(static_cast<T>(__builtin_nan(""))) : best;
}

// Dense rows, as many at a time as a vector has lanes.
template <typename T, bool kLargest>
void extrema_of_rows(const Team& team, const Reduce& p, const T* x, T* y) {
  constexpr int L = kLanes<T>;
  using Fold = ExtremumFold<T, kLargest>;
  const Range mine = team.share(p.outer.numel, L);
  if (mine.begin == mine.end) return;
  Walk walk(p.outer, mine.begin);
  for (int64_t o = mine.begin; o < mine.end; o += L) {
    const int64_t rows = smaller<int64_t>(L, mine.end - o);
    Vec<T> v[L];
    for (int64_t r = 0; r < L; ++r) {
      v[r] = r < rows ? lanes_of_row<T, kLargest>(x + walk.offset, p.inner.numel) : v[0];
      if (r < rows && o + r + 1 < p.outer.numel) walk.next();
    }
    transpose_square(v);
    T best[L];
#pragma omp simd
    for (int r = 0; r < L; ++r) {
      T all = v[0][r];
      for (int l = 1; l < L; ++l) all = Fold::join(all, v[l][r]);
      best[r] = all + T(0);
    }
    for (int64_t r = 0; r < rows; ++r) y[o + r] = best[r];
  }
}

template <typename T, bool kLargest>
TILEGRAD_INLINE void extremum(const Team& team, const Reduce& p, const T* x, T* y, int64_t* index,
                              Workspace workspace) {
  bool is_found = false;
  if constexpr (kIsFloating<T>) {
    constexpr int64_t kLong = 4 * kFoldChunk;  // rows that a team may have to share are folded
    if (is_dense(p.inner) && p.inner.numel >= kLanes<T> && p.inner.numel <= kLong && p.outer.numel > 0) {
      extrema_of_rows<T, kLargest>(team, p, x, y);
      is_found = true;
    }
  }
  if (!is_found) fold_axes(team, p, x, workspace, ExtremumFold<T, kLargest>{y});
  if (!index || p.outer.numel == 0) return;
  team.barrier();
  if (runs_down_columns(p)) {
    find_in_columns(team, p, x, y, index);
  } else {
    find_in_rows(team, p, x, y, index);
  }
}

template <typename T>
void max(const Team& team, const Reduce& p, const T* x, T* y, int64_t* index, Workspace workspace) {
  extremum<T, true>(team, p, x, y, index, workspace);
}
template <typename T>
void min(const Team& team, const Reduce& p, const T* x, T* y, int64_t* index, Workspace workspace) {
  extremum<T, false>(team, p, x, y, index, workspace);
}

// dx is 0 but for the element that was chosen. p speaks of dx.
template <typename T>
void extremum_backward(const Team& team, const Reduce& p, const T* grad, const int64_t* index, T* dx) {
  const Range all = team.share(p.outer.numel * p.inner.numel, 128 / sizeof(T));
  for (int64_t i = all.begin; i < all.end; ++i) dx[i] = T(0);
  team.barrier();
  const Range mine = team.share(p.outer.numel);
  for (int64_t o = mine.begin; o < mine.end; ++o) {
    dx[Walk(p.outer, o).offset + Walk(p.inner, index[o]).offset] = grad[o];
  }
}

}  // namespace
DEFINE_KERNEL(max, NUMERIC)
DEFINE_KERNEL(min, NUMERIC)
DEFINE_KERNEL(extremum_backward, FLOATING)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
