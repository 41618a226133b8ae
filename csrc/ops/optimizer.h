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
// int64 [1], one for each parameter, and are moved on. `states` has a list for each piece of state that the optimizer
// keeps (params/optimizer.h), with None where it may be absent. Parameters and state are written in place and must be
// contiguous.
struct OptimizerArrays {
  const Array& rate;
  const std::optional<Array>& clip;
  const Arrays& parameters;
  const OptionalArrays& gradients;
  const Arrays& steps;
  const std::vector<OptionalArrays>& states;
};

void sgd(const OptimizerArrays& arrays, const Sgd& options);
void adam(const OptimizerArrays& arrays, const Adam& options);
void nadam(const OptimizerArrays& arrays, const Nadam& options);
void adagrad(const OptimizerArrays& arrays, const Adagrad& options);
void rmsprop(const OptimizerArrays& arrays, const RmsProp& options);
void adadelta(const OptimizerArrays& arrays, const Adadelta& options);
void lamb(const OptimizerArrays& arrays, const Lamb& options);

// clip <- [norm of all gradients as one vector, min(1, most / norm)].
void gradient_norm(const Array& clip, const OptionalArrays& gradients, double most);

// Multiplies every tensor by clip[1].
void scale_all(const Array& clip, const Arrays& tensors);
// Limits every element to [-bound, bound].
void clip_all(const Arrays& tensors, double bound);
void zero_all(const Arrays& tensors);

// Scales every column of a weight [..., out], as a matrix [the rest, out], to a norm of at most `most`, in place.
void max_norm(const Array& weight, double most);

}  // namespace tilegrad::ops
