#include "ops/views.h"

#include "bindings/bindings.h"

namespace tilegrad::bindings {

void register_views(py::module_& m) {
  m.def("reshape", &ops::reshape, py::arg("x"), py::arg("shape"));
  m.def("permute", &ops::permute, py::arg("x"), py::arg("axes"));
  m.def("expand_dims", &ops::expand_dims, py::arg("x"), py::arg("axis"));
  m.def("squeeze", py::overload_cast<const Array&>(&ops::squeeze), py::arg("x"));
  m.def("squeeze", py::overload_cast<const Array&, int64_t>(&ops::squeeze), py::arg("x"), py::arg("axis"));
  m.def("broadcast_to", &ops::broadcast_to, py::arg("x"), py::arg("shape"));
  m.def("diagonal", &ops::diagonal, py::arg("x"), py::arg("offset"), py::arg("a"), py::arg("b"));
  m.def("slice", &ops::slice, py::arg("x"), py::arg("axis"), py::arg("start"), py::arg("count"), py::arg("step"));
  m.def("select", &ops::select, py::arg("x"), py::arg("axis"), py::arg("index"));
}

}  // namespace tilegrad::bindings
