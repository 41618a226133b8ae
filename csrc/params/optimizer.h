// What optimizer kernels know besides their operands. Rates and step counts are operands (float64 and int64 of one
// element), because they change from step to step while a recorded launch does not.
#pragma once

#include <cstdint>

namespace tilegrad {

// Operands: rate, clip (null: none), then for each parameter p, gradient, velocity (null without momentum), step.
struct Sgd {
  double momentum, dampening, weight_decay;
  int32_t nesterov;
};

// Operands: rate, clip (null: none), then for each parameter p, gradient, first moment, second moment, step.
struct Adam {
  double beta1, beta2, eps, weight_decay;
  int32_t decoupled;
};

// Operands: clip, float64 [norm, factor], then the gradients. factor = min(1, most / norm).
struct GradientNorm {
  double most;
};

// Every element x of every operand becomes x within [-bound, bound].
struct ClipValues {
  double bound;
};

// No options.
struct NoParams {
  int32_t unused;
};

}  // namespace tilegrad
