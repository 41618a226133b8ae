#include "ops/augment.h"

#include <pybind11/stl.h>

#include <algorithm>

#include "bindings/bindings.h"

namespace tilegrad::bindings {
namespace {

// (kind, border, nearest, fill, number, probability, rows, columns, values)
using Step = std::tuple<int, int, bool, float, int64_t, double, int64_t, int64_t, std::vector<double>>;

AugmentStep to_step(const Step& given) {
  AugmentStep step{};
  std::vector<double> values;
  int kind, border;
  std::tie(kind, border, step.nearest, step.fill, step.number, step.probability, step.rows, step.columns, values) =
      given;
  step.kind = static_cast<AugmentKind>(kind);
  step.border = static_cast<AugmentBorder>(border);
  if (values.size() > std::size(step.values)) fail(ErrorKind::argument, "augment: a step has too many values");
  std::copy(values.begin(), values.end(), step.values);
  return step;
}

}  // namespace

void register_augment(Module& m) {
  using OptionalArray = std::optional<Array>;
  m.def(
      "augment",
      [](const Array& x, const Array& rows, const Array& samples, const Array& key, const OptionalArray& scales,
         const OptionalArray& partners, const OptionalArray& shares, const std::vector<Step>& steps) {
        std::vector<AugmentStep> native(steps.size());
        std::transform(steps.begin(), steps.end(), native.begin(), &to_step);
        return ops::augment(
            {x, rows, samples, key, scales.value_or(Array()), partners.value_or(Array()), shares.value_or(Array())},
            native);
      },
      py::arg("x"), py::arg("rows"), py::arg("samples"), py::arg("key"), py::arg("scales"), py::arg("partners"),
      py::arg("shares"), py::arg("steps"),
      "Images rows[n] of x after the steps (kind, border, nearest, fill, number, probability, rows, columns, values) of "
      "csrc/params/augment.h.");
}

}  // namespace tilegrad::bindings
