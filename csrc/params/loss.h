// Losses: what is averaged, and how.
#pragma once

#include <cstdint>

namespace tilegrad {

enum class LossReduction : int32_t { none, sum, mean };
enum class TargetKind : int32_t { int64, int32, uint8, soft };

// x [N, C]; target [N] labels, or soft: [N, C] weights of classes; weight [C] or null; loss [N] or one number;
// gradient [N, C] or null. All contiguous.
struct LabelLoss {
  int64_t N, C;
  TargetKind target;
  LossReduction reduction;
  int32_t ignores;  // whether rows of label ignore_index do not count
  int64_t ignore_index;
};
// target_gradient [N, C] (of soft targets) or null.
struct CrossEntropy : LabelLoss {
  double smoothing;
};
struct MultiMargin : LabelLoss {
  double margin;
  int32_t power;  // 1 or 2
};

// x [N, C] logarithms of probabilities, target [N, C] probabilities or their logarithms; loss [N], or one number, which
// is divided by the divisor, as the gradients [N, C] (or null) are.
struct KlDivergence {
  int64_t N, C;
  LossReduction reduction;
  int32_t log_target;
  double divisor;
};

enum class PairedLossKind : int32_t {
  squared,
  absolute,
  huber,
  smooth_absolute,
  hinge,
  squared_hinge,
  binary_cross_entropy,
  sigmoid_cross_entropy
};

// A loss of elements x and target, all contiguous. weight, or null, multiplies the losses; positive_weight, or null, the
// part of sigmoid_cross_entropy that the target has. Each has a count of elements: numel, or that of the last axis (or
// one), and then they are the same for every row.
struct PairedLoss {
  int64_t numel;
  PairedLossKind kind;
  LossReduction reduction;
  double delta;  // huber, smooth_absolute: where the parabola ends; hinges: the margin
  int64_t weights, positive_weights;
};

}  // namespace tilegrad
