#include "ops/attention.h"

#include <pybind11/stl.h>

#include "bindings/bindings.h"

namespace tilegrad::bindings {
namespace {

using Optional = std::optional<Array>;

}  // namespace

void register_attention(Module& m) {
  m.def(
       "attention",
       [](const Array& q, const Array& k, const Array& v, const Optional& mask, const Optional& state, double scale,
          bool is_causal, double dropout_p, bool want_gradient) {
         const ops::Attended out = ops::attention(q, k, v, mask.value_or(Array()), state.value_or(Array()),
                                                  {scale, is_causal, dropout_p}, want_gradient);
         return py::make_tuple(out.y, optional(out.log_sum), optional(out.used));
       },
       py::arg("q"), py::arg("k"), py::arg("v"), py::arg("mask"), py::arg("state"), py::arg("scale"),
       py::arg("is_causal"), py::arg("dropout_p"), py::arg("want_gradient"),
       "The result and, where a gradient is wanted, the logarithms of the denominators and the state that was drawn from.")
      .name_in_errors = "scaled_dot_product_attention";
  m.def(
      "attention_backward",
      [](const Array& grad, const Array& q, const Array& k, const Array& v, const Optional& mask, const Array& y,
         const Array& log_sum, const Optional& used, double scale, bool is_causal, double dropout_p) {
        const ops::AttentionGradients found = ops::attention_backward(
            grad, q, k, v, mask.value_or(Array()), {y, log_sum, used.value_or(Array())}, {scale, is_causal, dropout_p});
        return py::make_tuple(found.q, found.k, found.v);
      },
      py::arg("grad"), py::arg("q"), py::arg("k"), py::arg("v"), py::arg("mask"), py::arg("y"), py::arg("log_sum"),
      py::arg("used"), py::arg("scale"), py::arg("is_causal"), py::arg("dropout_p"), "The gradients by q, k and v.");
}

}  // namespace tilegrad::bindings
