#include <pybind11/stl.h>

#include "bindings/bindings.h"
#include "ops/loss.h"

namespace tilegrad::bindings {
namespace {

using OptionalArray = std::optional<Array>;

py::tuple as_tuple(const ops::Losses& out) {
  return py::make_tuple(out.loss, optional(out.gradient), optional(out.target_gradient));
}

void register_paired_loss(Module& m, const char* name, PairedLossKind kind, const char* op,
                          const char* delta = "delta") {
  m.def(
       name,
       [op, kind](const Array& x, const Array& target, const OptionalArray& weight, const OptionalArray& pos_weight,
                  double constant, const std::string& reduction, bool want_gradient, bool want_target_gradient) {
         return as_tuple(ops::paired_loss(op, kind, x, target, weight.value_or(Array()), pos_weight.value_or(Array()),
                                          constant, reduction, want_gradient, want_target_gradient));
       },
       py::arg("x"), py::arg("target"), py::arg("weight"), py::arg("pos_weight"), py::arg(delta), py::arg("reduction"),
       py::arg("want_gradient"), py::arg("want_target_gradient"),
       "The loss and its gradients by x and by the target, where wanted.")
      .name_in_errors = op;
}

}  // namespace

void register_losses(Module& m) {
  const auto target = py::arg("target"), weight = py::arg("weight"), reduction = py::arg("reduction"),
             want_gradient = py::arg("want_gradient"), want_target_gradient = py::arg("want_target_gradient");
  m.def(
      "cross_entropy",
      [](const Array& logits, const Array& t, const OptionalArray& w, std::optional<int64_t> ignore_index,
         double label_smoothing, const std::string& how, bool by_logits, bool by_target) {
        return as_tuple(ops::cross_entropy(logits, t, w.value_or(Array()), ignore_index, label_smoothing, how,
                                           by_logits, by_target));
      },
      py::arg("logits"), target, weight, py::arg("ignore_index"), py::arg("label_smoothing"), reduction, want_gradient,
      want_target_gradient, "The loss and, where wanted, its gradients by the logits and by soft targets.");
  m.def(
      "nll_loss",
      [](const Array& x, const Array& t, const OptionalArray& w, std::optional<int64_t> ignore_index,
         const std::string& how,
         bool by_x) { return as_tuple(ops::nll_loss(x, t, w.value_or(Array()), ignore_index, how, by_x)); },
      py::arg("x"), target, weight, py::arg("ignore_index"), reduction, want_gradient,
      "The loss and, if wanted, its gradient by x.");
  m.def(
      "multi_margin_loss",
      [](const Array& x, const Array& t, int64_t p, double margin, const OptionalArray& w, const std::string& how,
         bool by_x) { return as_tuple(ops::multi_margin_loss(x, t, p, margin, w.value_or(Array()), how, by_x)); },
      py::arg("x"), target, py::arg("p"), py::arg("margin"), weight, reduction, want_gradient,
      "The loss and, if wanted, its gradient by x.");
  m.def(
      "kl_div",
      [](const Array& x, const Array& t, const std::string& how, bool log_target, bool by_x, bool by_target) {
        return as_tuple(ops::kl_div(x, t, how, log_target, by_x, by_target));
      },
      py::arg("x"), target, reduction, py::arg("log_target"), want_gradient, want_target_gradient,
      "The loss and its gradients by x and by the target, where wanted.");
  register_paired_loss(m, "mse_loss", PairedLossKind::squared, "mse_loss");
  register_paired_loss(m, "l1_loss", PairedLossKind::absolute, "l1_loss");
  register_paired_loss(m, "huber_loss", PairedLossKind::huber, "huber_loss");
  register_paired_loss(m, "smooth_l1_loss", PairedLossKind::smooth_absolute, "smooth_l1_loss", "beta");
  register_paired_loss(m, "hinge_loss", PairedLossKind::hinge, "hinge_loss", "margin");
  register_paired_loss(m, "squared_hinge_loss", PairedLossKind::squared_hinge, "hinge_loss", "margin");
  register_paired_loss(m, "binary_cross_entropy", PairedLossKind::binary_cross_entropy, "binary_cross_entropy");
  register_paired_loss(m, "binary_cross_entropy_with_logits", PairedLossKind::sigmoid_cross_entropy,
                       "binary_cross_entropy_with_logits");
}

}  // namespace tilegrad::bindings
