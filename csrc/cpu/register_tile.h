// The register tile: the innermost loops of matrix products and convolutions.
//
// A RegisterTile<T, R, V> is R output rows by V vectors of output columns, held in registers while a sum over k runs:
//
//     sum[m][n] = fma(a(m, k), b[k][n], sum[m][n])        for k = 0, 1, 2, ... in this order
//
// so every output is one fma chain over ascending k, which is the sum order of a contraction chunk (docs/numerics.md),
// whatever R, V and the ISA are. How to use it:
//
//     const RowTiles tiles(M, kMaxRows<T, V>);             // M rows in tiles of even height
//     for (int64_t i = 0; i < tiles.count; ++i) {
//       with_rows<kMaxRows<T, V>>(tiles.rows(i), [&](auto rows) {
//         RegisterTile<T, rows, V> tile;
//         tile.clear();                                    // or tile.load(c, stride, columns), to continue a chain
//         tile.accumulate(K, RowsInPlace<T>{a + tiles.begin(i) * row_stride, row_stride}, b, b_step);
//         tile.accumulate(K2, ...);                        // the chain goes on: e.g. with the next filter row
//         tile.store(c, stride, columns);                  // or finish(tile, ...) of epilogue.h, with bias and activation
//       });
//     }
//
// a is an accessor, by value: at(m, k) is its element k columns further on, next(count) moves on by so many. RowsInPlace
// reads rows of a row-major matrix (or pixels at a fixed distance), as TallRows and SpacedRows do for larger tiles;
// Interleaved reads [k][rows] panels and transposed matrices. b's row k is at b + k * b_step and all of its kColumns
// elements are read: pack a ragged last panel with zeros behind it. columns <= kColumns says how many columns exist in c;
// no others are read or written.
//
// Sizes: R * V sums, V vectors of b and one broadcast must fit the registers (kMaxRows), R * V >= 8 hides the latency of
// an fma, V >= 2 keeps the loads below the arithmetic. Good full tiles: V = 2, 3 or 4 with kMaxRows rows. Rows at a
// distance of a multiple of 4 KB share a set of the L1 cache: there use at most 6 of them in place, or pack.
#pragma once

#include "cpu/vec.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// The most rows of a tile of V vectors: sums, one row of b and one broadcast element of a fill the registers. (Where fma
// is emulated the emulation needs the registers, and only short code matters.)
template <typename T, int kVectors>
inline constexpr int kMaxRows =
    kHasFma ? smaller(14, (kVectorRegisters - 1 - kVectors) / kVectors) : (kVectors == 1 ? 4 : 2);

// As many as the registers allow: for accessors whose addresses need few registers (Interleaved, TallRows).
template <typename T, int kVectors>
inline constexpr int kTallestRows =
    kHasFma ? smaller(28, (kVectorRegisters - 1 - kVectors) / kVectors) : kMaxRows<T, kVectors>;

// M rows in tiles of at most `most`, whose heights differ by at most one: no lone row is left for a last tile.
struct RowTiles {
  int64_t count, height, taller;  // `taller` tiles of height + 1 come first
  TILEGRAD_INLINE RowTiles(int64_t M, int64_t most)
      : count(ceil_div(M, most)), height(count ? M / count : 0), taller(count ? M % count : 0) {}
  TILEGRAD_INLINE int64_t begin(int64_t i) const { return i * height + smaller(i, taller); }
  TILEGRAD_INLINE int rows(int64_t i) const { return static_cast<int>(height + (i < taller)); }
};

template <int kValue>
struct Constant {
  constexpr operator int() const { return kValue; }
};

template <typename F, int... kMinusOne>
TILEGRAD_INLINE void with_rows(int rows, F f, std::integer_sequence<int, kMinusOne...>) {
  ((rows == kMinusOne + 1 ? f(Constant<kMinusOne + 1>{}) : void()), ...);
}
// Calls f(Constant<rows>) for a row count from 1 to kMost that is known at run time.
template <int kMost, typename F>
TILEGRAD_INLINE void with_rows(int rows, F f) {
  with_rows(rows, f, std::make_integer_sequence<int, kMost>{});
}

// a(m, k) = base[m * row_stride + k]: rows of a row-major matrix where they lie.
template <typename T>
struct RowsInPlace {
  const T* base;
  int64_t row_stride;
  TILEGRAD_INLINE T at(int m, int k) const { return base[m * row_stride + k]; }
  TILEGRAD_INLINE void next(int count) { base += count; }
};

// RowsInPlace with a pointer to every kApart-th of kRows rows, so that fewer distances than rows want a register. kHidden: gcc
// may not see how the pointers depend on each other; it would put them together again, or, if it may not and they are many,
// keep them in memory.
template <typename T, int kRows, int kApart, bool kHidden>
struct PointedRows {
  static constexpr int kBases = (kRows + kApart - 1) / kApart;
  const T* base[kBases];
  int64_t row_stride;
  TILEGRAD_INLINE PointedRows(const T* first, int64_t row_stride) : row_stride(row_stride) {
#pragma GCC unroll 8
    for (int i = 0; i < kBases; ++i) {
      base[i] = first + i * kApart * row_stride;
      if constexpr (kHidden) asm("" : "+r"(base[i]));
    }
  }
  TILEGRAD_INLINE T at(int m, int k) const { return base[m / kApart][m % kApart * row_stride + k]; }
  TILEGRAD_INLINE void next(int count) {
#pragma GCC unroll 8
    for (int i = 0; i < kBases; ++i) base[i] += count;
  }
};
// For up to 28 rows, and for loops that need registers for more than their rows.
template <typename T, int kRows>
using TallRows = PointedRows<T, kRows, 8, true>;
template <typename T, int kRows>
using SpacedRows = PointedRows<T, kRows, 3, false>;

