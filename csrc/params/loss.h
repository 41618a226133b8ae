// Losses: what is averaged, and how.
#pragma once

#include <cstdint>

namespace tilegrad {

enum class LossReduction : int32_t { none, sum, mean };
enum class TargetKind : int32_t { int64, int32, uint8, soft };

// logits [N, C]; target [N] labels, or soft: [N, C] weights of classes; weight [C] or null; loss [N] or one number;
// gradient [N, C] or null. All contiguous.
struct CrossEntropy {
  int64_t N, C;
  TargetKind target;
  LossReduction reduction;
  int32_t ignores;  // whether rows of label ignore_index do not count
  int64_t ignore_index;
  double smoothing;
};

enum class PairedLossKind : int32_t { squared, absolute, huber, sigmoid_cross_entropy };

// A loss of elements x and target, all contiguous.
struct PairedLoss {
  int64_t numel;
  PairedLossKind kind;
  LossReduction reduction;
  double delta;  // huber: where the parabola ends
};

}  // namespace tilegrad
