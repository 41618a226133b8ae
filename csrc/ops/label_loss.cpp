#include "core/launch.h"
#include "core/recording.h"
#include "ops/elementwise.h"
#include "ops/loss.h"
#include "ops/views.h"

namespace tilegrad::ops {
namespace {

Dims rows_of(const Array& x) {
  Dims rows = x.shape();
  rows.pop_back();
  return rows;
}

template <typename T>
void check_labels(const char* op, const T* labels, const Dims& shape, int64_t count, int64_t C,
                  std::optional<int64_t> ignore_index) {
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
    fail(ErrorKind::index, "%s: target[%s] is %lld, expected 0 to %lld", op, place_of(shape, n).c_str(),
         static_cast<long long>(label), static_cast<long long>(C - 1));
  }
}

template <typename T>
void check_labels(const char* op, const Array& target, int64_t C, std::optional<int64_t> ignore_index) {
  check_values({reads(target)}, [=, shape = target.shape(), count = target.numel()](void* const* data) {
    check_labels(op, static_cast<const T*>(data[0]), shape, count, C, ignore_index);
  });
}

TargetKind check_labels(const char* op, const char* scores, const char* otherwise, const Array& x, const Array& target,
                        std::optional<int64_t> ignore_index) {
  const Dims rows = rows_of(x);
  if (!is_integer(target.dtype())) {
    fail(ErrorKind::dtype, "%s: target is %s, expected integer labels (int64, int32, uint8)%s", op,
         target.str().c_str(), otherwise);
  }
  if (!(target.shape() == rows)) {
    fail(ErrorKind::shape, "%s: %s are %s, so integer labels must be %s, found %s%s", op, scores, x.str().c_str(),
         rows.str().c_str(), target.str().c_str(),
         *otherwise && target.shape() == x.shape() ? "; cast one-hot labels to the logits' dtype" : "");
  }
  const int64_t C = x.shape().back();
  switch (target.dtype()) {
    case DType::int32:
      check_labels<int32_t>(op, target, C, ignore_index);
      return TargetKind::int32;
    case DType::uint8:
      check_labels<uint8_t>(op, target, C, ignore_index);
      return TargetKind::uint8;
    default:
      check_labels<int64_t>(op, target, C, ignore_index);
      return TargetKind::int64;
  }
}

TargetKind check_target(const Array& logits, const Array& target, std::optional<int64_t> ignore_index) {
  if (is_floating(target.dtype())) {
    require_same_kind("cross_entropy", logits, target);
    if (!(target.shape() == logits.shape())) {
      fail(ErrorKind::shape, "cross_entropy: logits are %s and the soft targets %s; they must have one shape%s",
           logits.str().c_str(), target.str().c_str(),
           target.ndim() == logits.ndim() - 1 ? ". Labels of classes are integers: .astype(\"int64\")" : "");
    }
    if (ignore_index) {
      fail(ErrorKind::argument, "cross_entropy: ignore_index needs integer labels, and the target is %s",
           target.str().c_str());
    }
    return TargetKind::soft;
  }
  const std::string otherwise = std::string(" or ") + name(logits.dtype()) + " weights of the classes";
  return check_labels("cross_entropy", "logits", otherwise.c_str(), logits, target, ignore_index);
}

// The last axis is of classes, and there are some.
void check_classes(const char* op, const char* scores, const Array& x) {
  if (!is_floating(x.dtype())) fail(ErrorKind::dtype, "%s: %s must be floating, found %s", op, scores, x.str().c_str());
  if (x.ndim() == 0) fail(ErrorKind::shape, "%s: %s must be [..., C], found %s", op, scores, x.str().c_str());
  if (x.shape().back() == 0) fail(ErrorKind::shape, "%s: %s %s have no classes", op, scores, x.str().c_str());
}

Array class_weight(const char* op, const Array& weight, const Array& x) {
  if (!weight) return weight;
  require_same_kind(op, x, weight);
  if (weight.ndim() != 1 || weight.size(0) != x.shape().back()) {
    fail(ErrorKind::shape, "%s: weight must have one element per class, [%lld], found %s", op,
         static_cast<long long>(x.shape().back()), weight.str().c_str());
  }
  return contiguous(weight);
}

LabelLoss label_params(const Array& x, LossReduction reduction, std::optional<int64_t> ignore_index) {
  LabelLoss p{};
  p.C = x.shape().back();
  p.N = x.numel() / p.C;
  p.reduction = reduction;
  p.ignores = ignore_index.has_value();
  p.ignore_index = ignore_index.value_or(0);
  return p;
}

Losses allocate(const Array& x, LossReduction reduction, bool want_gradient, bool want_target_gradient) {
  Losses out;
  out.loss = Array::empty(reduction == LossReduction::none ? rows_of(x) : Dims(), x.dtype(), x.device());
  if (want_gradient) out.gradient = Array::empty(x.shape(), x.dtype(), x.device());
  if (want_target_gradient) out.target_gradient = Array::empty(x.shape(), x.dtype(), x.device());
  return out;
}

// For the rows' losses, where they are reduced.
size_t row_workspace(const Array& x, LossReduction reduction, int64_t rows) {
  return reduction == LossReduction::none ? 0 : static_cast<size_t>(rows) * x.item_size();
}

}  // namespace

