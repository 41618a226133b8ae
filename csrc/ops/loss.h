// Losses. Nothing broadcasts: shapes must fit exactly. Everything is checked before anything is written.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "core/array.h"
#include "params/loss.h"

namespace tilegrad::ops {

// "none", "sum" or "mean"; anything else is an ArgumentError.
LossReduction parse_reduction(const char* op, const std::string& name);

// A mean of nothing is a ShapeError.
void refuse_empty_mean(const char* op, LossReduction reduction, const Array& x, int64_t count);

// Element n of an array of this shape, as "i, j".
std::string place_of(const Dims& shape, int64_t n);

// A loss, and its gradients by its first operand and by the target, where wanted.
struct Losses {
  Array loss, gradient, target_gradient;
};

// logits [..., C]; target: integer labels [...] or floating weights of classes [..., C]; weight [C] or absent. The loss
// is [...] or one number.
Losses cross_entropy(const Array& logits, const Array& target, const Array& weight, std::optional<int64_t> ignore_index,
                     double label_smoothing, const std::string& reduction, bool want_gradient,
                     bool want_target_gradient);

// x [..., C], logarithms of probabilities, or scores; labels [...]; weight [C] or absent.
Losses nll_loss(const Array& x, const Array& target, const Array& weight, std::optional<int64_t> ignore_index,
                const std::string& reduction, bool want_gradient);
Losses multi_margin_loss(const Array& x, const Array& target, int64_t power, double margin, const Array& weight,
                         const std::string& reduction, bool want_gradient);

// x and target [..., C]. Another reduction than the usual is "batchmean": the sum over the size of the first axis.
Losses kl_div(const Array& x, const Array& target, const std::string& reduction, bool log_target, bool want_gradient,
              bool want_target_gradient);

// x and target of one shape; weights of that shape, or of its last axis, or one number, or absent.
Losses paired_loss(const char* op, PairedLossKind kind, const Array& x, const Array& target, const Array& weight,
                   const Array& positive_weight, double delta, const std::string& reduction, bool want_gradient,
                   bool want_target_gradient);

}  // namespace tilegrad::ops
