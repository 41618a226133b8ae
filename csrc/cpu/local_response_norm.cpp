// Local response normalisation of the rows of x [M, C]: y = x s^-beta with s = k + scale * (the sum of the squares of the
// neighbours of x). A sum goes over ascending channels.
#include "cpu/math.h"
#include "cpu/sum_order.h"
#include "formulas/arithmetic.h"
#include "formulas/power.h"
#include "params/norm.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

inline constexpr int64_t kNeighbourBlock = 256;  // channels whose sums are made together
inline constexpr int64_t kNeighbourPiece = 512;  // channels whose values are kept meanwhile

// sums[j] = the sum of value(i) over the channels i of [first + j - before, first + j + after] that exist.
template <typename T, typename F>
TILEGRAD_INLINE void neighbour_sums(int64_t C, int64_t before, int64_t after, int64_t first, int64_t count, T* sums,
                                    F value) {
  for (int64_t j = 0; j < count; ++j) sums[j] = T(0);
  const int64_t end = smaller(C, first + count + after);
  for (int64_t piece = larger<int64_t>(0, first - before); piece < end; piece += kNeighbourPiece) {
    const int64_t size = smaller(kNeighbourPiece, end - piece);
    T values[kNeighbourPiece];
#pragma omp simd
    for (int64_t i = 0; i < size; ++i) values[i] = value(piece + i);
    for (int64_t shift = -before; shift <= after; ++shift) {
      const int64_t offset = first + shift - piece;  // from j to its neighbour's place in the piece
      const int64_t from = larger<int64_t>(0, -offset), to = smaller(count, size - offset);
#pragma omp simd
      for (int64_t j = from; j < to; ++j) sums[j] += values[offset + j];
    }
  }
}

// Calls run(inverse_power) with s -> s^-beta; the usual exponents need square roots only.
template <typename T, typename Run>
TILEGRAD_INLINE void with_power(double beta, Run run) {
  if (beta == 0.75) {
    run([](T s) {
      const T root = formulas::square_root(s);
      return T(1) / (root * formulas::square_root(root));
    });
  } else if (beta == 0.5) {
    run([](T s) { return T(1) / formulas::square_root(s); });
  } else if (beta == 1.0) {
    run([](T s) { return T(1) / s; });
  } else {
    const T exponent = static_cast<T>(-beta);
    run([exponent](T s) { return formulas::power(s, exponent); });
  }
}

// Writes s, which may be null, for the backward pass.
template <typename T>
void local_response_norm(const Team& team, const LocalResponseNorm& p, const T* x, T* y, T* s) {
  const T scale = static_cast<T>(p.scale), k = static_cast<T>(p.k);
  with_power<T>(p.beta, [&](auto inverse_power) {
    const Range mine = team.share(p.M, 4);
    for (int64_t m = mine.begin; m < mine.end; ++m) {
      const T* row = x + m * p.C;
      for (int64_t first = 0; first < p.C; first += kNeighbourBlock) {
        const int64_t count = smaller(kNeighbourBlock, p.C - first);
        T sums[kNeighbourBlock];
        neighbour_sums(p.C, p.before, p.after, first, count, sums, [=](int64_t i) { return row[i] * row[i]; });
        T* to = y + m * p.C + first;
#pragma omp simd
        for (int64_t j = 0; j < count; ++j) {
          sums[j] = k + scale * sums[j];
          to[j] = row[first + j] * inverse_power(sums[j]);
        }
        for (int64_t j = 0; s && j < count; ++j) s[m * p.C + first + j] = sums[j];
      }
    }
  });
}

// dx_j = g_j s_j^-beta - 2 scale beta x_j sum of g_i x_i s_i^-beta / s_i over those i that have j among their neighbours.
template <typename T>
void local_response_norm_backward(const Team& team, const LocalResponseNorm& p, const T* x, const T* s, const T* grad,
                                  T* dx) {
  const T factor = static_cast<T>(2.0 * p.scale * p.beta);
  with_power<T>(p.beta, [&](auto inverse_power) {
    const Range mine = team.share(p.M, 4);
    for (int64_t m = mine.begin; m < mine.end; ++m) {
      const T *row = x + m * p.C, *size = s + m * p.C, *g = grad + m * p.C;
      for (int64_t first = 0; first < p.C; first += kNeighbourBlock) {
        const int64_t count = smaller(kNeighbourBlock, p.C - first);
        T sums[kNeighbourBlock];
        neighbour_sums(p.C, p.after, p.before, first, count, sums,
                       [=](int64_t i) { return g[i] * row[i] * inverse_power(size[i]) / size[i]; });
        T* to = dx + m * p.C + first;
#pragma omp simd
        for (int64_t j = 0; j < count; ++j) {
          to[j] = g[first + j] * inverse_power(size[first + j]) - factor * row[first + j] * sums[j];
        }
      }
    }
  });
}

}  // namespace
DEFINE_KERNEL(local_response_norm, FLOATING)
DEFINE_KERNEL(local_response_norm_backward, FLOATING)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
