// Batch and layer normalisation over the last axis.
#pragma once

#include <string>

#include "core/array.h"
#include "params/norm.h"

namespace tilegrad::ops {

// What the backward pass needs: the statistics that were used.
struct Normalised {
  Array y, mean, inverse;
};
struct NormGradients {
  Array dx, dgamma, dbeta;
};

// x [..., C]; all others [C]. While training the statistics are the batch's, and the running ones move towards them.
Normalised batch_norm(const Array& x, const Array& gamma, const Array& beta, const Array& running_mean,
                      const Array& running_var, bool training, double momentum, double epsilon, Activation activation);
NormGradients batch_norm_backward(const Array& x, const Array& gamma, const Array& beta, const Array& mean,
                                  const Array& inverse, const Array& grad, bool training, Activation activation,
                                  bool want_dx);

// x [..., D], gamma and beta [D].
Normalised layer_norm(const Array& x, const Array& gamma, const Array& beta, double epsilon);
NormGradients layer_norm_backward(const Array& x, const Array& gamma, const Array& mean, const Array& inverse,
                                  const Array& grad, bool want_dx);

}  // namespace tilegrad::ops
