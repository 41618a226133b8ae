// Images in another size, by the nearest pixel or bilinearly, vectorised over channels. Gradients are gathered: every input
// pixel sums over the outputs that it is part of, in row-major order, so nothing depends on threads.
#include "params/resize2d.h"
#include "cpu/isa.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

template <typename T>
TILEGRAD_INLINE ResizeSource<T> source_of(const ResizeAxis& axis, bool linear, int64_t i) {
  const int64_t last = axis.in - 1;
  if (!linear) {
    const int64_t at = smaller(static_cast<int64_t>(static_cast<double>(i) * axis.numerator / axis.denominator), last);
    return {at, at, T(0)};
  }
  const double centre = (static_cast<double>(i) + 0.5) * axis.numerator / axis.denominator - 0.5;
  const double at = centre < 0 ? 0.0 : centre;
  const int64_t low = smaller(static_cast<int64_t>(at), last);
  return {low, smaller(low + 1, last), static_cast<T>(at - static_cast<double>(low))};
}

template <typename T>
struct Sources {
  const ResizeSource<T>*row, *column;
};

// Fills the workspace, which the team shares.
template <typename T>
TILEGRAD_INLINE Sources<T> find_sources(const Team& team, const Resize2d& p, Workspace workspace) {
  auto* const row = static_cast<ResizeSource<T>*>(workspace.data);
  auto* const column = row + p.row.out;
  if (team.rank == 0) {
    for (int64_t i = 0; i < p.row.out; ++i) row[i] = source_of<T>(p.row, p.linear, i);
    for (int64_t i = 0; i < p.column.out; ++i) column[i] = source_of<T>(p.column, p.linear, i);
  }
  team.barrier();
  return {row, column};
}

template <typename T>
void resize2d(const Team& team, const Resize2d& p, const T* x, T* y, Workspace workspace) {
  const Sources<T> sources = find_sources<T>(team, p, workspace);
  const int64_t C = p.C, line = p.column.in * C;
  const Range mine = team.share(p.N * p.row.out);
  for (int64_t i = mine.begin; i < mine.end; ++i) {
    const ResizeSource<T> row = sources.row[i % p.row.out];
    const T* const image = x + i / p.row.out * p.row.in * line;
    const T *upper = image + row.low * line, *lower = image + row.high * line;
    T* to = y + i * p.column.out * C;
    for (int64_t q = 0; q < p.column.out; ++q, to += C) {
      const ResizeSource<T> column = sources.column[q];
      const T *upper_low = upper + column.low * C, *upper_high = upper + column.high * C;
      const T *lower_low = lower + column.low * C, *lower_high = lower + column.high * C;
      if (!p.linear) {
        for (int64_t c = 0; c < C; ++c) to[c] = upper_low[c];
        continue;
      }
      const T right = column.weight, left = T(1) - right, bottom = row.weight, top = T(1) - bottom;
#pragma omp simd
      for (int64_t c = 0; c < C; ++c) {
        to[c] = top * (left * upper_low[c] + right * upper_high[c]) +
                bottom * (left * lower_low[c] + right * lower_high[c]);
      }
    }
  }
}

// The outputs that input position `at` is part of, given those of the position before it ({0, 0} at the start).
template <typename T>
TILEGRAD_INLINE void advance(Range& outputs, int64_t at, const ResizeSource<T>* sources, int64_t out) {
  while (outputs.begin < out && sources[outputs.begin].high < at) ++outputs.begin;
  while (outputs.end < out && sources[outputs.end].low <= at) ++outputs.end;
}

// The share of input position `at` in an output.
template <typename T>
TILEGRAD_INLINE T share_of(const ResizeSource<T>& source, int64_t at) {
  return (source.low == at ? T(1) - source.weight : T(0)) + (source.high == at ? source.weight : T(0));
}

template <typename T>
void resize2d_backward(const Team& team, const Resize2d& p, const T* dy, T* dx, Workspace workspace) {
  const Sources<T> sources = find_sources<T>(team, p, workspace);
  const int64_t C = p.C, line = p.column.out * C;
  const Range mine = team.share(p.N * p.row.in);
  Range rows{0, 0};
  for (int64_t i = mine.begin; i < mine.end; ++i) {
    const int64_t h = i % p.row.in;
    if (h == 0) rows = {0, 0};
    advance(rows, h, sources.row, p.row.out);
    const T* const image = dy + i / p.row.in * p.row.out * line;
    T* to = dx + i * p.column.in * C;
    Range columns{0, 0};
    for (int64_t w = 0; w < p.column.in; ++w, to += C) {
      advance(columns, w, sources.column, p.column.out);
      for (int64_t c = 0; c < C; ++c) to[c] = T(0);
      for (int64_t row = rows.begin; row < rows.end; ++row) {
        const T height = share_of(sources.row[row], h);
        for (int64_t column = columns.begin; column < columns.end; ++column) {
          const T weight = height * share_of(sources.column[column], w);
          const T* const from = image + row * line + column * C;
#pragma omp simd
          for (int64_t c = 0; c < C; ++c) to[c] = to[c] + weight * from[c];
        }
      }
    }
  }
}

}  // namespace
DEFINE_KERNEL(resize2d, FLOATING)
DEFINE_KERNEL(resize2d_backward, FLOATING)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
