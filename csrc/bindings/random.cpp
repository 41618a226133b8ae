#include "ops/random.h"

#include <pybind11/stl.h>

#include "bindings/bindings.h"
#include "ops/dropout.h"

namespace tilegrad::bindings {

void register_random(Module& m) {
  using ops::Bounds;
  m.def(
      "uniform_",
      [](const Array& y, const Array& state, double low, double high) { ops::random_uniform(y, state, {low, high}); },
      py::arg("y"), py::arg("state"), py::arg("low"), py::arg("high"));
  m.def(
      "normal_",
      [](const Array& y, const Array& state, double mean, double std) { ops::random_normal(y, state, {mean, std}); },
      py::arg("y"), py::arg("state"), py::arg("mean"), py::arg("std"));
  m.def(
      "truncated_normal_",
      [](const Array& y, const Array& state, double mean, double std) {
        ops::random_truncated_normal(y, state, {mean, std});
      },
      py::arg("y"), py::arg("state"), py::arg("mean"), py::arg("std"));
  m.def("randint_", &ops::random_integers, py::arg("y"), py::arg("state"), py::arg("low"), py::arg("high"));
  m.def("bernoulli_", &ops::random_choice, py::arg("y"), py::arg("state"), py::arg("p"));
  m.def("permutation", &ops::random_permutation, py::arg("n"), py::arg("state"));
  m.def("derived_seed", &ops::derived_seed, py::arg("seed"), py::arg("key"));
  m.def("dropout", &ops::dropout, py::arg("x"), py::arg("p"), py::arg("state"), "(y, mask)");
  m.def("spatial_dropout", &ops::spatial_dropout, py::arg("x"), py::arg("p"), py::arg("state"), "(y, mask)");
  m.def(
      "alpha_dropout",
      [](const Array& x, double p, const Array& state) {
        const ops::AlphaDropped out = ops::alpha_dropout(x, p, state);
        return py::make_tuple(out.y, out.mask, out.scale);
      },
      py::arg("x"), py::arg("p"), py::arg("state"), "(y, mask, the slope where the mask is 1)");
  m.def("masked_scale", &ops::masked_scale, py::arg("x"), py::arg("mask"), py::arg("scale"));
}

}  // namespace tilegrad::bindings
