#include "ops/norm.h"

#include <pybind11/stl.h>

#include "bindings/bindings.h"

namespace tilegrad::bindings {
namespace {

Activation parse_activation(const char* op, const std::optional<std::string>& name) {
  if (!name) return Activation::none;
  if (*name == "relu") return Activation::relu;
  fail(ErrorKind::argument, "%s: activation must be None or \"relu\", found \"%s\"", op, name->c_str());
}

py::tuple as_tuple(const ops::Normalised& n) { return py::make_tuple(n.y, n.mean, n.inverse); }
py::tuple as_tuple(const ops::NormGradients& g) {
  return py::make_tuple(optional(g.dx), optional(g.dgamma), optional(g.dbeta));
}

using OptionalArray = std::optional<Array>;
Array given(const OptionalArray& array) { return array.value_or(Array()); }

}  // namespace

void register_norm(Module& m) {
  const auto x = py::arg("x"), gamma = py::arg("gamma"), beta = py::arg("beta"), mean = py::arg("mean"),
             inverse = py::arg("inverse"), grad = py::arg("grad"), eps = py::arg("eps"), shape = py::arg("shape"),
             groups = py::arg("groups"), want_dx = py::arg("want_dx"), want_dgamma = py::arg("want_dgamma"),
             want_dbeta = py::arg("want_dbeta"), size = py::arg("size"), alpha = py::arg("alpha"), k = py::arg("k");
  m.def(
      "batch_norm",
      [](const Array& a, const OptionalArray& g, const OptionalArray& b, const OptionalArray& running_mean,
         const OptionalArray& running_var, const OptionalArray& batches, bool training, double momentum, double e,
         const std::optional<std::string>& activation) {
        return as_tuple(ops::batch_norm(a, given(g), given(b), given(running_mean), given(running_var), given(batches),
                                        training, momentum, e, parse_activation("batch_norm", activation)));
      },
      x, gamma, beta, py::arg("running_mean"), py::arg("running_var"), py::arg("batches"), py::arg("training"),
      py::arg("momentum"), eps, py::arg("activation"),
      "The output, and the mean and 1 / sqrt(variance + eps) that it used.");
  m.def(
      "batch_norm_backward",
      [](const Array& a, const OptionalArray& g, const OptionalArray& b, const Array& m_, const Array& i,
         const Array& dy, bool training, const std::optional<std::string>& activation, bool want) {
        return as_tuple(ops::batch_norm_backward(a, given(g), given(b), m_, i, dy, training,
                                                 parse_activation("batch_norm", activation), want));
      },
      x, gamma, beta, mean, inverse, grad, py::arg("training"), py::arg("activation"), want_dx);
  m.def(
      "layer_norm",
      [](const Array& a, const OptionalArray& g, const OptionalArray& b, const std::optional<Dims>& axes, double e) {
        return as_tuple(ops::layer_norm(a, given(g), given(b), axes, e));
      },
      x, gamma, beta, shape, eps);
  m.def(
      "rms_norm",
      [](const Array& a, const OptionalArray& g, const std::optional<Dims>& axes, double e) {
        return as_tuple(ops::rms_norm(a, given(g), axes, e));
      },
      x, gamma, shape, eps);
  m.def(
      "layer_norm_backward",
      [](const Array& a, const OptionalArray& g, const Array& m_, const Array& i, const Array& dy, const Dims& axes,
         bool centered, bool dx, bool dgamma, bool dbeta) {
        return as_tuple(ops::layer_norm_backward(a, given(g), m_, i, dy, axes, centered, dx, dgamma, dbeta));
      },
      x, gamma, mean, inverse, grad, shape, py::arg("centered"), want_dx, want_dgamma, want_dbeta);
  m.def(
      "group_norm",
      [](const std::string& op, const Array& a, int64_t count, const OptionalArray& g, const OptionalArray& b,
         double e) { return as_tuple(ops::group_norm(op.c_str(), a, count, given(g), given(b), e)); },
      py::arg("op"), x, groups, gamma, beta, eps);
  m.def(
      "group_norm_backward",
      [](const Array& a, int64_t count, const OptionalArray& g, const Array& m_, const Array& i, const Array& dy,
         bool dx, bool dgamma,
         bool dbeta) { return as_tuple(ops::group_norm_backward(a, count, given(g), m_, i, dy, dx, dgamma, dbeta)); },
      x, groups, gamma, mean, inverse, grad, want_dx, want_dgamma, want_dbeta);
  m.def(
      "local_response_norm",
      [](const Array& a, int64_t n, double alpha_, double beta_, double k_, bool want_sums) {
        const auto [y, sums] = ops::local_response_norm(a, n, alpha_, beta_, k_, want_sums);
        return py::make_tuple(y, optional(sums));
      },
      x, size, alpha, beta, k, py::arg("want_sums"));
  m.def(
      "local_response_norm_backward",
      [](const Array& a, const Array& sums, const Array& dy, int64_t n, double alpha_, double beta_, double k_) {
        return ops::local_response_norm_backward(a, sums, dy, n, alpha_, beta_, k_);
      },
      x, py::arg("sums"), grad, size, alpha, beta, k);
}

}  // namespace tilegrad::bindings
