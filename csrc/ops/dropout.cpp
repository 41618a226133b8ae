#include "ops/dropout.h"

#include <cmath>

#include "core/launch.h"
#include "ops/loop_nest.h"
#include "ops/random.h"
#include "ops/random_state.h"
#include "ops/views.h"

namespace tilegrad::ops {
namespace {

void require_dropout(const char* op, const Array& x, double p, const Array& state) {
  require_state(op, state);
  if (x.dtype() != DType::float32 && x.dtype() != DType::float64) {
    fail(ErrorKind::dtype, "%s: x must be float32 or float64, found %s; cast it with .astype()", op, x.str().c_str());
  }
  if (!(p >= 0 && p < 1)) {
    fail(ErrorKind::argument, "%s: p must be at least 0 and below 1 (the share of elements set to zero), found %g", op,
         p);
  }
}

}  // namespace

std::pair<Array, Array> dropout(const Array& given, double p, const Array& state) {
  require_dropout("dropout", given, p, state);
  const Array x = contiguous(given);
  Array y = Array::empty(x.shape(), x.dtype(), x.device());
  Array mask = Array::empty(x.shape(), DType::uint8, x.device());
  launch(kernels::dropout, x.dtype(), {choice("dropout", 1 - p, x.numel()), 1 / (1 - p)},
         {updates(state), reads(x), writes(mask), writes(y)}, Cost::elements(static_cast<double>(x.numel()), 0.9));
  return {std::move(y), std::move(mask)};
}

std::pair<Array, Array> spatial_dropout(const Array& x, double p, const Array& state) {
  require_dropout("spatial_dropout", x, p, state);
  if (x.ndim() < 3) {
    fail(ErrorKind::shape,
         "spatial_dropout: x must be [N, ..., C] with at least one axis between samples and channels, "
         "found %s; use dropout",
         x.str().c_str());
  }
  Dims shape = Dims::filled(x.ndim(), 1);
  shape[0] = x.size(0);
  shape[x.ndim() - 1] = x.size(x.ndim() - 1);
  Array mask = Array::empty(shape, DType::uint8, x.device());
  random_choice(mask, state, 1 - p);
  return {masked_scale(x, mask, 1 / (1 - p)), mask};
}

AlphaDropped alpha_dropout(const Array& given, double p, const Array& state) {
  require_dropout("alpha_dropout", given, p, state);
  // What selu tends to far below zero; and the line that brings mean and variance back to 0 and 1.
  constexpr double kLimit = -1.75809934084737685994;
  const double scale = 1 / std::sqrt((1 - p) * (1 + p * kLimit * kLimit)), shift = -scale * p * kLimit;
  const Array x = contiguous(given);
  Array y = Array::empty(x.shape(), x.dtype(), x.device());
  Array mask = Array::empty(x.shape(), DType::uint8, x.device());
  launch(kernels::alpha_dropout, x.dtype(),
         {choice("alpha_dropout", 1 - p, x.numel()), scale, shift, scale * (1 - p) * kLimit},
         {updates(state), reads(x), writes(mask), writes(y)}, Cost::elements(static_cast<double>(x.numel()), 0.9));
  return {std::move(y), std::move(mask), scale};
}

Array masked_scale(const Array& x, const Array& mask, double scale) {
  Array y = Array::empty(x.shape(), x.dtype(), x.device());
  const LoopNest<3> nest = make_nest<3>(x.shape(), {x.strides(), broadcast_strides(mask, x.shape()), y.strides()});
  launch(kernels::masked_scale, x.dtype(), {nest, scale}, {reads(x), reads(mask), writes(y)},
         Cost::elements(static_cast<double>(x.numel()), 0.4));
  return y;
}

}  // namespace tilegrad::ops
