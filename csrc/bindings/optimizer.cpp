#include "ops/optimizer.h"

#include <pybind11/stl.h>

#include "bindings/bindings.h"

namespace tilegrad::bindings {

void register_optimizer(py::module_& m) {
  using ops::Arrays, ops::OptionalArrays;
  using OptionalArray = std::optional<Array>;
  m.def(
      "sgd",
      [](const Array& rate, const OptionalArray& clip, const Arrays& parameters, const OptionalArrays& gradients,
         const Arrays& steps, const OptionalArrays& velocities, double momentum, double dampening, double weight_decay,
         bool nesterov) {
        ops::sgd({rate, clip, parameters, gradients, steps}, velocities, {momentum, dampening, weight_decay, nesterov});
      },
      py::arg("rate"), py::arg("clip"), py::arg("parameters"), py::arg("gradients"), py::arg("steps"),
      py::arg("velocities"), py::arg("momentum"), py::arg("dampening"), py::arg("weight_decay"), py::arg("nesterov"));
  m.def(
      "adam",
      [](const Array& rate, const OptionalArray& clip, const Arrays& parameters, const OptionalArrays& gradients,
         const Arrays& steps, const Arrays& first_moments, const Arrays& second_moments, double beta1, double beta2,
         double eps, double weight_decay, bool decoupled) {
        ops::adam({rate, clip, parameters, gradients, steps}, first_moments, second_moments,
                  {beta1, beta2, eps, weight_decay, decoupled});
      },
      py::arg("rate"), py::arg("clip"), py::arg("parameters"), py::arg("gradients"), py::arg("steps"),
      py::arg("first_moments"), py::arg("second_moments"), py::arg("beta1"), py::arg("beta2"), py::arg("eps"),
      py::arg("weight_decay"), py::arg("decoupled"));
  m.def("gradient_norm", &ops::gradient_norm, py::arg("clip"), py::arg("gradients"), py::arg("most"));
  m.def("scale_all", &ops::scale_all, py::arg("clip"), py::arg("tensors"));
  m.def("clip_all", &ops::clip_all, py::arg("tensors"), py::arg("bound"));
  m.def("zero_all", &ops::zero_all, py::arg("tensors"));
}

}  // namespace tilegrad::bindings
