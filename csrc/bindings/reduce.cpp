#include "ops/reduce.h"

#include <pybind11/stl.h>

#include "bindings/bindings.h"
#include "ops/loss.h"
#include "ops/norm.h"
#include "ops/softmax.h"

namespace tilegrad::bindings {
namespace {

Activation parse_activation(const char* op, const std::optional<std::string>& name) {
  if (!name) return Activation::none;
  if (*name == "relu") return Activation::relu;
  fail(ErrorKind::argument, "%s: activation must be None or \"relu\", found \"%s\"", op, name->c_str());
}

// An absent array is None.
py::object optional(const Array& array) { return array ? py::cast(array) : py::none(); }

py::tuple as_tuple(const ops::Normalised& n) { return py::make_tuple(n.y, n.mean, n.inverse); }
py::tuple as_tuple(const ops::NormGradients& g) { return py::make_tuple(optional(g.dx), g.dgamma, g.dbeta); }

void register_extremum(py::module_& m, const char* name, bool largest) {
  m.def(
      name,
      [name, largest](const Array& x, const ops::Axes& axis, bool keepdims, bool want_index) {
        const auto [y, index] = ops::extremum(name, largest, x, axis, keepdims, want_index);
        return py::make_tuple(y, optional(index));
      },
      py::arg("x"), py::arg("axis"), py::arg("keepdims"), py::arg("want_index"),
      "The extremum and where the first is in the row-major sequence of the reduced axes.");
}

void register_paired_loss(py::module_& m, const char* name, PairedLossKind kind) {
  m.def(
      name,
      [name, kind](const Array& x, const Array& target, double delta, const std::string& reduction, bool want_gradient,
                   bool want_target_gradient) {
        const ops::PairedLosses out =
            ops::paired_loss(name, kind, x, target, delta, reduction, want_gradient, want_target_gradient);
        return py::make_tuple(out.loss, optional(out.gradient), optional(out.target_gradient));
      },
      py::arg("x"), py::arg("target"), py::arg("delta"), py::arg("reduction"), py::arg("want_gradient"),
      py::arg("want_target_gradient"), "The loss and its gradients by x and by the target, where wanted.");
}

}  // namespace

void register_reduce(py::module_& m) {
  const auto x = py::arg("x"), axis = py::arg("axis"), keepdims = py::arg("keepdims"), grad = py::arg("grad");
  m.def("sum", &ops::sum, x, py::arg("axis") = py::none(), py::arg("keepdims") = false);
  m.def("prod", &ops::prod, x, axis, keepdims);
  m.def("prod_backward", &ops::prod_backward, x, grad, axis);
  m.def("mean", &ops::mean, x, axis, keepdims);
  m.def(
      "var",
      [](const Array& a, const ops::Axes& axes, double correction, bool keep) {
        return ops::variance("var", a, axes, correction, keep, false);
      },
      x, axis, py::arg("correction"), keepdims);
  m.def(
      "std",
      [](const Array& a, const ops::Axes& axes, double correction, bool keep) {
        return ops::variance("std", a, axes, correction, keep, true);
      },
      x, axis, py::arg("correction"), keepdims);
  m.def("norm2", &ops::norm2, x, axis, keepdims);
  m.def("logsumexp", &ops::logsumexp, x, axis, keepdims);
  register_extremum(m, "max", true);
  register_extremum(m, "min", false);
  m.def(
      "argmax",
      [](const Array& a, const ops::Axes& axes, bool keep) {
        return ops::extremum("argmax", true, a, axes, keep, true).second;
      },
      x, axis, keepdims);
  m.def(
      "argmin",
      [](const Array& a, const ops::Axes& axes, bool keep) {
        return ops::extremum("argmin", false, a, axes, keep, true).second;
      },
      x, axis, keepdims);
  m.def("extremum_backward", &ops::extremum_backward, grad, py::arg("index"), py::arg("shape"), axis);
  m.def("any", &ops::any, x, axis, keepdims);
  m.def("all", &ops::all, x, axis, keepdims);
  m.def("cumsum", &ops::cumsum, x, axis, py::arg("reverse") = false);
  m.def("reduced_count", &ops::reduced_count, py::arg("op"), x, axis);

  m.def("softmax", &ops::softmax, x, axis);
  m.def("log_softmax", &ops::log_softmax, x, axis);
  m.def("softmax_backward", &ops::softmax_backward, py::arg("y"), grad, axis);
  m.def("log_softmax_backward", &ops::log_softmax_backward, py::arg("y"), grad, axis);
}

void register_losses(py::module_& m) {
  m.def(
      "cross_entropy",
      [](const Array& logits, const Array& target, const std::optional<Array>& weight,
         std::optional<int64_t> ignore_index, double label_smoothing, const std::string& reduction,
         bool want_gradient) {
        const auto [loss, gradient] = ops::cross_entropy(logits, target, weight.value_or(Array()), ignore_index,
                                                         label_smoothing, reduction, want_gradient);
        return py::make_tuple(loss, optional(gradient));
      },
      py::arg("logits"), py::arg("target"), py::arg("weight"), py::arg("ignore_index"), py::arg("label_smoothing"),
      py::arg("reduction"), py::arg("want_gradient"), "The loss and, if wanted, its gradient by the logits.");
  register_paired_loss(m, "mse_loss", PairedLossKind::squared);
  register_paired_loss(m, "l1_loss", PairedLossKind::absolute);
  register_paired_loss(m, "huber_loss", PairedLossKind::huber);
  register_paired_loss(m, "binary_cross_entropy_with_logits", PairedLossKind::sigmoid_cross_entropy);
}

void register_norm(py::module_& m) {
  const auto x = py::arg("x"), gamma = py::arg("gamma"), beta = py::arg("beta"), mean = py::arg("mean"),
             inverse = py::arg("inverse"), grad = py::arg("grad"), want_dx = py::arg("want_dx");
  m.def(
      "batch_norm",
      [](const Array& a, const Array& g, const Array& b, const std::optional<Array>& running_mean,
         const std::optional<Array>& running_var, bool training, double momentum, double eps,
         const std::optional<std::string>& activation) {
        return as_tuple(ops::batch_norm(a, g, b, running_mean.value_or(Array()), running_var.value_or(Array()),
                                        training, momentum, eps, parse_activation("batch_norm", activation)));
      },
      x, gamma, beta, py::arg("running_mean"), py::arg("running_var"), py::arg("training"), py::arg("momentum"),
      py::arg("eps"), py::arg("activation"), "The output, and the mean and 1 / sqrt(variance + eps) that it used.");
  m.def(
      "batch_norm_backward",
      [](const Array& a, const Array& g, const Array& b, const Array& m_, const Array& i, const Array& dy,
         bool training, const std::optional<std::string>& activation, bool want) {
        return as_tuple(
            ops::batch_norm_backward(a, g, b, m_, i, dy, training, parse_activation("batch_norm", activation), want));
      },
      x, gamma, beta, mean, inverse, grad, py::arg("training"), py::arg("activation"), want_dx);
  m.def(
      "layer_norm",
      [](const Array& a, const Array& g, const Array& b, double eps) {
        return as_tuple(ops::layer_norm(a, g, b, eps));
      },
      x, gamma, beta, py::arg("eps"));
  m.def(
      "layer_norm_backward",
      [](const Array& a, const Array& g, const Array& m_, const Array& i, const Array& dy, bool want) {
        return as_tuple(ops::layer_norm_backward(a, g, m_, i, dy, want));
      },
      x, gamma, mean, inverse, grad, want_dx);
}

}  // namespace tilegrad::bindings
