#include "ops/reduce.h"

#include <pybind11/stl.h>

#include "bindings/bindings.h"
#include "ops/softmax.h"

namespace tilegrad::bindings {
namespace {

void register_extremum(Module& m, const char* name, bool largest) {
  m.def(
      name,
      [name, largest](const Array& x, const ops::Axes& axis, bool keepdims, bool want_index) {
        const auto [y, index] = ops::extremum(name, largest, x, axis, keepdims, want_index);
        return py::make_tuple(y, optional(index));
      },
      py::arg("x"), py::arg("axis"), py::arg("keepdims"), py::arg("want_index"),
      "The extremum and where the first is in the row-major sequence of the reduced axes.");
}

}  // namespace

void register_reduce(Module& m) {
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
  m.def("norm2", &ops::norm2, x, axis, keepdims).name_in_errors = "norm";
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

}  // namespace tilegrad::bindings
