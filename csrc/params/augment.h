// Images with random changes: x [M, H, W, C], of which a batch takes some; y [N, P, Q, C].
#pragma once

#include <cstdint>

namespace tilegrad {

// What a step does, and what its values are. Pairs are bounds of a uniform draw. Geometric steps say where in their input a
// position (row, column) of their output lies; pixels are squares around whole positions.
enum class AugmentKind : int32_t {
  crop,          // the first row and column to take, whole numbers: rows, columns
  flip,          // 0: rows, 1: columns
  affine,        // degrees, shift by rows, by columns (in pixels), factor, shear of columns, of rows (in degrees)
  resize,        // none
  resized_crop,  // share of the area, width / height
  scale,         // which scale: channel c becomes value * scales[i][0][c] + scales[i][1][c]
  jitter,        // brightness, contrast, saturation, hue; the largest value of a pixel
  cutout,        // how many boxes, their rows, columns and value
};

// What lies outside an image. `none`: such positions do not come.
enum class AugmentBorder : int32_t { none, fill, edge, reflect };

struct AugmentStep {
  AugmentKind kind;
  AugmentBorder border;
  bool nearest;           // geometric steps: whether positions are rounded, or the pixels around them blended
  float fill;             // of AugmentBorder::fill
  int64_t number;         // of the step's draws
  double probability;     // that the step is taken at all; else its image stays as it is
  int64_t rows, columns;  // of its output
  double values[12];
};

inline constexpr int kMaxAugmentSteps = 16;
inline constexpr int64_t kMaxAugmentSample = int64_t{1} << 44, kMaxAugmentNumber = 1 << 12, kMaxCutouts = 64;

struct Augment {
  int64_t M, N, H, W, C, P, Q;
  bool bytes;  // whether x is uint8; else float32
  bool mixed;  // whether every image is blended with another one
  int32_t count;
  AugmentStep steps[kMaxAugmentSteps];
};

// Where a row or column lies: between two of the input.
struct AugmentTap {
  int32_t low, high;
  float weight;     // of `high`
  int32_t outside;  // the first stage of the path whose image it is not in
};

// Bytes of one member's workspace: the columns of an image, and an image where some are mixed.
inline constexpr int64_t augment_workspace(const Augment& p) {
  const int64_t bytes = p.Q * static_cast<int64_t>(sizeof(AugmentTap)) +
                        (p.mixed ? p.P * p.Q * p.C * static_cast<int64_t>(sizeof(float)) : 0);
  return (bytes + 63) / 64 * 64;
}

}  // namespace tilegrad
