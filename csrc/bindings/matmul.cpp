#include "ops/matmul.h"

#include <pybind11/stl.h>

#include "bindings/bindings.h"
#include "ops/fma_peak.h"

namespace tilegrad::bindings {

void register_matmul(Module& m) {
  m.def("matmul", &ops::matmul, py::arg("a"), py::arg("b"));
  m.def(
      "linear",
      [](const Array& x, const Array& w, const std::optional<Array>& b, const char* activation) {
        return ops::linear(x, w, b.value_or(Array()), ops::activation_named("linear", activation));
      },
      py::arg("x"), py::arg("w"), py::arg("b"), py::arg("activation"));
  m.def(
      "linear_backward",
      [](const Array& grad, const Array& x, const Array& w, const std::vector<bool>& needs) {
        ops::LinearGradients g = ops::linear_backward(grad, x, w, needs.at(0), needs.at(1), needs.at(2));
        const auto optional = [](Array& array) {
          return array ? std::optional<Array>(std::move(array)) : std::optional<Array>();
        };
        return std::make_tuple(optional(g.x), optional(g.w), optional(g.bias));
      },
      py::arg("grad"), py::arg("x"), py::arg("w"), py::arg("needs"));
  m.def("measure_fma_peak", &ops::measure_fma_peak, py::arg("dtype"), py::arg("threads"),
        "GFLOP/s of fused multiply-adds between registers, at this moment: what benchmarks compare kernels with.");
}

}  // namespace tilegrad::bindings
