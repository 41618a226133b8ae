#include "ops/views.h"

#include <pybind11/stl.h>

#include "bindings/bindings.h"
#include "ops/joining.h"

namespace tilegrad::bindings {

void register_views(Module& m) {
  m.def("reshape", &ops::reshape, py::arg("x"), py::arg("shape"));
  m.def("permute", &ops::permute, py::arg("x"), py::arg("axes"));
  m.def("expand_dims", &ops::expand_dims, py::arg("x"), py::arg("axis"));
  m.def(
      "squeeze",
      [](const Array& x, std::optional<int64_t> axis) { return axis ? ops::squeeze(x, *axis) : ops::squeeze(x); },
      py::arg("x"), py::arg("axis"));
  m.def("broadcast_to", &ops::broadcast_to, py::arg("x"), py::arg("shape"));
  m.def("diagonal", &ops::diagonal, py::arg("x"), py::arg("offset"), py::arg("axis1"), py::arg("axis2"));
  m.def("slice", &ops::slice, py::arg("x"), py::arg("axis"), py::arg("start"), py::arg("count"), py::arg("step"));
  m.def(
      "concat", [](const std::vector<Array>& tensors, int64_t axis) { return ops::concat(tensors, axis); },
      py::arg("tensors"), py::arg("axis"));
  m.def(
      "stack", [](const std::vector<Array>& tensors, int64_t axis) { return ops::stack(tensors, axis); },
      py::arg("tensors"), py::arg("axis"));
  m.def("select", &ops::select, py::arg("x"), py::arg("axis"), py::arg("index"));
}

}  // namespace tilegrad::bindings
