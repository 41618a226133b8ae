// Normalisation of groups of channels and by neighbouring channels.
#include <algorithm>

#include "core/launch.h"
#include "core/size.h"
#include "ops/norm.h"
#include "ops/norm_checks.h"
#include "ops/views.h"

namespace tilegrad::ops {
namespace {

GroupNorm group_params(const Array& x, int64_t groups, double epsilon) {
  const int64_t N = x.size(0), C = x.shape().back();
  return {N, N && C ? x.numel() / N / C : 0, C, groups, epsilon};
}

size_t group_workspace(const GroupNorm& p, size_t item_size) {
  const int64_t chunks = (p.P + 1023) / 1024;
  const int64_t sums = checked_multiply(2 * p.N * chunks, p.C, "normalisation");
  return static_cast<size_t>(checked_add(sums, 2 * p.N * p.G, "normalisation")) * item_size;
}

LocalResponseNorm response_params(const Array& x, int64_t size, double alpha, double beta, double k) {
  const int64_t C = x.shape().back();
  const int64_t before = std::min(size / 2, C), after = std::min((size - 1) / 2, C);
  return {C ? x.numel() / C : 0, C, before, after, alpha / static_cast<double>(size), beta, k};
}

}  // namespace

Normalised group_norm(const char* op, const Array& strided, int64_t groups, const Array& strided_gamma,
                      const Array& strided_beta, double epsilon) {
  check_input(op, strided, epsilon);
  check_channels(op, strided);
  const int64_t C = strided.shape().back();
  if (groups < 1 || C % groups) {
    fail(ErrorKind::argument, "%s: num_groups=%lld must divide the channels (last axis) of x %s", op,
         static_cast<long long>(groups), strided.shape().str().c_str());
  }
  check_vector(op, "gamma", strided_gamma, strided);
  check_vector(op, "beta", strided_beta, strided);
  const Array x = contiguous(strided), gamma = contiguous_if(strided_gamma), beta = contiguous_if(strided_beta);
  const GroupNorm p = group_params(x, groups, epsilon);
  Normalised out{Array::empty(x.shape(), x.dtype(), x.device()),
                 Array::empty({p.N, p.G}, statistics_dtype(x), x.device()),
                 Array::empty({p.N, p.G}, statistics_dtype(x), x.device())};
  launch(kernels::group_norm, x.dtype(), p,
         {reads(x), reads(gamma), reads(beta), writes(out.y), writes(out.mean), writes(out.inverse)}, cost_of(x, 0.4),
         group_workspace(p, x.item_size()));
  return out;
}

NormGradients group_norm_backward(const Array& strided, int64_t groups, const Array& strided_gamma, const Array& mean,
                                  const Array& inverse, const Array& strided_grad, bool want_dx, bool want_dgamma,
                                  bool want_dbeta) {
  const Array x = contiguous(strided), gamma = contiguous_if(strided_gamma), grad = contiguous(strided_grad);
  const GroupNorm p = group_params(x, groups, 0);
  NormGradients out;
  if (want_dx) out.dx = Array::empty(x.shape(), x.dtype(), x.device());
  if (want_dgamma) out.dgamma = Array::empty({p.C}, statistics_dtype(x), x.device());
  if (want_dbeta) out.dbeta = Array::empty({p.C}, statistics_dtype(x), x.device());
  launch(kernels::group_norm_backward, x.dtype(), p,
         {reads(x), reads(gamma), reads(mean), reads(inverse), reads(grad), writes(out.dx), writes(out.dgamma),
          writes(out.dbeta)},
         cost_of(x, 0.7), group_workspace(p, x.item_size()));
  return out;
}

std::pair<Array, Array> local_response_norm(const Array& strided, int64_t size, double alpha, double beta, double k,
                                            bool want_sums) {
  const char* op = "local_response_norm";
  if (!is_floating(strided.dtype())) {
    fail(ErrorKind::dtype, "%s: x must be floating, found %s", op, strided.str().c_str());
  }
  if (strided.ndim() < 1) {
    fail(ErrorKind::shape, "%s: x must be [..., C], found %s", op, strided.str().c_str());
  }
  if (size < 1) {
    fail(ErrorKind::argument, "%s: size must be positive, found %lld", op, static_cast<long long>(size));
  }
  const Array x = contiguous(strided);
  std::pair<Array, Array> out{Array::empty(x.shape(), x.dtype(), x.device()), Array()};
  if (want_sums) out.second = Array::empty(x.shape(), x.dtype(), x.device());
  const LocalResponseNorm p = response_params(x, size, alpha, beta, k);
  launch(kernels::local_response_norm, x.dtype(), p, {reads(x), writes(out.first), writes(out.second)},
         cost_of(x, 1.0 + 0.1 * static_cast<double>(p.before + p.after)));
  return out;
}

Array local_response_norm_backward(const Array& x, const Array& sums, const Array& strided_grad, int64_t size,
                                   double alpha, double beta, double k) {
  const Array input = contiguous(x), grad = contiguous(strided_grad);
  Array dx = Array::empty(x.shape(), x.dtype(), x.device());
  const LocalResponseNorm p = response_params(x, size, alpha, beta, k);
  launch(kernels::local_response_norm_backward, x.dtype(), p, {reads(input), reads(sums), reads(grad), writes(dx)},
         cost_of(x, 2.0 + 0.1 * static_cast<double>(p.before + p.after)));
  return dx;
}

}  // namespace tilegrad::ops
