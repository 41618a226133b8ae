// Optimizer steps: one call for all parameters of a group. Parameters without a gradient are left as they are.
#pragma once

#include <optional>
#include <vector>

#include "core/array.h"
#include "params/optimizer.h"

namespace tilegrad::ops {

using Arrays = std::vector<Array>;
using OptionalArrays = std::vector<std::optional<Array>>;

// What all optimizers take. `rate` is float64 [1]; `clip`, if any, float64 [2] as gradient_norm leaves it; `steps` are
// int64 [1], one for each parameter, and are moved on. Parameters and state are written in place and must be
// contiguous.
struct OptimizerArrays {
  const Array& rate;
  const std::optional<Array>& clip;
  const Arrays& parameters;
  const OptionalArrays& gradients;
  const Arrays& steps;
};

// Velocities are None where momentum is 0.
void sgd(const OptimizerArrays& arrays, const OptionalArrays& velocities, const Sgd& options);
void adam(const OptimizerArrays& arrays, const Arrays& first_moments, const Arrays& second_moments,
          const Adam& options);

// clip <- [norm of all gradients as one vector, min(1, most / norm)].
void gradient_norm(const Array& clip, const OptionalArrays& gradients, double most);

// Multiplies every tensor by clip[1].
void scale_all(const Array& clip, const Arrays& tensors);
// Limits every element to [-bound, bound].
void clip_all(const Arrays& tensors, double bound);
void zero_all(const Arrays& tensors);

}  // namespace tilegrad::ops
