#include "ops/reduce.h"

#include <pybind11/stl.h>

#include "bindings/bindings.h"

namespace tilegrad::bindings {

void register_reduce(py::module_ &m) {
  m.def("sum", &ops::sum, py::arg("x"), py::arg("axis") = py::none(),
        py::arg("keepdims") = false);
}

} // namespace tilegrad::bindings
