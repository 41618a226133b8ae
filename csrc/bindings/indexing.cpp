#include "ops/indexing.h"

#include <pybind11/stl.h>

#include "bindings/bindings.h"
#include "ops/inplace.h"
#include "ops/loop_nest.h"
#include "ops/sequence.h"
#include "ops/sort.h"
#include "ops/views.h"
#include "tensor/subscript.h"

namespace tilegrad::bindings {

void register_indexing(Module& m) {
  m.def(
      "basic_view", [](const char* op, const Array& x, py::handle key) { return basic_view(op, x, key.ptr()); },
      py::arg("op"), py::arg("x"), py::arg("key"),
      "x[key] for integers, slices, None and Ellipsis; None for other keys.");
  m.def("gather", &ops::gather, py::arg("op"), py::arg("x"), py::arg("indices"), py::arg("in_front"));
  m.def("scatter", &ops::scatter, py::arg("op"), py::arg("x"), py::arg("indices"), py::arg("in_front"),
        py::arg("values"));
  m.def("scatter_add", &ops::scatter_add, py::arg("op"), py::arg("x"), py::arg("indices"), py::arg("in_front"),
        py::arg("values"));
  m.def("embedding", &ops::embedding, py::arg("weight"), py::arg("indices"));
  m.def("take_along_axis", &ops::take_along_axis, py::arg("op"), py::arg("x"), py::arg("index"), py::arg("axis"));
  m.def("scatter_add_along_axis", &ops::scatter_add_along_axis, py::arg("op"), py::arg("y"), py::arg("index"),
        py::arg("axis"), py::arg("values"));
  m.def("one_hot", &ops::one_hot, py::arg("index"), py::arg("classes"), py::arg("dtype"));
  m.def("nonzero", &ops::nonzero, py::arg("x"));
  m.def(
      "sort",
      [](const char* op, const Array& x, int64_t axis, bool descending, bool want_indices) {
        const ops::Wanted wanted = want_indices ? ops::Wanted::both : ops::Wanted::values;
        ops::Sorted sorted = ops::sort(op, x, axis, descending, wanted);
        return py::make_tuple(std::move(sorted.values), optional(sorted.indices));
      },
      py::arg("op"), py::arg("x"), py::arg("axis"), py::arg("descending"), py::arg("want_indices"));
  m.def(
      "argsort",
      [](const Array& x, int64_t axis, bool descending) {
        return ops::sort("argsort", x, axis, descending, ops::Wanted::indices).indices;
      },
      py::arg("x"), py::arg("axis"), py::arg("descending"));
  m.def(
      "top",
      [](const char* op, const Array& x, int64_t axis, int64_t kept, bool descending) {
        ops::Sorted found = ops::top(op, x, axis, kept, descending);
        return py::make_tuple(std::move(found.values), std::move(found.indices));
      },
      py::arg("op"), py::arg("x"), py::arg("axis"), py::arg("k"), py::arg("descending"));
  m.def("arange", &ops::arange, py::arg("start"), py::arg("stop"), py::arg("step"), py::arg("dtype"),
        py::arg("device") = py::none());
  m.def("linspace", &ops::linspace, py::arg("start"), py::arg("stop"), py::arg("num"), py::arg("dtype"),
        py::arg("device") = py::none());
  m.def("eye", &ops::eye, py::arg("n"), py::arg("m"), py::arg("k"), py::arg("dtype"), py::arg("device") = py::none());
  m.def("band", &ops::band, py::arg("op"), py::arg("x"), py::arg("least"), py::arg("most"));
  m.def("broadcast_shapes", &ops::broadcast_shapes, py::arg("op"), py::arg("a"), py::arg("b"));
  m.def(
      "normalize_axis", [](const char* op, int64_t axis, int ndim) { return ops::normalize_axis(op, axis, ndim); },
      py::arg("op"), py::arg("axis"), py::arg("ndim"));
}

}  // namespace tilegrad::bindings
