#include "ops/matmul.h"

#include <pybind11/stl.h>

#include "bindings/bindings.h"
#include "ops/fma_peak.h"

namespace tilegrad::bindings {

void register_matmul(py::module_& m) {
  m.def("matmul", &ops::matmul, py::arg("a"), py::arg("b"));
  m.def(
      "linear",
      [](const Array& x, const Array& w, const std::optional<Array>& b, const char* activation) {
        return ops::linear(x, w, b.value_or(Array()), ops::activation_named("linear", activation));
      },
      py::arg("x"), py::arg("w"), py::arg("b"), py::arg("activation"));
  m.def("measure_fma_peak", &ops::measure_fma_peak, py::arg("dtype"), py::arg("threads"),
        "GFLOP/s of fused multiply-adds between registers, at this moment: what benchmarks compare kernels with.");
}

}  // namespace tilegrad::bindings
