#include "ops/optimizer.h"

#include <pybind11/stl.h>

#include "bindings/bindings.h"

namespace tilegrad::bindings {
namespace {

// Binds an optimizer's step: the arrays and options that all have, then its own options, of types Own, which are the
// members of P after the first.
template <typename P, typename... Own, typename... Names>
void register_step(Module& m, const char* name, void (*step)(const ops::OptimizerArrays&, const P&),
                   const Names&... own_names) {
  static_assert(sizeof...(Own) == sizeof...(Names));
  m.def(
      name,
      [step](const Array& rate, const std::optional<Array>& clip, const ops::Arrays& parameters,
             const ops::OptionalArrays& gradients, const ops::Arrays& steps,
             const std::vector<ops::OptionalArrays>& states, double weight_decay, double l1_decay, double clip_value,
             bool decoupled, bool maximize, Own... own) {
        step({rate, clip, parameters, gradients, steps, states},
             P{{weight_decay, l1_decay, clip_value, decoupled, maximize}, own...});
      },
      py::arg("rate"), py::arg("clip"), py::arg("parameters"), py::arg("gradients"), py::arg("steps"),
      py::arg("states"), py::arg("weight_decay"), py::arg("l1_decay"), py::arg("clip_value"), py::arg("decoupled"),
      py::arg("maximize"), py::arg(own_names)...);
}

}  // namespace

void register_optimizer(Module& m) {
  register_step<Sgd, double, double, bool>(m, "sgd", &ops::sgd, "momentum", "dampening", "nesterov");
  register_step<Adam, double, double, double>(m, "adam", &ops::adam, "beta1", "beta2", "eps");
  register_step<Nadam, double, double, double, double>(m, "nadam", &ops::nadam, "beta1", "beta2", "eps",
                                                       "momentum_decay");
  register_step<Adagrad, double, double>(m, "adagrad", &ops::adagrad, "lr_decay", "eps");
  register_step<RmsProp, double, double, double>(m, "rmsprop", &ops::rmsprop, "alpha", "eps", "momentum");
  register_step<Adadelta, double, double>(m, "adadelta", &ops::adadelta, "rho", "eps");
  register_step<Lamb, double, double, double>(m, "lamb", &ops::lamb, "beta1", "beta2", "eps");
  m.def("gradient_norm", &ops::gradient_norm, py::arg("clip"), py::arg("gradients"), py::arg("most"));
  m.def("scale_all", &ops::scale_all, py::arg("clip"), py::arg("tensors"));
  m.def("clip_all", &ops::clip_all, py::arg("tensors"), py::arg("bound"));
  m.def("zero_all", &ops::zero_all, py::arg("tensors"));
  m.def("max_norm", &ops::max_norm, py::arg("weight"), py::arg("most"));
}

}  // namespace tilegrad::bindings
