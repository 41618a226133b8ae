// What optimizer kernels know besides their operands. Rates and step counts are operands (float64 and int64 of one
// element), because they change from step to step while a recorded launch does not.
//
// Operands of an optimizer: rate, clip (null: none; float64 [norm, factor of all gradients]; a negative factor says that
// nothing is to be done), then for each parameter p, gradient, its pieces of state as named
// beside the struct, step.
#pragma once

#include <cstdint>

namespace tilegrad {

// What every optimizer does before its own formula.
struct GradientOptions {
  double weight_decay, l1_decay;  // factors of p^2 / 2 and of |p|
  double clip_value;              // the gradient's elements are limited to it; infinite: not at all
  int32_t decoupled;              // whether decay acts on p itself and not through the gradient
  int32_t maximize;
};

// Velocity (null without momentum).
struct Sgd {
  GradientOptions gradient;
  double momentum, dampening;
  int32_t nesterov;
};

// First moment, second moment, the largest second moment so far (null without amsgrad).
struct Adam {
  GradientOptions gradient;
  double beta1, beta2, eps;
};

// First moment, second moment, the product of all momenta so far (float64 [1]).
struct Nadam {
  GradientOptions gradient;
  double beta1, beta2, eps, momentum_decay;
};

// The sum of squares.
struct Adagrad {
  GradientOptions gradient;
  double lr_decay, eps;
};

// The mean square, the mean (null unless centered), the velocity (null without momentum).
struct RmsProp {
  GradientOptions gradient;
  double alpha, eps, momentum;
};

// The mean square of gradients, that of steps.
struct Adadelta {
  GradientOptions gradient;
  double rho, eps;
};

// First moment, second moment. Workspace: two doubles for each chunk of 1024 elements.
struct Lamb {
  GradientOptions gradient;
  double beta1, beta2, eps;
};

// Operands: clip, float64 [norm, factor], then the gradients. factor = min(1, most / norm).
struct GradientNorm {
  double most;
};

// Every element x of every operand becomes x within [-bound, bound].
struct ClipValues {
  double bound;
};

// Columns of a matrix [rows, columns], each scaled so that its norm is at most `most`.
struct MaxNorm {
  int64_t rows, columns;
  double most;
};

// No options.
struct NoParams {
  int32_t unused;
};

}  // namespace tilegrad
