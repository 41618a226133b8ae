// What is done to one pixel of an augmented image, and the draws that say it.
#pragma once

#include "formulas/arithmetic.h"
#include "formulas/augment_draws.h"

namespace tilegrad::formulas {
namespace {

// How bright the eye finds a pixel: ITU-R BT.601.
TILEGRAD_FORMULA float luma(const float* pixel, int64_t C) {
  return C == 3 ? (pixel[0] * 0.299f + pixel[1] * 0.587f) + pixel[2] * 0.114f : pixel[0];
}

TILEGRAD_FORMULA float blend(float a, float b, float share, float most) {
  return clip(a * share + b * (1.0f - share), 0.0f, most);
}

// Towards or away from the pixel's grey.
TILEGRAD_FORMULA void change_saturation(float* pixel, float factor, float most) {
  const float grey = luma(pixel, 3);
  for (int c = 0; c < 3; ++c) pixel[c] = blend(pixel[c], grey, factor, most);
}

// A channel of the colour of this hue, in sixths of the circle plus the channel's 5, 3 or 1, largest value and chroma.
TILEGRAD_FORMULA float channel_of(float hue, float high, float chroma) {
  const float k = hue >= 6.0f ? hue - 6.0f : hue;
  const float distance = k < 4.0f - k ? k : 4.0f - k;
  return high - chroma * clip(distance, 0.0f, 1.0f);
}

// Around the circle of hues by `turns` of it, at the same saturation and value.
TILEGRAD_FORMULA void turn_hue(float* pixel, float turns) {
  const float r = pixel[0], g = pixel[1], b = pixel[2];
  const float red_or_green = g > r ? g : r, high = b > red_or_green ? b : red_or_green;
  const float less = g < r ? g : r, chroma = high - (b < less ? b : less);
  const float divisor = chroma > 0.0f ? chroma : 1.0f;
  float hue = high == r ? (g - b) / divisor : high == g ? 2.0f + (b - r) / divisor : 4.0f + (r - g) / divisor;
  hue += 6.0f * turns;
  hue -= 6.0f * floor(hue / 6.0f);
  pixel[0] = channel_of(hue + 5.0f, high, chroma);
  pixel[1] = channel_of(hue + 3.0f, high, chroma);
  pixel[2] = channel_of(hue + 1.0f, high, chroma);
}

// Four changes in random order: of brightness (0), contrast (1), saturation (2) and hue (3). Draws 0 to 3 are their sizes and
// draw 4 the order.
struct Jitter {
  int order[4];
  float size[4];  // of change order[i]
  float most;     // the largest value of a pixel

  TILEGRAD_FORMULA Jitter(const AugmentStep& step, const Draws& draws)
      : order{0, 1, 2, 3}, size{}, most(static_cast<float>(step.values[8])) {
    int64_t number = draws.whole(4, 0, 23);
    for (int i = 3; i > 0; --i) {
      const int64_t j = number % (i + 1);
      number /= i + 1;
      const int swapped = order[i];
      order[i] = order[j];
      order[j] = swapped;
    }
    for (int i = 0; i < 4; ++i) {
      size[i] = static_cast<float>(draws.between(order[i], step.values + 2 * order[i]));
    }
  }
  TILEGRAD_FORMULA bool changes(int i) const { return size[i] != (order[i] == 3 ? 0.0f : 1.0f); }
};

// Boxes around random pixels, cut off at the image's borders.
//
// Source: DeVries and Taylor, "Improved regularization of convolutional neural networks with cutout", 2017.
struct Box {
  int64_t top, bottom, left, right;
};
TILEGRAD_FORMULA int64_t boxes_of(const AugmentStep& step) { return static_cast<int64_t>(step.values[0]); }
TILEGRAD_FORMULA Box draw_box(const AugmentStep& step, const Draws& draws, int64_t box, int64_t P, int64_t Q) {
  const int64_t rows = static_cast<int64_t>(step.values[1]), columns = static_cast<int64_t>(step.values[2]);
  const int draw = static_cast<int>(2 * box);
  const int64_t row = draws.whole(draw, 0, P - 1) - rows / 2, column = draws.whole(draw + 1, 0, Q - 1) - columns / 2;
  return {row > 0 ? row : 0, row + rows < P ? row + rows : P, column > 0 ? column : 0,
          column + columns < Q ? column + columns : Q};
}

}  // namespace
}  // namespace tilegrad::formulas
