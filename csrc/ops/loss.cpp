#include "ops/loss.h"

#include "core/launch.h"
#include "core/recording.h"
#include "ops/elementwise.h"
#include "ops/views.h"

namespace tilegrad::ops {
namespace {

constexpr int64_t kChunk = 1024;

void refuse_empty_mean(const char* op, LossReduction reduction, const Array& x, int64_t count) {
  if (reduction == LossReduction::mean && count == 0) {
    fail(ErrorKind::shape, "%s: the batch %s is empty and has no mean loss; skip it, or use reduction=\"sum\"", op,
         x.str().c_str());
  }
}

template <typename T>
void check_labels(const T* labels, const Dims& shape, int64_t count, int64_t C, std::optional<int64_t> ignore_index) {
  const int64_t ignored = ignore_index.value_or(0);
  const bool ignores = ignore_index.has_value();
  // Vectorised over all labels first; the offending one is looked for only if there is one.
  int64_t bad = 0;
  for (int64_t n = 0; n < count; ++n) {
    const int64_t label = static_cast<int64_t>(labels[n]);
    bad |= static_cast<int64_t>(static_cast<uint64_t>(label) >= static_cast<uint64_t>(C)) &
           static_cast<int64_t>(!ignores | (label != ignored));
  }
  if (!bad) return;
  for (int64_t n = 0; n < count; ++n) {
    const int64_t label = static_cast<int64_t>(labels[n]);
    if (label >= 0 && label < C) continue;
    if (ignores && label == ignored) continue;
    std::string place;
    int64_t rest = n;
    for (int d = shape.size() - 1; d >= 0; --d) {
      place = std::to_string(rest % shape[d]) + (place.empty() ? "" : ", ") + place;
      rest /= shape[d];
    }
    fail(ErrorKind::index, "cross_entropy: target[%s] is %lld, expected 0 to %lld", place.c_str(),
         static_cast<long long>(label), static_cast<long long>(C - 1));
  }
}

template <typename T>
void check_labels(const Array& target, int64_t C, std::optional<int64_t> ignore_index) {
  check_values({reads(target)}, [=, shape = target.shape(), count = target.numel()](void* const* data) {
    check_labels(static_cast<const T*>(data[0]), shape, count, C, ignore_index);
  });
}

TargetKind check_target(const Array& logits, const Array& target, int64_t C, std::optional<int64_t> ignore_index) {
  const Dims& shape = logits.shape();
  Dims rows = shape;
  rows.pop_back();
  if (is_floating(target.dtype())) {
    require_same_kind("cross_entropy", logits, target);
    if (!(target.shape() == shape)) {
      fail(ErrorKind::shape, "cross_entropy: logits are %s and the soft targets %s; they must have one shape",
           logits.str().c_str(), target.str().c_str());
    }
    if (ignore_index) {
      fail(ErrorKind::argument, "cross_entropy: ignore_index needs integer labels, and the target is %s",
           target.str().c_str());
    }
    return TargetKind::soft;
  }
  if (!is_integer(target.dtype())) {
    fail(ErrorKind::dtype,
         "cross_entropy: target is %s, expected integer labels (int64, int32, uint8) or %s weights of "
         "the classes",
         target.str().c_str(), name(logits.dtype()));
  }
  if (!(target.shape() == rows)) {
    fail(ErrorKind::shape, "cross_entropy: logits are %s, so integer labels must be %s, found %s%s",
         logits.str().c_str(), rows.str().c_str(), target.str().c_str(),
         target.shape() == shape ? "; cast one-hot labels to the logits' dtype" : "");
  }
  switch (target.dtype()) {
    case DType::int32:
      check_labels<int32_t>(target, C, ignore_index);
      return TargetKind::int32;
    case DType::uint8:
      check_labels<uint8_t>(target, C, ignore_index);
      return TargetKind::uint8;
    default:
      check_labels<int64_t>(target, C, ignore_index);
      return TargetKind::int64;
  }
}

}  // namespace

LossReduction parse_reduction(const char* op, const std::string& name) {
  if (name == "mean") return LossReduction::mean;
  if (name == "sum") return LossReduction::sum;
  if (name == "none") return LossReduction::none;
  fail(ErrorKind::argument, "%s: reduction must be \"mean\", \"sum\" or \"none\", found \"%s\"", op, name.c_str());
}

std::pair<Array, Array> cross_entropy(const Array& strided, const Array& strided_target, const Array& strided_weight,
                                      std::optional<int64_t> ignore_index, double label_smoothing,
                                      const std::string& reduction, bool want_gradient) {
  CrossEntropy p{};
  p.reduction = parse_reduction("cross_entropy", reduction);
  if (!is_floating(strided.dtype())) {
    fail(ErrorKind::dtype, "cross_entropy: logits must be floating, found %s", strided.str().c_str());
  }
  if (strided.ndim() == 0) {
    fail(ErrorKind::shape, "cross_entropy: logits must be [..., C], found %s", strided.str().c_str());
  }
  if (!(label_smoothing >= 0 && label_smoothing <= 1)) {
    fail(ErrorKind::argument, "cross_entropy: label_smoothing must be from 0 to 1, found %g", label_smoothing);
  }
  const Array logits = contiguous(strided), target = contiguous(strided_target);
  p.C = logits.shape().back();
  if (p.C == 0) fail(ErrorKind::shape, "cross_entropy: logits %s have no classes", logits.str().c_str());
  p.N = logits.numel() / p.C;
  p.ignores = ignore_index.has_value();
  p.ignore_index = ignore_index.value_or(0);
  p.smoothing = label_smoothing;
  p.target = check_target(logits, target, p.C, ignore_index);
  Array weight;
  if (strided_weight) {
    require_same_kind("cross_entropy", logits, strided_weight);
    if (strided_weight.ndim() != 1 || strided_weight.size(0) != p.C) {
      fail(ErrorKind::shape, "cross_entropy: weight must have one element per class, [%lld], found %s",
           static_cast<long long>(p.C), strided_weight.str().c_str());
    }
    weight = contiguous(strided_weight);
  }
  refuse_empty_mean("cross_entropy", p.reduction, logits, p.N);

  Dims rows = logits.shape();
  rows.pop_back();
  Array loss = Array::empty(p.reduction == LossReduction::none ? rows : Dims(), logits.dtype(), logits.device()),
        gradient;
  if (want_gradient) gradient = Array::empty(logits.shape(), logits.dtype(), logits.device());
  const size_t workspace = p.reduction == LossReduction::none ? 0 : static_cast<size_t>(p.N) * logits.item_size();
  launch(kernels::cross_entropy, logits.dtype(), p,
         {reads(logits), reads(target), reads(weight), writes(loss), writes(gradient)},
         Cost::elements(static_cast<double>(logits.numel()), 0.6), workspace);
  return {loss, gradient};
}

PairedLosses paired_loss(const char* op, PairedLossKind kind, const Array& strided, const Array& strided_target,
                         double delta, const std::string& reduction, bool want_gradient, bool want_target_gradient) {
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
  if (kind == PairedLossKind::huber && !(delta > 0)) {
    fail(ErrorKind::argument, "%s: delta must be positive, found %g", op, delta);
  }
  const Array x = contiguous(strided), target = contiguous(strided_target);
  p.numel = x.numel();
  p.kind = kind;
  p.delta = delta;
  refuse_empty_mean(op, p.reduction, x, p.numel);
  PairedLosses out;
  out.loss = Array::empty(p.reduction == LossReduction::none ? x.shape() : Dims(), x.dtype(), x.device());
  if (want_gradient) out.gradient = Array::empty(x.shape(), x.dtype(), x.device());
  if (want_target_gradient) out.target_gradient = Array::empty(x.shape(), x.dtype(), x.device());
  const size_t workspace = static_cast<size_t>((p.numel + kChunk - 1) / kChunk) * x.item_size();
  launch(kernels::paired_loss, x.dtype(), p,
         {reads(x), reads(target), writes(out.loss), writes(out.gradient), writes(out.target_gradient)},
         Cost::elements(static_cast<double>(p.numel), kind == PairedLossKind::sigmoid_cross_entropy ? 1.5 : 0.3),
         workspace);
  return out;
}

}  // namespace tilegrad::ops
