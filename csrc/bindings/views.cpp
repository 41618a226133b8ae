#include "ops/views.h"

#include <vector>

#include "bindings/bindings.h"
#include "ops/joining.h"

namespace tilegrad::bindings {
namespace {

std::vector<Array> joined(const char* op, const py::tuple& tensors) {
  std::vector<Array> parts;
  parts.reserve(tensors.size());
  for (const py::handle part : tensors) {
    if (!is_tensor(part.ptr())) {
      fail(ErrorKind::dtype, "%s: tensors[%zu] is a %s; tg.tensor() makes a tensor", op, parts.size(),
           Py_TYPE(part.ptr())->tp_name);
    }
    parts.push_back(as_tensor(part.ptr())->array);
  }
  return parts;
}

}  // namespace

void register_views(py::module_& m) {
  m.def("reshape", &ops::reshape, py::arg("x"), py::arg("shape"));
  m.def("permute", &ops::permute, py::arg("x"), py::arg("axes"));
  m.def("expand_dims", &ops::expand_dims, py::arg("x"), py::arg("axis"));
  m.def("squeeze", py::overload_cast<const Array&>(&ops::squeeze), py::arg("x"));
  m.def("squeeze", py::overload_cast<const Array&, int64_t>(&ops::squeeze), py::arg("x"), py::arg("axis"));
  m.def("broadcast_to", &ops::broadcast_to, py::arg("x"), py::arg("shape"));
  m.def("diagonal", &ops::diagonal, py::arg("x"), py::arg("offset"), py::arg("a"), py::arg("b"));
  m.def("slice", &ops::slice, py::arg("x"), py::arg("axis"), py::arg("start"), py::arg("count"), py::arg("step"));
  m.def(
      "concat", [](const py::tuple& tensors, int64_t axis) { return ops::concat(joined("concat", tensors), axis); },
      py::arg("tensors"), py::arg("axis"));
  m.def(
      "stack", [](const py::tuple& tensors, int64_t axis) { return ops::stack(joined("stack", tensors), axis); },
      py::arg("tensors"), py::arg("axis"));
  m.def("select", &ops::select, py::arg("x"), py::arg("axis"), py::arg("index"));
}

}  // namespace tilegrad::bindings
