// Transposes in registers.
#pragma once

#include "cpu/prefetch.h"
#include "cpu/vec.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// One step of the transpose: swaps the upper `kHalf` lanes of every 2 * kHalf of a with the lower ones of b.
template <int kHalf, typename V, int... kLane>
TILEGRAD_INLINE void swap_halves(V& a, V& b, std::integer_sequence<int, kLane...>) {
  constexpr int kCount = sizeof...(kLane);
  const V first = __builtin_shufflevector(a, b, (kLane & kHalf ? kLane - kHalf + kCount : kLane)...);
  b = __builtin_shufflevector(a, b, (kLane & kHalf ? kLane + kCount : kLane + kHalf)...);
  a = first;
}

template <int kHalf, typename V, int kCount>
TILEGRAD_INLINE void transpose_steps(V (&rows)[kCount]) {
  if constexpr (kHalf > 0) {
#pragma GCC unroll 16
    for (int i = 0; i < kCount; ++i) {
      if ((i & kHalf) == 0) swap_halves<kHalf>(rows[i], rows[i + kHalf], std::make_integer_sequence<int, kCount>{});
    }
    transpose_steps<kHalf / 2>(rows);
  }
}

// Keeps a vector whole: gcc would look through the shuffles, load its lanes one by one and put them together again.
template <typename V>
TILEGRAD_INLINE void keep_whole(V& v) {
#if defined(__x86_64__)
  asm("" : "+v"(v));
#elif defined(__aarch64__)
  asm("" : "+w"(v));
#endif
}

// rows[i][j] becomes rows[j][i], for as many rows as a vector has lanes.
template <typename V, int kCount>
TILEGRAD_INLINE void transpose_square(V (&rows)[kCount]) {
  static_assert(sizeof(V) == kCount * sizeof(rows[0][0]));
  transpose_steps<kCount / 2>(rows);
#pragma GCC unroll 16
  for (int i = 0; i < kCount; ++i) keep_whole(rows[i]);
}

// The same for every block of kCount lanes on its own: rows[i][b * kCount + j] becomes rows[j][b * kCount + i].
template <int kCount, int kHalf = kCount / 2, typename V>
TILEGRAD_INLINE void transpose_blocks(V (&rows)[kCount]) {
  if constexpr (kHalf > 0) {
    constexpr int kAll = sizeof(V) / sizeof(rows[0][0]);
#pragma GCC unroll 16
    for (int i = 0; i < kCount; ++i) {
      if ((i & kHalf) == 0) swap_halves<kHalf>(rows[i], rows[i + kHalf], std::make_integer_sequence<int, kAll>{});
    }
    transpose_blocks<kCount, kHalf / 2>(rows);
  } else {
#pragma GCC unroll 16
    for (int i = 0; i < kCount; ++i) keep_whole(rows[i]);
  }
}

// Out of a and b in turn, within 128 bits: units of kUnit elements of the lower half or of the upper.
template <int kUnit, bool kUpper, typename V, int... kLane>
TILEGRAD_INLINE V unpack(V a, V b, std::integer_sequence<int, kLane...>) {
  constexpr int kCount = sizeof...(kLane), kGroup = 16 / sizeof(a[0]);
  constexpr auto from = [](int lane) {
    const int unit = lane % kGroup / kUnit;
    return lane / kGroup * kGroup + (unit / 2 + (kUpper ? kGroup / kUnit / 2 : 0)) * kUnit + lane % kUnit +
           (unit % 2 ? kCount : 0);
  };
  return __builtin_shufflevector(a, b, from(kLane)...);
}

// How many columns load_columns() reads at once: of AVX2 half a square, since a whole one and its shuffles would leave no
// registers for sums.
template <typename V>
inline constexpr int kColumnsAtOnce = sizeof(V) / sizeof(V{}[0]) / (kVectorBytes == 32 ? 2 : 1);

template <typename H, int... kLane>
TILEGRAD_INLINE auto side_by_side(H a, H b, std::integer_sequence<int, kLane...>) {
  return __builtin_shufflevector(a, b, kLane...);
}

// v[i] = from[i * step], for as many rows i as a vector has lanes.
template <typename V, typename T>
TILEGRAD_INLINE V load_column(const T* from, int64_t step) {
  V column;
#pragma GCC unroll 16
  for (unsigned i = 0; i < sizeof(V) / sizeof(T); ++i) column[i] = from[i * step];
  return column;
}

