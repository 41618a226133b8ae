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

// logits [..., C]; target: integer labels [...] or floating weights of classes [..., C]; weight [C] or absent. The loss
// ([...] or one number) and, if wanted, its gradient by the logits.
std::pair<Array, Array> cross_entropy(const Array& logits, const Array& target, const Array& weight,
                                      std::optional<int64_t> ignore_index, double label_smoothing,
                                      const std::string& reduction, bool want_gradient);

// Loss and the gradients by x and by the target, where wanted.
struct PairedLosses {
  Array loss, gradient, target_gradient;
};
PairedLosses paired_loss(const char* op, PairedLossKind kind, const Array& x, const Array& target, double delta,
                         const std::string& reduction, bool want_gradient, bool want_target_gradient);

}  // namespace tilegrad::ops
