// Arrays that are functions of their indices.
#include "params/sequence.h"
#include "cpu/isa.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// Elements a member takes at least, so that members do not share cache lines.
inline constexpr int64_t kGrain = 128;

// Floating elements are computed in double and rounded once.
template <typename T>
void sequence(const Team& team, const Sequence& p, T* y) {
  const Range mine = team.share(p.count, kGrain);
#pragma omp simd
  for (int64_t i = mine.begin; i < mine.end; ++i) {
    if constexpr (std::is_floating_point_v<T>) {
      y[i] = static_cast<T>(p.start + static_cast<double>(i) * p.step);
    } else {
      y[i] = static_cast<T>(p.whole_start + i * p.whole_step);
    }
  }
}

template <typename T>
void band(const Team& team, const Band& p, const T* x, T* y) {
  const Range mine = team.share(p.batch * p.rows, ceil_div(kGrain, larger(p.columns, int64_t{1})));
  for (int64_t r = mine.begin; r < mine.end; ++r) {
    const int64_t row = r % p.rows;
    const T* from = x + r * p.columns;
    T* to = y + r * p.columns;
    const auto column = [&](int64_t c) { return larger<int64_t>(0, smaller(c, p.columns)); };
    const int64_t first = column(p.least > p.columns ? p.columns : row + p.least);
    const int64_t last = larger(first, column(p.most > p.columns ? p.columns : row + p.most + 1));
    for (int64_t c = 0; c < first; ++c) to[c] = T{};
    for (int64_t c = first; c < last; ++c) to[c] = from[c];
    for (int64_t c = last; c < p.columns; ++c) to[c] = T{};
  }
}

}  // namespace
DEFINE_KERNEL(sequence, NUMERIC)
DEFINE_KERNEL(band, ALL)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
