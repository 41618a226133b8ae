// Panels of matrices: rows copied, or transposed in registers by squares.
#include "cpu/pack_panel.h"

#include "cpu/register_tile.h"
#include "cpu/transpose.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// Rows far apart are fetched so many ahead.
constexpr int64_t kRowsAhead = 24;

// K rows of whole vectors. A loop of its own, because beside few rows of A the copy is a fifth of the time: 64 x 1000 x
// 4096 took 1.15 times as long with the checks of pack() in every row.
template <int kVectors, typename T>
TILEGRAD_INLINE void copy_vectors(const T* from, int64_t k_stride, int64_t K, bool far, T* to, int64_t step) {
  const auto copy_row = [&] __attribute__((always_inline)) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) store(to + v * kLanes<T>, load(from + v * kLanes<T>));
    from += k_stride;
    to += step;
  };
  int64_t k = 0;
  for (; far && k + kRowsAhead < K; ++k) {
    const char* const next = reinterpret_cast<const char*>(from + kRowsAhead * k_stride);
#pragma GCC unroll 4
    for (int at = 0; at < kVectors * kVectorBytes; at += kCacheLine) prefetch(next + at);
    copy_row();
  }
  for (; k < K; ++k) copy_row();
}

template <typename T>
void pack(const T* from, int64_t k_stride, int64_t j_stride, int64_t K, int64_t count, int64_t width, T* to,
          int64_t step) {
  constexpr int64_t L = kLanes<T>;
  if (j_stride == 1) {
    const bool far = k_stride >= 2 * width || k_stride <= -2 * width;
    const int64_t whole = count / L * L, rest = count - whole;
    if (count == width && rest == 0 && width <= 4 * L) {
      return with_rows<4>(static_cast<int>(width / L),
                          [&](auto vectors) { copy_vectors<vectors>(from, k_stride, K, far, to, step); });
    }
    Vec<T> exists{};  // 1 in the lanes of a row's last, incomplete vector that exist
    for (int i = 0; i < rest; ++i) exists[i] = T(1);
    for (int64_t k = 0; k < K; ++k) {
      const T* source = from + k * k_stride;
      T* target = to + k * step;
      if (far && k + kRowsAhead < K) {
        for (int64_t j = 0; j < count; j += kCacheLine / static_cast<int64_t>(sizeof(T))) {
          prefetch(source + kRowsAhead * k_stride + j);
        }
      }
      for (int64_t j = 0; j < whole; j += L) store(target + j, load(source + j));
      int64_t j = whole;
      if (rest > 0 && j + L <= width && (K - 1 - k) * k_stride + rest >= L) {  // what lies behind is part of later rows
        const Vec<T> v = load(source + j);
        store(target + j, exists != Vec<T>{} ? v : Vec<T>{});
        j += L;
      }
      for (; j < width; ++j) target[j] = j < count ? source[j] : T(0);
    }
    return;
  }
  int64_t done = 0;
  if (k_stride == 1 && K >= L) {
    const bool far = j_stride >= 4 * kPrefetchAhead<T> || j_stride <= -4 * kPrefetchAhead<T>;
    const auto transpose_at = [&](int64_t k) __attribute__((always_inline)) {
      if (far && reinterpret_cast<intptr_t>(from + k) % kCacheLine < kVectorBytes) {
        for (int64_t j = 0; j < count; ++j) prefetch(from + j * j_stride + k + kPrefetchAhead<T>);
      }
      // From the last group of rows to the first: where it is narrower than a vector, what it writes behind a row is the
      // start of the next, which is written later.
      for (int64_t j = (width - 1) / L * L; j >= 0; j -= L) {
        Vec<T> rows[L];
#pragma GCC unroll 16
        for (int i = 0; i < L; ++i) {
          rows[i] = j + i < count ? load(from + (j + i) * j_stride + k) : Vec<T>{};
          keep_whole(rows[i]);  // one load, not one for every use
        }
        transpose<T>(rows);
#pragma GCC unroll 16
        for (int i = 0; i < L; ++i) store(to + (k + i) * step + j, rows[i]);
      }
    };
    // Blocks at cache lines, or each would want two lines of every row; those at both ends overlap their neighbours.
    const int64_t past_line = reinterpret_cast<intptr_t>(from) % kVectorBytes / static_cast<int64_t>(sizeof(T));
    for (int64_t k = 0; done < K;) {
      transpose_at(k);
      done = k + L;
      k = smaller(k == 0 ? L - past_line : done, K - L);
    }
  }
  for (int64_t k = done; k < K; ++k) {
    for (int64_t j = 0; j < width; ++j) to[k * step + j] = j < count ? from[k * k_stride + j * j_stride] : T(0);
  }
}

}  // namespace

void pack_panel(const float* from, int64_t k_stride, int64_t j_stride, int64_t K, int64_t count, int64_t width,
                float* to, int64_t step) {
  pack(from, k_stride, j_stride, K, count, width, to, step);
}
void pack_panel(const double* from, int64_t k_stride, int64_t j_stride, int64_t K, int64_t count, int64_t width,
                double* to, int64_t step) {
  pack(from, k_stride, j_stride, K, count, width, to, step);
}

}  // namespace tilegrad::cpu::TILEGRAD_ISA
