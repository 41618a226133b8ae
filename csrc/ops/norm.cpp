#include "ops/norm.h"

#include "core/launch.h"
#include "core/size.h"
#include "ops/norm_checks.h"
#include "ops/views.h"

namespace tilegrad::ops {
namespace {

BatchNorm batch_params(const Array& x, double momentum, double epsilon, Activation activation, bool training) {
  const int64_t C = x.shape().back();
  return {C ? x.numel() / C : 0, C, epsilon, momentum, activation, training};
}

size_t chunk_workspace(int64_t rows, int64_t columns, size_t item_size) {
  return static_cast<size_t>(checked_multiply(2 * columns, (rows + 1023) / 1024, "normalisation")) * item_size;
}

// Two sums for every lane (cpu/sum_order.h) of every chunk of rows.
size_t lane_workspace(int64_t rows, int64_t columns, size_t item_size) {
  return chunk_workspace(rows, columns, item_size) * static_cast<size_t>(rows < 16 ? rows : 16);
}

}  // namespace

Normalised batch_norm(const Array& strided, const Array& strided_gamma, const Array& strided_beta,
                      const Array& running_mean, const Array& running_var, const Array& batches, bool training,
                      double momentum, double epsilon, Activation activation) {
  const char* op = "batch_norm";
  check_input(op, strided, epsilon);
  check_channels(op, strided);
  check_vector(op, "gamma", strided_gamma, strided);
  check_vector(op, "beta", strided_beta, strided);
  if (static_cast<bool>(running_mean) != static_cast<bool>(running_var) || (!training && !running_mean)) {
    fail(ErrorKind::argument, "batch_norm: running_mean and running_var must both be given%s",
         training ? ", or neither" : " unless training");
  }
  for (const Array* running : {&running_mean, &running_var}) {
    if (!*running) continue;
    check_vector(op, running == &running_mean ? "running_mean" : "running_var", *running, strided);
    if (!running->is_contiguous()) {
      fail(ErrorKind::argument, "batch_norm: %s must be contiguous, because it is updated in place",
           running == &running_mean ? "running_mean" : "running_var");
    }
  }
  if (batches && (batches.dtype() != DType::int64 || batches.ndim() != 0 || !running_mean)) {
    fail(ErrorKind::argument,
         "batch_norm: num_batches_tracked must be an int64 number beside running statistics, found %s",
         batches.str().c_str());
  }
  if (!(momentum >= 0 && momentum <= 1)) {
    fail(ErrorKind::argument, "batch_norm: momentum must be from 0 to 1, found %g", momentum);
  }
  const BatchNorm p = batch_params(strided, momentum, epsilon, activation, training);
  if (training && p.M < 2 && p.C > 0) {
    fail(ErrorKind::shape,
         "batch_norm: training needs more than one value per channel, found x %s with %lld; use a batch "
         "size that leaves no sample over by itself (or drop_last=True), or eval()",
         strided.str().c_str(), static_cast<long long>(p.M));
  }
  const Array x = contiguous(strided), gamma = contiguous_if(strided_gamma), beta = contiguous_if(strided_beta);
  Normalised out{Array::empty(x.shape(), x.dtype(), x.device()), Array(),
                 Array::empty({p.C}, statistics_dtype(x), x.device())};
  if (training) {
    out.mean = Array::empty({p.C}, statistics_dtype(x), x.device());
    launch(kernels::batch_norm, x.dtype(), p,
           {reads(x), reads(gamma), reads(beta), updates(running_mean), updates(running_var), updates(batches),
            writes(out.y), writes(out.mean), writes(out.inverse)},
           cost_of(x, 0.4), chunk_workspace(p.M, p.C, x.item_size()));
  } else {
    // The gradient needs the mean that was used, which a later step in training may change.
    out.mean = copy(running_mean);
    launch(
        kernels::batch_norm_eval, x.dtype(), p,
        {reads(x), reads(gamma), reads(beta), reads(out.mean), reads(running_var), writes(out.y), writes(out.inverse)},
        cost_of(x, 0.2));
  }
  return out;
}

NormGradients batch_norm_backward(const Array& strided, const Array& gamma, const Array& beta, const Array& mean,
                                  const Array& inverse, const Array& strided_grad, bool training, Activation activation,
                                  bool want_dx) {
  const Array x = contiguous(strided), grad = contiguous(strided_grad), g = contiguous_if(gamma),
              b = contiguous_if(beta);
  const BatchNorm p = batch_params(x, 0, 0, activation, training);
  NormGradients out{Array(), Array::empty({p.C}, statistics_dtype(x), x.device()),
                    Array::empty({p.C}, statistics_dtype(x), x.device())};
  if (want_dx) out.dx = Array::empty(x.shape(), x.dtype(), x.device());
  launch(kernels::batch_norm_backward, x.dtype(), p,
         {reads(x), reads(g), reads(b), reads(mean), reads(inverse), reads(grad), writes(out.dx), writes(out.dgamma),
          writes(out.dbeta)},
         cost_of(x, 0.6), chunk_workspace(p.M, p.C, x.item_size()));
  return out;
}

namespace {

// The trailing axes of x that are normalised together: those of the shape, of gamma or beta, or the last.
int64_t row_length(const char* op, const Array& x, const Array& gamma, const Array& beta,
                   const std::optional<Dims>& shape) {
  if (x.ndim() < 1) {
    fail(ErrorKind::shape, "%s: x must have at least one dimension, found %s", op, x.str().c_str());
  }
  const Dims wanted = shape ? *shape : gamma ? gamma.shape() : beta ? beta.shape() : Dims({x.shape().back()});
  for (const Array* array : {&gamma, &beta}) {
    if (!*array) continue;
    const char* argument = array == &gamma ? "gamma" : "beta";
    check_dtype(op, argument, *array, x);
    if (!(array->shape() == wanted)) {
      fail(ErrorKind::shape, "%s: %s must be %s, as the axes that are normalised, found %s", op, argument,
           wanted.str().c_str(), array->shape().str().c_str());
    }
  }
  bool fits = wanted.size() > 0 && wanted.size() <= x.ndim();
  int64_t length = 1;
  for (int d = 0; fits && d < wanted.size(); ++d) {
    fits = x.size(x.ndim() - wanted.size() + d) == wanted[d];
    length *= wanted[d];
  }
  if (!fits) {
    fail(ErrorKind::shape, "%s: the last axes of x must be %s, found x %s", op, wanted.str().c_str(),
         x.shape().str().c_str());
  }
  return length;
}

Normalised normalise_rows(const char* op, const Array& strided, const Array& strided_gamma, const Array& strided_beta,
                          const std::optional<Dims>& shape, double epsilon, bool centered) {
  check_input(op, strided, epsilon);
  const int64_t D = row_length(op, strided, strided_gamma, strided_beta, shape);
  const Array x = contiguous(strided), gamma = contiguous_if(strided_gamma), beta = contiguous_if(strided_beta);
  const LayerNorm p{D ? x.numel() / D : 0, D, epsilon, centered};
  Normalised out{Array::empty(x.shape(), x.dtype(), x.device()), Array::empty({p.N}, statistics_dtype(x), x.device()),
                 Array::empty({p.N}, statistics_dtype(x), x.device())};
  launch(kernels::layer_norm, x.dtype(), p,
         {reads(x), reads(gamma), reads(beta), writes(out.y), writes(out.mean), writes(out.inverse)}, cost_of(x, 0.4));
  return out;
}

}  // namespace

Normalised layer_norm(const Array& x, const Array& gamma, const Array& beta, const std::optional<Dims>& shape,
                      double epsilon) {
  return normalise_rows("layer_norm", x, gamma, beta, shape, epsilon, true);
}
Normalised rms_norm(const Array& x, const Array& gamma, const std::optional<Dims>& shape, double epsilon) {
  return normalise_rows("rms_norm", x, gamma, Array(), shape, epsilon, false);
}

NormGradients layer_norm_backward(const Array& strided, const Array& strided_gamma, const Array& mean,
                                  const Array& inverse, const Array& strided_grad, const Dims& shape, bool centered,
                                  bool want_dx, bool want_dgamma, bool want_dbeta) {
  const Array x = contiguous(strided), gamma = contiguous_if(strided_gamma), grad = contiguous(strided_grad);
  int64_t D = 1;
  for (int64_t size : shape) D *= size;
  const LayerNorm p{mean.numel(), D, 0, centered};
  NormGradients out;
  if (want_dx) out.dx = Array::empty(x.shape(), x.dtype(), x.device());
  if (want_dgamma) out.dgamma = Array::empty(shape, statistics_dtype(x), x.device());
  if (want_dbeta) out.dbeta = Array::empty(shape, statistics_dtype(x), x.device());
  launch(kernels::layer_norm_backward, x.dtype(), p,
         {reads(x), reads(gamma), reads(mean), reads(inverse), reads(grad), writes(out.dx), writes(out.dgamma),
          writes(out.dbeta)},
         cost_of(x, 0.7), want_dgamma || want_dbeta ? lane_workspace(p.N, p.D, x.item_size()) : 0);
  return out;
}

}  // namespace tilegrad::ops