// a(m, k) = base[m + k * step]: a packed [k][rows] panel (step = rows), or columns of a matrix where they lie.
template <typename T>
struct Interleaved {
  const T* base;
  int64_t step;
  TILEGRAD_INLINE T at(int m, int k) const { return base[m + k * step]; }
  TILEGRAD_INLINE void next(int count) { base += count * step; }
};

// Copies rows x columns elements between matrices of any row stride. Out of line, because only ragged edges need it.
template <typename T>
[[gnu::noinline]] void copy_columns(const T* from, int64_t from_stride, T* to, int64_t to_stride, int rows,
                                    int64_t columns) {
  for (int m = 0; m < rows; ++m) {
    for (int64_t n = 0; n < columns; ++n) to[m * to_stride + n] = from[m * from_stride + n];
  }
}

template <typename T>
TILEGRAD_INLINE Vec<T> load_vector(const T* row, int v) {
  return load(row + v * kLanes<T>);
}
template <typename T>
TILEGRAD_INLINE void store_vector(T* row, int v, Vec<T> value) {
  store(row + v * kLanes<T>, value);
}

template <typename T, int kRows, int kVectors>
struct RegisterTile {
  static constexpr int kColumns = kVectors * kLanes<T>;

  Vec<T> sum[kRows][kVectors];

  // Loops over the tile, unrolled: otherwise the sums would live in memory.
  template <typename F>
  TILEGRAD_INLINE static void each(F f) {
#pragma GCC unroll 32
    for (int m = 0; m < kRows; ++m) {
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) f(m, v);
    }
  }

  TILEGRAD_INLINE void clear() {
    each([&](int m, int v) { sum[m][v] = Vec<T>{}; });
  }

  TILEGRAD_INLINE void load(const T* c, int64_t stride, int64_t columns = kColumns) {
    if (columns == kColumns) {
      each([&](int m, int v) { sum[m][v] = load_vector(c + m * stride, v); });
    } else {
      T whole[kRows * kColumns] = {};
      copy_columns(c, stride, whole, kColumns, kRows, columns);
      each([&](int m, int v) { sum[m][v] = load_vector(whole + m * kColumns, v); });
    }
  }

  TILEGRAD_INLINE void store(T* c, int64_t stride, int64_t columns = kColumns) const {
    if (columns == kColumns) {
      each([&](int m, int v) { store_vector(c + m * stride, v, sum[m][v]); });
    } else {
      T whole[kRows * kColumns];
      each([&](int m, int v) { store_vector(whole + m * kColumns, v, sum[m][v]); });
      copy_columns(whole, kColumns, c, stride, kRows, columns);
    }
  }

  // sum = c + sum: adds a chunk's sums to the total so far.
  TILEGRAD_INLINE void add_to(const T* c, int64_t stride, int64_t columns = kColumns) {
    RegisterTile total;
    total.load(c, stride, columns);
    each([&](int m, int v) { sum[m][v] = total.sum[m][v] + sum[m][v]; });
  }

  template <typename A>
  TILEGRAD_INLINE void accumulate(int64_t K, A a, const T* b, int64_t b_step) {
    accumulate_on(K, a, b, b_step);
  }

  // The same; a and b walk on.
  template <typename A>
  TILEGRAD_INLINE void accumulate_on(int64_t K, A& a, const T*& b, int64_t b_step) {
    for (; K >= kAtOnce; K -= kAtOnce) {
#pragma GCC unroll 2
      for (int k = 0; k < kAtOnce; ++k) step(a, k, b, b_step);
      a.next(kAtOnce);
    }
    if (kAtOnce > 1 && K > 0) {
      step(a, 0, b, b_step);
      a.next(1);
    }
  }

 private:
  // How many k a turn of the loop takes. With 16 registers a full tile has 12 fma and 7 loads for each; 4 more instructions
  // to count and to move on are too many where another thread has half of the core's slots (docs/performance/gemm.md). Up
  // to 8 sums wait for each other anyway, and were slower so.
  static constexpr int kAtOnce = kHasFma && kVectorRegisters == 16 && kRows * kVectors > 8 ? 2 : 1;

  // Adds the products of a's k-th column from here and b's row; b goes on to the next.
  template <typename A>
  TILEGRAD_INLINE void step(const A& a, int k, const T*& b, int64_t b_step) {
    Vec<T> row[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) row[v] = load_vector(b, v);
#pragma GCC unroll 32
    for (int m = 0; m < kRows; ++m) {
      const Vec<T> x = broadcast(a.at(m, k));
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) add_product(sum[m][v], x, row[v]);
    }
    b += b_step;
    if (kAtOnce > 1) asm("" : "+r"(b));  // one pointer: sums of it and of multiples of b_step would be many
  }
};

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
