#include "ops/optimizer.h"

#include <cmath>

#include "core/launch.h"
#include "ops/creation.h"
#include "ops/views.h"

namespace tilegrad::ops {
namespace {

using Operands = std::vector<Operand>;
constexpr DType kRealTypes[] = {DType::float32, DType::float64};

void require_real(const char* op, const char* what, size_t position, const Array& array) {
  if (array.dtype() != DType::float32 && array.dtype() != DType::float64) {
    fail(ErrorKind::dtype, "%s: %s %zu must be float32 or float64, found %s", op, what, position, array.str().c_str());
  }
}

void require_like(const char* op, const char* what, size_t position, const Array& array, const Array& parameter) {
  if (!(array.shape() == parameter.shape()) || array.dtype() != parameter.dtype()) {
    fail(ErrorKind::shape, "%s: %s %zu is %s, expected the parameter's %s", op, what, position, array.str().c_str(),
         parameter.str().c_str());
  }
}

void require_contiguous(const char* op, const char* what, size_t position, const Array& array) {
  if (!array.is_contiguous()) {
    fail(ErrorKind::argument,
         "%s: %s %zu is a strided view (%s, strides %s) and cannot be updated in place; make it with "
         "tg.contiguous()",
         op, what, position, array.str().c_str(), array.strides().str().c_str());
  }
}

void require_numbers(const char* op, const char* what, const Array& array, DType dtype, int64_t count) {
  if (array.dtype() != dtype || array.numel() != count || !array.is_contiguous()) {
    fail(ErrorKind::argument, "%s: %s must be %s [%lld], found %s", op, what, name(dtype),
         static_cast<long long>(count), array.str().c_str());
  }
}

void require_count(const char* op, const char* what, size_t found, size_t expected) {
  if (found != expected) {
    fail(ErrorKind::argument, "%s: found %zu %s for %zu parameters", op, found, what, expected);
  }
}

// Everything is checked before the first launch. Returns the gradients, contiguous.
OptionalArrays check(const char* op, const OptimizerArrays& arrays) {
  const size_t count = arrays.parameters.size();
  require_count(op, "gradients", arrays.gradients.size(), count);
  require_count(op, "step counters", arrays.steps.size(), count);
  require_numbers(op, "the rate", arrays.rate, DType::float64, 1);
  if (arrays.clip) require_numbers(op, "the clip", *arrays.clip, DType::float64, 2);
  OptionalArrays gradients = arrays.gradients;
  for (size_t i = 0; i < count; ++i) {
    const Array& parameter = arrays.parameters[i];
    require_real(op, "parameter", i, parameter);
    require_contiguous(op, "parameter", i, parameter);
    require_numbers(op, "a step counter", arrays.steps[i], DType::int64, 1);
    if (!gradients[i]) continue;
    require_like(op, "gradient", i, *gradients[i], parameter);
    gradients[i] = contiguous(*gradients[i]);
  }
  return gradients;
}

void check_state(const char* op, const char* what, size_t position, const Array& state, const Array& parameter) {
  require_like(op, what, position, state, parameter);
  require_contiguous(op, what, position, state);
}

Operands shared_operands(const OptimizerArrays& arrays) {
  return {reads(arrays.rate), arrays.clip ? reads(*arrays.clip) : Operand{nullptr, Access::read}};
}

double elements(const Operands& operands) {
  double sum = 0;
  for (const Operand& operand : operands) sum += operand.array ? static_cast<double>(operand.array->numel()) : 0;
  return sum;
}

}  // namespace

void sgd(const OptimizerArrays& arrays, const OptionalArrays& velocities, const Sgd& options) {
  const OptionalArrays gradients = check("SGD", arrays);
  require_count("SGD", "velocities", velocities.size(), arrays.parameters.size());
  for (size_t i = 0; i < velocities.size(); ++i) {
    if (velocities[i]) check_state("SGD", "velocity", i, *velocities[i], arrays.parameters[i]);
  }
  for (DType dtype : kRealTypes) {
    Operands operands = shared_operands(arrays);
    for (size_t i = 0; i < gradients.size(); ++i) {
      if (!gradients[i] || gradients[i]->dtype() != dtype) continue;
      operands.push_back(updates(arrays.parameters[i]));
      operands.push_back(reads(*gradients[i]));
      operands.push_back(velocities[i] ? updates(*velocities[i]) : Operand{nullptr, Access::update});
      operands.push_back(updates(arrays.steps[i]));
    }
    if (operands.size() == 2) continue;
    launch(kernels::sgd, dtype, options, operands, Cost::elements(elements(operands), 0.06));
  }
}

void adam(const OptimizerArrays& arrays, const Arrays& first_moments, const Arrays& second_moments,
          const Adam& options) {
  const OptionalArrays gradients = check("Adam", arrays);
  require_count("Adam", "first moments", first_moments.size(), arrays.parameters.size());
  require_count("Adam", "second moments", second_moments.size(), arrays.parameters.size());
  for (size_t i = 0; i < first_moments.size(); ++i) {
    check_state("Adam", "first moment", i, first_moments[i], arrays.parameters[i]);
    check_state("Adam", "second moment", i, second_moments[i], arrays.parameters[i]);
  }
  for (DType dtype : kRealTypes) {
    Operands operands = shared_operands(arrays);
    for (size_t i = 0; i < gradients.size(); ++i) {
      if (!gradients[i] || gradients[i]->dtype() != dtype) continue;
      operands.push_back(updates(arrays.parameters[i]));
      operands.push_back(reads(*gradients[i]));
      operands.push_back(updates(first_moments[i]));
      operands.push_back(updates(second_moments[i]));
      operands.push_back(updates(arrays.steps[i]));
    }
    if (operands.size() == 2) continue;
    launch(kernels::adam, dtype, options, operands, Cost::elements(elements(operands), 0.1));
  }
}

void gradient_norm(const Array& clip, const OptionalArrays& given, double most) {
  const char* op = "clip_norm";
  require_numbers(op, "the clip", clip, DType::float64, 2);
  if (!(most >= 0)) fail(ErrorKind::argument, "%s: the largest norm must not be negative, found %g", op, most);
  Arrays gradients;
  int64_t chunks = 0;
  for (size_t i = 0; i < given.size(); ++i) {
    if (!given[i]) continue;
    require_real(op, "gradient", i, *given[i]);
    if (!gradients.empty() && gradients[0].dtype() != given[i]->dtype()) {
      fail(ErrorKind::dtype, "%s: gradients have dtypes %s and %s; clip the groups of each dtype on their own", op,
           name(gradients[0].dtype()), name(given[i]->dtype()));
    }
    gradients.push_back(contiguous(*given[i]));
    chunks += (given[i]->numel() + 1023) / 1024;
  }
  Operands operands{writes(clip)};
  for (const Array& gradient : gradients) operands.push_back(reads(gradient));
  launch(kernels::gradient_norm, gradients.empty() ? DType::float32 : gradients[0].dtype(), {most}, operands,
         Cost::elements(elements(operands), 0.15), static_cast<size_t>(chunks) * sizeof(double));
}

namespace {

// Launches a kernel over the tensors of each dtype; strided ones go through a copy.
template <typename P>
void for_all(const char* op, const KernelName<P>& kernel, const P& options, const Array* first, const Arrays& tensors) {
  for (size_t i = 0; i < tensors.size(); ++i) require_real(op, "tensor", i, tensors[i]);
  for (DType dtype : kRealTypes) {
    Arrays dense;
    std::vector<size_t> positions;
    for (size_t i = 0; i < tensors.size(); ++i) {
      if (tensors[i].dtype() != dtype) continue;
      dense.push_back(contiguous(tensors[i]));
      positions.push_back(i);
    }
    if (dense.empty()) continue;
    Operands operands;
    if (first) operands.push_back(reads(*first));
    for (const Array& tensor : dense) operands.push_back(updates(tensor));
    launch(kernel, dtype, options, operands, Cost::elements(elements(operands), 0.1));
    for (size_t k = 0; k < dense.size(); ++k) {
      if (!tensors[positions[k]].is_contiguous()) copy_into(dense[k], tensors[positions[k]]);
    }
  }
}

}  // namespace

void scale_all(const Array& clip, const Arrays& tensors) {
  require_numbers("clip_norm", "the clip", clip, DType::float64, 2);
  for_all("clip_norm", kernels::scale_all, NoParams{}, &clip, tensors);
}

void clip_all(const Arrays& tensors, double bound) {
  if (!(bound >= 0)) fail(ErrorKind::argument, "clip_grad_value_: the bound must not be negative, found %g", bound);
  for_all("clip_grad_value_", kernels::clip_all, ClipValues{bound}, nullptr, tensors);
}

void zero_all(const Arrays& tensors) { for_all("zero_grad", kernels::zero_all, NoParams{}, nullptr, tensors); }

}  // namespace tilegrad::ops