Losses cross_entropy(const Array& strided, const Array& strided_target, const Array& strided_weight,
                     std::optional<int64_t> ignore_index, double label_smoothing, const std::string& reduction,
                     bool want_gradient, bool want_target_gradient) {
  const char* op = "cross_entropy";
  const LossReduction how = parse_reduction(op, reduction);
  check_classes(op, "logits", strided);
  if (!(label_smoothing >= 0 && label_smoothing <= 1)) {
    fail(ErrorKind::argument, "cross_entropy: label_smoothing must be from 0 to 1, found %g", label_smoothing);
  }
  const Array logits = contiguous(strided), target = contiguous(strided_target);
  CrossEntropy p{label_params(logits, how, ignore_index), label_smoothing};
  p.target = check_target(logits, target, ignore_index);
  const Array weight = class_weight(op, strided_weight, logits);
  refuse_empty_mean(op, how, logits, p.N);
  const Losses out = allocate(logits, how, want_gradient, want_target_gradient && p.target == TargetKind::soft);
  launch(kernels::cross_entropy, logits.dtype(), p,
         {reads(logits), reads(target), reads(weight), writes(out.loss), writes(out.gradient),
          writes(out.target_gradient)},
         Cost::elements(static_cast<double>(logits.numel()), 0.6), row_workspace(logits, how, p.N));
  return out;
}

Losses nll_loss(const Array& strided, const Array& strided_target, const Array& strided_weight,
                std::optional<int64_t> ignore_index, const std::string& reduction, bool want_gradient) {
  const char* op = "nll_loss";
  const LossReduction how = parse_reduction(op, reduction);
  check_classes(op, "log-probabilities", strided);
  const Array x = contiguous(strided), target = contiguous(strided_target);
  LabelLoss p = label_params(x, how, ignore_index);
  p.target = check_labels(op, "log-probabilities", "", x, target, ignore_index);
  const Array weight = class_weight(op, strided_weight, x);
  refuse_empty_mean(op, how, x, p.N);
  const Losses out = allocate(x, how, want_gradient, false);
  launch(kernels::nll_loss, x.dtype(), p,
         {reads(x), reads(target), reads(weight), writes(out.loss), writes(out.gradient)},
         Cost::elements(static_cast<double>(want_gradient ? x.numel() : p.N), 0.3), row_workspace(x, how, p.N));
  return out;
}

Losses multi_margin_loss(const Array& strided, const Array& strided_target, int64_t power, double margin,
                         const Array& strided_weight, const std::string& reduction, bool want_gradient) {
  const char* op = "multi_margin_loss";
  const LossReduction how = parse_reduction(op, reduction);
  check_classes(op, "scores", strided);
  if (power != 1 && power != 2) {
    fail(ErrorKind::argument, "multi_margin_loss: p must be 1 or 2, found %lld", static_cast<long long>(power));
  }
  const Array x = contiguous(strided), target = contiguous(strided_target);
  MultiMargin p{label_params(x, how, {}), margin, static_cast<int32_t>(power)};
  p.target = check_labels(op, "scores", "", x, target, {});
  const Array weight = class_weight(op, strided_weight, x);
  refuse_empty_mean(op, how, x, p.N);
  const Losses out = allocate(x, how, want_gradient, false);
  launch(kernels::multi_margin_loss, x.dtype(), p,
         {reads(x), reads(target), reads(weight), writes(out.loss), writes(out.gradient)},
         Cost::elements(static_cast<double>(x.numel()), 0.4), row_workspace(x, how, p.N));
  return out;
}

Losses kl_div(const Array& strided, const Array& strided_target, const std::string& reduction, bool log_target,
              bool want_gradient, bool want_target_gradient) {
  const char* op = "kl_div";
  const bool by_batch = reduction == "batchmean";
  const LossReduction how = by_batch ? LossReduction::mean : parse_reduction(op, reduction);
  check_classes(op, "log-probabilities", strided);
  require_same_kind(op, strided, strided_target);
  if (!(strided.shape() == strided_target.shape())) {
    fail(ErrorKind::shape,
         "kl_div: input is %s and target %s; a loss never broadcasts: reshape one to the other's shape",
         strided.str().c_str(), strided_target.str().c_str());
  }
  const Array x = contiguous(strided), target = contiguous(strided_target);
  KlDivergence p{x.numel() / x.shape().back(), x.shape().back(), how, log_target, 1.0};
  refuse_empty_mean(op, how, x, p.N);
  if (how == LossReduction::mean) p.divisor = static_cast<double>(by_batch ? x.size(0) : p.N);
  const Losses out = allocate(x, how, want_gradient, want_target_gradient);
  launch(kernels::kl_div, x.dtype(), p,
         {reads(x), reads(target), writes(out.loss), writes(out.gradient), writes(out.target_gradient)},
         Cost::elements(static_cast<double>(x.numel()), 1.5), row_workspace(x, how, p.N));
  return out;
}

}  // namespace tilegrad::ops
