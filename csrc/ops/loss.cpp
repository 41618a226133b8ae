#include "ops/loss.h"

#include "core/launch.h"
#include "core/recording.h"
#include "ops/elementwise.h"
#include "ops/views.h"

namespace tilegrad::ops {
namespace {

constexpr int64_t kChunk = 1024;

// Of every element, of every place along the last axis, or of all.
Array loss_weight(const char* op, const char* argument, const Array& weight, const Array& x) {
  if (!weight) return weight;
  require_same_kind(op, x, weight);
  const bool fits = weight.ndim() == 0 || weight.shape() == x.shape() ||
                    (weight.ndim() == 1 && x.ndim() > 0 && weight.size(0) == x.shape().back());
  if (!fits) {
    fail(ErrorKind::shape, "%s: %s is %s and input %s; it must have that shape, be of its last axis or be one number",
         op, argument, weight.str().c_str(), x.str().c_str());
  }
  return contiguous(weight);
}

template <typename T>
void check_probabilities(const char* op, const Array& x) {
  check_values({reads(x)}, [op, shape = x.shape(), count = x.numel()](void* const* data) {
    const T* const values = static_cast<const T*>(data[0]);
    bool all = true;
    for (int64_t i = 0; i < count; ++i) all &= (values[i] >= T(0)) & (values[i] <= T(1));
    for (int64_t i = 0; i < count && !all; ++i) {
      if (values[i] >= T(0) && values[i] <= T(1)) continue;
      fail(ErrorKind::index, "%s: input[%s] is %g, expected a probability from 0 to 1; logits go to %s_with_logits", op,
           place_of(shape, i).c_str(), static_cast<double>(values[i]), op);
    }
  });
}

void check_delta(const char* op, PairedLossKind kind, double delta) {
  if (kind == PairedLossKind::huber && !(delta > 0)) {
    fail(ErrorKind::argument, "%s: delta must be positive, found %g", op, delta);
  }
  if (kind == PairedLossKind::smooth_absolute && !(delta >= 0)) {
    fail(ErrorKind::argument, "%s: beta must not be negative, found %g", op, delta);
  }
}

double nanoseconds_of(PairedLossKind kind) {
  if (kind == PairedLossKind::sigmoid_cross_entropy) return 1.5;
  return kind == PairedLossKind::binary_cross_entropy ? 2.0 : 0.3;
}

}  // namespace

LossReduction parse_reduction(const char* op, const std::string& name) {
  if (name == "mean") return LossReduction::mean;
  if (name == "sum") return LossReduction::sum;
  if (name == "none") return LossReduction::none;
  fail(ErrorKind::argument, "%s: reduction must be \"mean\", \"sum\" or \"none\", found \"%s\"", op, name.c_str());
}

void refuse_empty_mean(const char* op, LossReduction reduction, const Array& x, int64_t count) {
  if (reduction == LossReduction::mean && count == 0) {
    fail(ErrorKind::shape, "%s: the batch %s is empty and has no mean loss; skip it, or use reduction=\"sum\"", op,
         x.str().c_str());
  }
}

std::string place_of(const Dims& shape, int64_t n) {
  std::string place;
  for (int d = shape.size() - 1; d >= 0; --d) {
    place = std::to_string(n % shape[d]) + (place.empty() ? "" : ", ") + place;
    n /= shape[d];
  }
  return place;
}

Losses paired_loss(const char* op, PairedLossKind kind, const Array& strided, const Array& strided_target,
                   const Array& strided_weight, const Array& strided_positive, double delta,
                   const std::string& reduction, bool want_gradient, bool want_target_gradient) {
  PairedLoss p{};
  p.reduction = parse_reduction(op, reduction);
  require_same_kind(op, strided, strided_target);
  if (!(strided.shape() == strided_target.shape())) {
    fail(ErrorKind::shape, "%s: input is %s and target %s; a loss never broadcasts: reshape one to the other's shape",
         op, strided.str().c_str(), strided_target.str().c_str());
  }
  if (!is_floating(strided.dtype())) {
    fail(ErrorKind::dtype, "%s: expected floating tensors, found %s; cast them with .astype()", op,
         strided.str().c_str());
  }
  check_delta(op, kind, delta);
  const Array x = contiguous(strided), target = contiguous(strided_target);
  const Array weight = loss_weight(op, "weight", strided_weight, x);
  const Array positive = loss_weight(op, "pos_weight", strided_positive, x);
  p.numel = x.numel();
  // A parabola of no width leaves the absolute error.
  p.kind = kind == PairedLossKind::smooth_absolute && delta == 0 ? PairedLossKind::absolute : kind;
  p.delta = delta;
  p.weights = weight ? weight.numel() : 0;
  p.positive_weights = positive ? positive.numel() : 0;
  refuse_empty_mean(op, p.reduction, x, p.numel);
  if (kind == PairedLossKind::binary_cross_entropy) {
    if (x.dtype() == DType::float32) check_probabilities<float>(op, x);
    if (x.dtype() == DType::float64) check_probabilities<double>(op, x);
  }
  Losses out;
  out.loss = Array::empty(p.reduction == LossReduction::none ? x.shape() : Dims(), x.dtype(), x.device());
  if (want_gradient) out.gradient = Array::empty(x.shape(), x.dtype(), x.device());
  if (want_target_gradient) out.target_gradient = Array::empty(x.shape(), x.dtype(), x.device());
  const size_t workspace = static_cast<size_t>((p.numel + kChunk - 1) / kChunk) * x.item_size();
  launch(kernels::paired_loss, x.dtype(), p,
         {reads(x), reads(target), reads(weight), reads(positive), writes(out.loss), writes(out.gradient),
          writes(out.target_gradient)},
         Cost::elements(static_cast<double>(p.numel), nanoseconds_of(kind)), workspace);
  return out;
}

}  // namespace tilegrad::ops
