// Normalisation: of channels over the batch, of rows, of groups of channels, of neighbouring channels.
#pragma once

#include <optional>
#include <utility>

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

// x [..., C]; all others [C] or absent. With batch statistics the running ones move towards them: by momentum, or, where
// `batches` (int64 []) counts them, as averages over all batches.
Normalised batch_norm(const Array& x, const Array& gamma, const Array& beta, const Array& running_mean,
                      const Array& running_var, const Array& batches, bool batch_statistics, double momentum,
                      double epsilon, Activation activation);
NormGradients batch_norm_backward(const Array& x, const Array& gamma, const Array& beta, const Array& mean,
                                  const Array& inverse, const Array& grad, bool batch_statistics, Activation activation,
                                  bool want_dx);

// x [..., *shape]; gamma and beta of that shape, or absent. If the shape is not given it is that of gamma or beta, or the
// last axis.
Normalised layer_norm(const Array& x, const Array& gamma, const Array& beta, const std::optional<Dims>& shape,
                      double epsilon);
NormGradients layer_norm_backward(const Array& x, const Array& gamma, const Array& mean, const Array& inverse,
                                  const Array& grad, const Dims& shape, bool centered, bool want_dx, bool want_dgamma,
                                  bool want_dbeta);
// The same without centering and without beta; the mean that it returns is 0.
Normalised rms_norm(const Array& x, const Array& gamma, const std::optional<Dims>& shape, double epsilon);

// x [N, ..., C], gamma and beta [C] or absent.
Normalised group_norm(const char* op, const Array& x, int64_t groups, const Array& gamma, const Array& beta,
                      double epsilon);
NormGradients group_norm_backward(const Array& x, int64_t groups, const Array& gamma, const Array& mean,
                                  const Array& inverse, const Array& grad, bool want_dx, bool want_dgamma,
                                  bool want_dbeta);

// x [..., C]: y = x s^-beta with s = k + alpha / size (the sum of the squares of `size` neighbours); y, and s if wanted.
std::pair<Array, Array> local_response_norm(const Array& x, int64_t size, double alpha, double beta, double k,
                                            bool want_sums);
Array local_response_norm_backward(const Array& x, const Array& sums, const Array& grad, int64_t size, double alpha,
                                   double beta, double k);

}  // namespace tilegrad::ops
