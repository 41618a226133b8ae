// Products of a few vectors with a matrix whose rows lie along k: y[j][r] = sum over k of x_r[k] W[j][k]. Vectors'
// lanes run over j, so that every sum stays one chain over ascending k: squares of W are transposed in registers, once for
// all r. The sum order is that of params/contraction.h.
#pragma once

#include "cpu/epilogue.h"
#include "cpu/transpose.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// W[j][k] at w[j * j_stride + k]; x_r[k] at x[k * x_step + r]; y[j][r] at y[j * y_j_stride + r * y_r_stride]. The
// epilogue's bias is per j or per r.
template <typename T>
struct Dots {
  int64_t J, K;
  const T* x;
  int64_t x_step;
  const T* w;
  int64_t j_stride;
  T* y;
  int64_t y_j_stride, y_r_stride;
  Epilogue<T> epilogue;
  bool bias_per_j;
};

// Half of AVX-512's vectors for few x: transposes of 8 x 8 take 0.375 shuffles an element and of 16 x 16 0.25, but chains
// of fma are half as long. For more x there are chains enough.
inline constexpr int kDotBytes = smaller(kVectorBytes, 32);
template <int kCount>
inline constexpr int kDotBytesOf = kCount <= 4 ? kDotBytes : kVectorBytes;
template <typename T, int kBytes = kDotBytes>
struct DotVector {
  typedef T type __attribute__((vector_size(kBytes)));
};
template <typename T, int kBytes = kDotBytes>
inline constexpr int kDotLanes = kBytes / static_cast<int>(sizeof(T));

// How many vectors of j are summed in turn, for chains of fma that do not wait for each other.
template <int kCount>
inline constexpr int kDotGroups = kCount <= 4 ? 2 : 1;

// Finishes and stores the sums of `rows` j from j0 on.
template <typename T, int kCount>
TILEGRAD_INLINE void store_dots(const Dots<T>& p, int64_t j0, int64_t rows,
                                T (&sums)[kCount][kDotLanes<T, kDotBytesOf<kCount>>]) {
  for (int r = 0; r < kCount; ++r) {
    T* line = sums[r];
    if (p.epilogue.bias) {
      const T* bias = p.epilogue.bias + (p.bias_per_j ? j0 : r) * p.epilogue.bias_stride;
      const int64_t step = p.bias_per_j ? p.epilogue.bias_stride : 0;
      for (int64_t i = 0; i < rows; ++i) line[i] = line[i] + bias[i * step];
    }
    if (p.epilogue.activation != Activation::none) activate(line, 0, 1, rows, p.epilogue.activation);
  }
  T* y = p.y + j0 * p.y_j_stride;
  for (int64_t i = 0; i < rows; ++i) {
#pragma GCC unroll 16
    for (int r = 0; r < kCount; ++r) y[i * p.y_j_stride + r * p.y_r_stride] = sums[r][i];
  }
}

// Sums of kGroups vectors of j from j0 on, of which the first `rows` are stored.
template <typename T, int kCount, int kGroups>
[[gnu::noinline]] void run_dots(const Dots<T>& p, int64_t j0, int64_t rows, int64_t j_stride) {
  using V = typename DotVector<T, kDotBytesOf<kCount>>::type;
  constexpr int L = kDotLanes<T, kDotBytesOf<kCount>>, kColumns = kColumnsAtOnce<V>;
  constexpr int64_t kBlock = larger(L, static_cast<int>(kCacheLine / sizeof(T)));  // of k: whole lines
  const T* const w = p.w + j0 * p.j_stride;
  V total[kGroups][kCount] = {};
  const int64_t chunk = contraction_chunk(p.K);
  for (int64_t begin = 0; begin < p.K; begin += chunk) {
    const int64_t end = smaller(p.K, begin + chunk);
    V chain[kGroups][kCount] = {};
    int64_t k = begin;
    while (k + L <= end) {
      const int64_t block_end = k + smaller(kBlock, (end - k) / L * L);
      for (int g = 0; g < kGroups; ++g) {
        V sum[kCount];
#pragma GCC unroll 16
        for (int r = 0; r < kCount; ++r) sum[r] = chain[g][r];
        const T* x = p.x + k * p.x_step;
        for (int64_t i = k; i < block_end; i += kColumns) {
          V columns[kColumns];
          load_columns(w + g * L * j_stride + i, j_stride, columns);
#pragma GCC unroll 16
          for (int j = 0; j < kColumns; ++j, x += p.x_step) {
#pragma GCC unroll 16
            for (int r = 0; r < kCount; ++r) add_product(sum[r], x[r] - V{}, columns[j]);
          }
        }
#pragma GCC unroll 16
        for (int r = 0; r < kCount; ++r) chain[g][r] = sum[r];
      }
      k = block_end;
    }
    for (; k < end; ++k) {
      const T* x = p.x + k * p.x_step;
      for (int g = 0; g < kGroups; ++g) {
        const V column = load_column<V>(w + g * L * j_stride + k, j_stride);
#pragma GCC unroll 16
        for (int r = 0; r < kCount; ++r) chain[g][r] = fma_lanes(x[r] - V{}, column, chain[g][r]);
      }
    }
    for (int g = 0; g < kGroups; ++g) {
#pragma GCC unroll 16
      for (int r = 0; r < kCount; ++r) total[g][r] = begin == 0 ? chain[g][r] : total[g][r] + chain[g][r];
    }
  }
  for (int g = 0; g * L < rows; ++g) {
    T sums[kCount][L];
    __builtin_memcpy(sums, total[g], sizeof sums);
    store_dots(p, j0 + g * L, smaller(int64_t{L}, rows - g * L), sums);
  }
}

// How many x have registers for their sums beside a square of W; none where fma is emulated and its time is all that counts.
inline constexpr int kDotsHere = !kHasFma ? 1 : kVectorRegisters == 32 ? static_cast<int>(kMostDots) : 6;

// Whether a product is one of `count` x with J rows of W that lie along k.
template <typename T>
TILEGRAD_INLINE bool takes_dots(int64_t count, int64_t J, int64_t k_stride) {
  return count <= kDotsHere && J >= (count <= 4 ? kDotLanes<T> : kLanes<T>) && k_stride == 1;
}

// For 2 <= count <= kDotsHere x.
template <typename T>
void dots(const Dots<T>& p, int count) {
  with_rows<kDotsHere>(count, [&](auto many) {
    if constexpr (many > 1) {  // one: gemv.h
      constexpr int64_t L = kDotLanes<T, kDotBytesOf<many>>;
      constexpr int kGroups = kDotGroups<many>;
      int64_t j = 0;
      for (; j + kGroups * L <= p.J; j += kGroups * L) run_dots<T, many, kGroups>(p, j, kGroups * L, p.j_stride);
      if constexpr (kGroups > 1) {
        for (; j + L <= p.J; j += L) run_dots<T, many, 1>(p, j, L, p.j_stride);
      }
      if (j == p.J) return;
      if (p.J >= L) return run_dots<T, many, 1>(p, p.J - L, L, p.j_stride);  // some a second time, with the same bits
      for (; j < p.J; ++j) run_dots<T, many, 1>(p, j, 1, 0);                 // one j in all lanes
    }
  });
}

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
