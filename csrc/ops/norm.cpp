#include "ops/norm.h"

#include "core/launch.h"
#include "core/size.h"
#include "ops/elementwise.h"
#include "ops/views.h"

namespace tilegrad::ops {
namespace {

void check_input(const char* op, const Array& x, double epsilon) {
  if (!is_floating(x.dtype())) fail(ErrorKind::dtype, "%s: x must be floating, found %s", op, x.str().c_str());
  if (x.ndim() < 2) {
    fail(ErrorKind::shape, "%s: x must have at least two dimensions, the last of features, found %s", op,
         x.str().c_str());
  }
  if (!(epsilon > 0)) fail(ErrorKind::argument, "%s: eps must be positive, found %g", op, epsilon);
}

void check_vector(const char* op, const char* argument, const Array& vector, const Array& x) {
  if (vector.dtype() != x.dtype()) {
    fail(ErrorKind::dtype, "%s: %s is %s and x is %s; cast one with .astype()", op, argument, name(vector.dtype()),
         name(x.dtype()));
  }
  if (vector.ndim() != 1 || vector.size(0) != x.shape().back()) {
    fail(ErrorKind::shape, "%s: %s must be [%lld], one element per feature of x %s, found %s", op, argument,
         static_cast<long long>(x.shape().back()), x.shape().str().c_str(), vector.shape().str().c_str());
  }
}

BatchNorm batch_params(const Array& x, double momentum, double epsilon, Activation activation, bool training) {
  const int64_t C = x.shape().back();
  return {C ? x.numel() / C : 0, C, epsilon, momentum, activation, training};
}

size_t chunk_workspace(int64_t rows, int64_t columns, size_t item_size) {
  return static_cast<size_t>(checked_multiply(2 * columns, (rows + 1023) / 1024, "normalisation")) * item_size;
}

Cost cost_of(const Array& x, double each) { return Cost::elements(static_cast<double>(x.numel()), each); }

}  // namespace

Normalised batch_norm(const Array& strided, const Array& strided_gamma, const Array& strided_beta,
                      const Array& running_mean, const Array& running_var, bool training, double momentum,
                      double epsilon, Activation activation) {
  const char* op = "batch_norm";
  check_input(op, strided, epsilon);
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
  if (!(momentum >= 0 && momentum <= 1)) {
    fail(ErrorKind::argument, "batch_norm: momentum must be from 0 to 1, found %g", momentum);
  }
  const BatchNorm p = batch_params(strided, momentum, epsilon, activation, training);
  if (training && p.M < 2 && p.C > 0) {
    fail(ErrorKind::shape,
         "batch_norm: training needs more than one value per channel, found x %s with %lld; use a larger "
         "batch, or eval()",
         strided.str().c_str(), static_cast<long long>(p.M));
  }
  const Array x = contiguous(strided), gamma = contiguous(strided_gamma), beta = contiguous(strided_beta);
  Normalised out{Array::empty(x.shape(), x.dtype(), x.device()), Array(), Array::empty({p.C}, x.dtype(), x.device())};
  if (training) {
    out.mean = Array::empty({p.C}, x.dtype(), x.device());
    launch(kernels::batch_norm, x.dtype(), p,
           {reads(x), reads(gamma), reads(beta), updates(running_mean), updates(running_var), writes(out.y),
            writes(out.mean), writes(out.inverse)},
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
  const Array x = contiguous(strided), grad = contiguous(strided_grad), g = contiguous(gamma), b = contiguous(beta);
  const BatchNorm p = batch_params(x, 0, 0, activation, training);
  NormGradients out{Array(), Array::empty({p.C}, x.dtype(), x.device()), Array::empty({p.C}, x.dtype(), x.device())};
  if (want_dx) out.dx = Array::empty(x.shape(), x.dtype(), x.device());
  launch(kernels::batch_norm_backward, x.dtype(), p,
         {reads(x), reads(g), reads(b), reads(mean), reads(inverse), reads(grad), writes(out.dx), writes(out.dgamma),
          writes(out.dbeta)},
         cost_of(x, 0.6), chunk_workspace(p.M, p.C, x.item_size()));
  return out;
}

Normalised layer_norm(const Array& strided, const Array& strided_gamma, const Array& strided_beta, double epsilon) {
  const char* op = "layer_norm";
  check_input(op, strided, epsilon);
  check_vector(op, "gamma", strided_gamma, strided);
  check_vector(op, "beta", strided_beta, strided);
  const Array x = contiguous(strided), gamma = contiguous(strided_gamma), beta = contiguous(strided_beta);
  const int64_t D = x.shape().back();
  const LayerNorm p{D ? x.numel() / D : 0, D, epsilon};
  Normalised out{Array::empty(x.shape(), x.dtype(), x.device()), Array::empty({p.N}, x.dtype(), x.device()),
                 Array::empty({p.N}, x.dtype(), x.device())};
  launch(kernels::layer_norm, x.dtype(), p,
         {reads(x), reads(gamma), reads(beta), writes(out.y), writes(out.mean), writes(out.inverse)}, cost_of(x, 0.4));
  return out;
}

NormGradients layer_norm_backward(const Array& strided, const Array& strided_gamma, const Array& mean,
                                  const Array& inverse, const Array& strided_grad, bool want_dx) {
  const Array x = contiguous(strided), gamma = contiguous(strided_gamma), grad = contiguous(strided_grad);
  const int64_t D = x.shape().back();
  const LayerNorm p{D ? x.numel() / D : 0, D, 0};
  NormGradients out{Array(), Array::empty({D}, x.dtype(), x.device()), Array::empty({D}, x.dtype(), x.device())};
  if (want_dx) out.dx = Array::empty(x.shape(), x.dtype(), x.device());
  launch(kernels::layer_norm_backward, x.dtype(), p,
         {reads(x), reads(gamma), reads(mean), reads(inverse), reads(grad), writes(out.dx), writes(out.dgamma),
          writes(out.dbeta)},
         cost_of(x, 0.7), chunk_workspace(p.N, p.D, x.item_size()));
  return out;
}

}  // namespace tilegrad::ops