// columns[j][i] = from[i * step + j], likewise.
template <typename V, typename T>
TILEGRAD_INLINE void load_columns(const T* from, int64_t step, V (&columns)[kColumnsAtOnce<V>]) {
  constexpr int L = sizeof(V) / sizeof(T), kCount = kColumnsAtOnce<V>;
  if constexpr (kCount == L) {
    typedef V Unaligned __attribute__((aligned(alignof(T)), may_alias));
#pragma GCC unroll 16
    for (int i = 0; i < L; ++i) {
      columns[i] = *reinterpret_cast<const Unaligned*>(from + i * step);
      keep_whole(columns[i]);  // one load, not one for every use
    }
    transpose_square(columns);
  } else {
    // Rows i and i + L / 2 meet in a vector as they are loaded; what is left are two unpackings within 128 bits.
    typedef T Half __attribute__((vector_size(16), aligned(alignof(T)), may_alias));
    constexpr auto lanes = std::make_integer_sequence<int, L>{};
    const T* upper = from + kCount * step;
    asm("" : "+r"(from), "+r"(upper));  // two pointers and one distance: gcc would keep one for every row, in memory
    V rows[kCount];
#pragma GCC unroll 4
    for (int i = 0; i < kCount; ++i) {
      V row = side_by_side(*reinterpret_cast<const Half*>(from + i * step),
                           *reinterpret_cast<const Half*>(upper + i * step), lanes);
      keep_whole(row);
      rows[i] = row;
    }
    const auto put = [&](int j, V column) {
      keep_whole(column);
      columns[j] = column;
    };
    if constexpr (kCount == 4) {
      const V a = unpack<1, false>(rows[0], rows[1], lanes), b = unpack<1, true>(rows[0], rows[1], lanes);
      const V c = unpack<1, false>(rows[2], rows[3], lanes), d = unpack<1, true>(rows[2], rows[3], lanes);
      put(0, unpack<2, false>(a, c, lanes));
      put(1, unpack<2, true>(a, c, lanes));
      put(2, unpack<2, false>(b, d, lanes));
      put(3, unpack<2, true>(b, d, lanes));
    } else {
      put(0, unpack<1, false>(rows[0], rows[1], lanes));
      put(1, unpack<1, true>(rows[0], rows[1], lanes));
    }
  }
}

template <typename T>
TILEGRAD_INLINE void transpose(Vec<T> (&rows)[kLanes<T>]) {
  transpose_square(rows);
}

// The side of the squares that are transposed in registers: a vector, which is a cache line with AVX-512. Lines that are read
// and written whole do not come twice, however far apart they are. Of narrow elements there would be too many in a vector.
template <typename R>
inline constexpr int kSide = sizeof(R) >= 4 ? kLanes<R> : 4;

// y[i * y_step + j] = x[j * x_step + i] for a square of that side.
template <typename R>
TILEGRAD_INLINE void transpose_square_at(const R* x, int64_t x_step, R* y, int64_t y_step) {
  typedef R Row __attribute__((vector_size(kSide<R> * sizeof(R))));
  typedef R Unaligned __attribute__((vector_size(kSide<R> * sizeof(R)), aligned(sizeof(R)), may_alias));
  Row square[kSide<R>];
#pragma GCC unroll 16
  for (int j = 0; j < kSide<R>; ++j) square[j] = *reinterpret_cast<const Unaligned*>(x + j * x_step);
  transpose_steps<kSide<R> / 2>(square);
#pragma GCC unroll 16
  for (int i = 0; i < kSide<R>; ++i) *reinterpret_cast<Unaligned*>(y + i * y_step) = square[i];
}

// The same for rows i and columns j, by squares.
template <typename R>
[[gnu::noinline]] void transpose_tile(const R* x, int64_t x_step, R* y, int64_t y_step, int64_t rows, int64_t columns) {
  constexpr int64_t S = kSide<R>;
  const int64_t even_rows = rows / S * S, even_columns = columns / S * S;
  for (int64_t j = 0; j < even_columns; j += S) {
    for (int64_t i = 0; i < even_rows; i += S) {
      transpose_square_at(x + j * x_step + i, x_step, y + i * y_step + j, y_step);
    }
  }
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = i < even_rows ? even_columns : 0; j < columns; ++j) y[i * y_step + j] = x[j * x_step + i];
  }
}

// Rows at a distance of a multiple of the L1 cache's way push each other out.
template <typename T>
TILEGRAD_INLINE bool shares_cache_sets(int64_t stride) {
  const int64_t bytes = stride * static_cast<int64_t>(sizeof(T));
  return bytes % 2048 == 0 && bytes != 0;
}

// Copies kWidth contiguous elements of K rows into neighbouring panels: to[i * panel_step + k * kWidth + j] =
// from[k * k_stride + i * kWidth + j] for i < panels. A row is read whole, once: rows may lie at distances that share
// cache sets. Panels must not, so that panel_step is not a multiple of 4 KB.
template <int kWidth, typename T>
TILEGRAD_INLINE void interleave(const T* from, int64_t k_stride, int64_t K, int64_t panels, T* to, int64_t panel_step) {
  constexpr int64_t kAhead = 8;  // rows
  for (int64_t k = 0; k < K; ++k) {
    const T* row = from + k * k_stride;
    const T* next = row + (k + kAhead < K ? kAhead * k_stride : 0);
    for (int64_t i = 0; i < panels; ++i) {
      prefetch(next + i * kWidth);
      __builtin_memcpy(to + i * panel_step + k * kWidth, row + i * kWidth, kWidth * sizeof(T));
    }
  }
}

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
