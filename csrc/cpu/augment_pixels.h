// What is done to the pixels of one image y [P, Q, C] in place.
#pragma once

#include "cpu/augment_draws.h"
#include "formulas/arithmetic.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// y[c] = y[c] * factor[c] + shift[c]
TILEGRAD_INLINE void scale_channels(float* y, int64_t pixels, int64_t C, const float* factor, const float* shift) {
  for (int64_t i = 0; i < pixels; ++i, y += C) {
#pragma omp simd
    for (int64_t c = 0; c < C; ++c) y[c] = y[c] * factor[c] + shift[c];
  }
}

// How bright the eye finds a pixel: ITU-R BT.601.
TILEGRAD_INLINE float luma(const float* pixel, int64_t C) {
  return C == 3 ? (pixel[0] * 0.299f + pixel[1] * 0.587f) + pixel[2] * 0.114f : pixel[0];
}

TILEGRAD_INLINE float blend(float a, float b, float share, float most) {
  return formulas::clip(a * share + b * (1.0f - share), 0.0f, most);
}

TILEGRAD_INLINE void change_brightness(float* y, int64_t count, float factor, float most) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) y[i] = formulas::clip(y[i] * factor, 0.0f, most);
}

// Towards or away from the image's mean.
TILEGRAD_INLINE void change_contrast(float* y, int64_t pixels, int64_t C, float factor, float most) {
  double sum = 0;
  for (int64_t i = 0; i < pixels; ++i) sum += static_cast<double>(luma(y + i * C, C));
  const float mean = static_cast<float>(sum / static_cast<double>(pixels));
#pragma omp simd
  for (int64_t i = 0; i < pixels * C; ++i) y[i] = blend(y[i], mean, factor, most);
}

// Towards or away from the pixel's grey.
TILEGRAD_INLINE void change_saturation(float* y, int64_t pixels, float factor, float most) {
  for (int64_t i = 0; i < pixels; ++i, y += 3) {
    const float grey = luma(y, 3);
    for (int c = 0; c < 3; ++c) y[c] = blend(y[c], grey, factor, most);
  }
}

// A channel of the colour of this hue, in sixths of the circle plus the channel's 5, 3 or 1, largest value and chroma.
TILEGRAD_INLINE float channel_of(float hue, float high, float chroma) {
  const float k = hue >= 6.0f ? hue - 6.0f : hue;
  const float distance = k < 4.0f - k ? k : 4.0f - k;
  return high - chroma * formulas::clip(distance, 0.0f, 1.0f);
}

// Around the circle of hues by `turns` of it, at the same saturation and value.
TILEGRAD_INLINE void change_hue(float* y, int64_t pixels, float turns) {
  for (int64_t i = 0; i < pixels; ++i, y += 3) {
    const float r = y[0], g = y[1], b = y[2];
    const float high = larger(larger(r, g), b), chroma = high - smaller(smaller(r, g), b);
    const float divisor = chroma > 0.0f ? chroma : 1.0f;
    float hue = high == r ? (g - b) / divisor : high == g ? 2.0f + (b - r) / divisor : 4.0f + (r - g) / divisor;
    hue += 6.0f * turns;
    hue -= 6.0f * formulas::floor(hue / 6.0f);
    y[0] = channel_of(hue + 5.0f, high, chroma);
    y[1] = channel_of(hue + 3.0f, high, chroma);
    y[2] = channel_of(hue + 1.0f, high, chroma);
  }
}

// The four changes in random order; draws 0 to 3 are their sizes and draw 4 the order.
TILEGRAD_APART void jitter(const AugmentStep& step, const Draws& draws, float* y, int64_t pixels, int64_t C) {
  const float most = static_cast<float>(step.values[8]);
  int order[4] = {0, 1, 2, 3};
  int64_t number = draws.whole(4, 0, 23);
  for (int i = 3; i > 0; --i) {
    const int64_t j = number % (i + 1);
    number /= i + 1;
    const int swapped = order[i];
    order[i] = order[j];
    order[j] = swapped;
  }
  for (int i = 0; i < 4; ++i) {
    const int change = order[i];
    const float size = static_cast<float>(draws.between(change, step.values + 2 * change));
    if (size == (change == 3 ? 0.0f : 1.0f)) continue;
    if (change == 0) change_brightness(y, pixels * C, size, most);
    if (change == 1) change_contrast(y, pixels, C, size, most);
    if (change == 2 && C == 3) change_saturation(y, pixels, size, most);
    if (change == 3 && C == 3) change_hue(y, pixels, size);
  }
}

// Boxes around random pixels, cut off at the image's borders.
//
// Source: DeVries and Taylor, "Improved regularization of convolutional neural networks with cutout", 2017.
TILEGRAD_INLINE void cut_out(const AugmentStep& step, const Draws& draws, float* y, int64_t P, int64_t Q, int64_t C) {
  const int64_t boxes = static_cast<int64_t>(step.values[0]);
  const int64_t rows = static_cast<int64_t>(step.values[1]), columns = static_cast<int64_t>(step.values[2]);
  const float value = static_cast<float>(step.values[3]);
  for (int64_t box = 0; box < boxes; ++box) {
    const int draw = static_cast<int>(2 * box);
    const int64_t row = draws.whole(draw, 0, P - 1) - rows / 2, column = draws.whole(draw + 1, 0, Q - 1) - columns / 2;
    const int64_t left = larger<int64_t>(column, 0), right = smaller(column + columns, Q);
    for (int64_t p = larger<int64_t>(row, 0); p < smaller(row + rows, P); ++p) {
      for (int64_t i = (p * Q + left) * C; i < (p * Q + right) * C; ++i) y[i] = value;
    }
  }
}

TILEGRAD_APART void change_pixels(const Augment& p, const int64_t* key, int64_t sample, const float* scales, float* y) {
  for (int s = 0; s < p.count; ++s) {
    const AugmentStep& step = p.steps[s];
    const Draws draws = draws_of(key, sample, step);
    if (step.kind < AugmentKind::scale || !is_taken(step, draws)) continue;
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
