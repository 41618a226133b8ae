#include "ops/matmul.h"

#include <pybind11/stl.h>

#include "bindings/bindings.h"
#include "ops/fma_peak.h"

namespace tilegrad::bindings {
namespace {

const Array& tensor_of(const char* op, const char* argument, py::handle object) {
  if (!is_tensor(object.ptr())) {
    fail(ErrorKind::dtype, "%s: %s must be a tensor, found %s; tg.tensor() makes one from other data", op, argument,
         Py_TYPE(object.ptr())->tp_name);
  }
  return as_tensor(object.ptr())->array;
}

}  // namespace

void register_matmul(py::module_& m) {
  m.def(
      "matmul",
      [](py::handle a, py::handle b) { return ops::matmul(tensor_of("matmul", "a", a), tensor_of("matmul", "b", b)); },
      py::arg("a"), py::arg("b"));
  m.def(
      "linear",
      [](py::handle x, py::handle w, py::handle b, const std::string& activation) {
        return ops::linear(tensor_of("linear", "x", x), tensor_of("linear", "w", w),
                           b.is_none() ? Array() : tensor_of("linear", "b", b),
                           ops::activation_named("linear", activation.c_str()));
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
