// Whole batches of images with random changes, an image at a time: its path is drawn, its pixels are taken from where they
// lie, then changed while they are in the cache.
#include "params/augment.h"
#include "cpu/augment_pixels.h"
#include "formulas/augment_path.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

using formulas::find_path;
using formulas::kInside;
using formulas::Path;
using formulas::trace;

// One pixel: of x [H, W, C] between four, or what is outside.
template <typename X>
TILEGRAD_INLINE void take_pixel(const X* x, int64_t W, int64_t C, const AugmentTap& row, const AugmentTap& column,
                                const Path& path, float* y) {
  const int outside = smaller(row.outside, column.outside);
  if (outside != kInside) {
    const float fill = path.stages[outside].fill;
    for (int64_t c = 0; c < C; ++c) y[c] = fill;
    return;
  }
  const X *upper = x + row.low * W * C, *lower = x + row.high * W * C;
  const X *upper_low = upper + column.low * C, *upper_high = upper + column.high * C;
  if (row.weight == 0 && column.weight == 0) {
    for (int64_t c = 0; c < C; ++c) y[c] = static_cast<float>(upper_low[c]);
    return;
  }
  const X *lower_low = lower + column.low * C, *lower_high = lower + column.high * C;
  const float right = column.weight, left = 1.0f - right, bottom = row.weight, top = 1.0f - bottom;
  for (int64_t c = 0; c < C; ++c) {
    y[c] = top * (left * static_cast<float>(upper_low[c]) + right * static_cast<float>(upper_high[c])) +
           bottom * (left * static_cast<float>(lower_low[c]) + right * static_cast<float>(lower_high[c]));
  }
}

template <typename X>
inline void take_image(const Augment& p, const Path& path, const X* x, float* y, AugmentTap* columns) {
  AugmentTap row, column;
  if (path.separable) {
    for (int64_t q = 0; q < p.Q; ++q) trace(path, {0, static_cast<double>(q)}, row, columns[q]);
    for (int64_t i = 0; i < p.P; ++i) {
      trace(path, {static_cast<double>(i), 0}, row, column);
      for (int64_t q = 0; q < p.Q; ++q, y += p.C) take_pixel(x, p.W, p.C, row, columns[q], path, y);
    }
    return;
  }
  for (int64_t i = 0; i < p.P; ++i) {
    for (int64_t q = 0; q < p.Q; ++q, y += p.C) {
      trace(path, {static_cast<double>(i), static_cast<double>(q)}, row, column);
      take_pixel(x, p.W, p.C, row, column, path, y);
    }
  }
}

template <typename X>
inline void make_image(const Augment& p, const X* x, int64_t row, int64_t sample, const int64_t* key,
                       const float* scales, float* y, AugmentTap* columns) {
  Path path;
  find_path(p, key, sample, path);
  take_image(p, path, x + row * p.H * p.W * p.C, y, columns);
  change_pixels(p, key, sample, scales, y);
}

template <typename X>
inline void make_images(const Team& team, const Augment& p, const X* x, const int64_t* rows, const int64_t* samples,
                        const int64_t* key, const float* scales, const int64_t* partners, const float* shares, float* y,
                        Workspace workspace) {
  auto* const columns =
      reinterpret_cast<AugmentTap*>(static_cast<char*>(workspace.data) + team.rank * augment_workspace(p));
  auto* const other = reinterpret_cast<float*>(columns + p.Q);
  const int64_t size = p.P * p.Q * p.C;
  const Range mine = team.share(p.N);
  for (int64_t n = mine.begin; n < mine.end; ++n) {
    float* const to = y + n * size;
    make_image(p, x, rows[n], samples[n], key, scales, to, columns);
    if (!p.mixed || partners[n] == n) continue;
    make_image(p, x, rows[partners[n]], samples[partners[n]], key, scales, other, columns);
    const float share = shares[n], rest = 1.0f - share;
#pragma omp simd
    for (int64_t i = 0; i < size; ++i) to[i] = share * to[i] + rest * other[i];
  }
}

template <typename T>
void augment(const Team& team, const Augment& p, const void* x, const int64_t* rows, const int64_t* samples,
             const int64_t* key, const T* scales, const int64_t* partners, const T* shares, T* y, Workspace workspace) {
  if (p.bytes) {
    make_images(team, p, static_cast<const uint8_t*>(x), rows, samples, key, scales, partners, shares, y, workspace);
  } else {
    make_images(team, p, static_cast<const float*>(x), rows, samples, key, scales, partners, shares, y, workspace);
  }
}

}  // namespace
DEFINE_KERNEL(augment, SINGLE)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
