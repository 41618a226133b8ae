// What is done to the pixels of one image y [P, Q, C] in place.
#pragma once

#include "cpu/isa.h"
#include "formulas/augment_pixel.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

using formulas::Draws;

// y[c] = y[c] * factor[c] + shift[c]
TILEGRAD_INLINE void scale_channels(float* y, int64_t pixels, int64_t C, const float* factor, const float* shift) {
  for (int64_t i = 0; i < pixels; ++i, y += C) {
#pragma omp simd
    for (int64_t c = 0; c < C; ++c) y[c] = y[c] * factor[c] + shift[c];
  }
}

TILEGRAD_INLINE void change_brightness(float* y, int64_t count, float factor, float most) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) y[i] = formulas::clip(y[i] * factor, 0.0f, most);
}

// Towards or away from the image's mean.
TILEGRAD_INLINE void change_contrast(float* y, int64_t pixels, int64_t C, float factor, float most) {
  double sum = 0;
  for (int64_t i = 0; i < pixels; ++i) sum += static_cast<double>(formulas::luma(y + i * C, C));
  const float mean = static_cast<float>(sum / static_cast<double>(pixels));
#pragma omp simd
  for (int64_t i = 0; i < pixels * C; ++i) y[i] = formulas::blend(y[i], mean, factor, most);
}

TILEGRAD_INLINE void change_saturation(float* y, int64_t pixels, float factor, float most) {
  for (int64_t i = 0; i < pixels; ++i, y += 3) formulas::change_saturation(y, factor, most);
}

TILEGRAD_INLINE void change_hue(float* y, int64_t pixels, float turns) {
  for (int64_t i = 0; i < pixels; ++i, y += 3) formulas::turn_hue(y, turns);
}

TILEGRAD_APART void jitter(const AugmentStep& step, const Draws& draws, float* y, int64_t pixels, int64_t C) {
  const formulas::Jitter found(step, draws);
  const float most = found.most;
  for (int i = 0; i < 4; ++i) {
    const int change = found.order[i];
    const float size = found.size[i];
    if (!found.changes(i)) continue;
    if (change == 0) change_brightness(y, pixels * C, size, most);
    if (change == 1) change_contrast(y, pixels, C, size, most);
    if (change == 2 && C == 3) change_saturation(y, pixels, size, most);
    if (change == 3 && C == 3) change_hue(y, pixels, size);
  }
}

TILEGRAD_INLINE void cut_out(const AugmentStep& step, const Draws& draws, float* y, int64_t P, int64_t Q, int64_t C) {
  const float value = static_cast<float>(step.values[3]);
  for (int64_t b = 0; b < formulas::boxes_of(step); ++b) {
    const formulas::Box box = formulas::draw_box(step, draws, b, P, Q);
    for (int64_t p = box.top; p < box.bottom; ++p) {
      for (int64_t i = (p * Q + box.left) * C; i < (p * Q + box.right) * C; ++i) y[i] = value;
    }
  }
}

TILEGRAD_APART void change_pixels(const Augment& p, const int64_t* key, int64_t sample, const float* scales, float* y) {
  for (int s = 0; s < p.count; ++s) {
    const AugmentStep& step = p.steps[s];
    const Draws draws = formulas::draws_of(key, sample, step);
    if (step.kind < AugmentKind::scale || !formulas::is_taken(step, draws)) continue;
    if (step.kind == AugmentKind::scale) {
      const float* const factor = scales + static_cast<int64_t>(step.values[0]) * 2 * p.C;
      scale_channels(y, p.P * p.Q, p.C, factor, factor + p.C);
    }
    if (step.kind == AugmentKind::jitter) jitter(step, draws, y, p.P * p.Q, p.C);
    if (step.kind == AugmentKind::cutout) cut_out(step, draws, y, p.P, p.Q, p.C);
  }
}

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
