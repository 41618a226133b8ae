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

Operands shared_operands(const OptimizerArrays& arrays) {
  return {reads(arrays.rate), arrays.clip ? reads(*arrays.clip) : Operand{nullptr, Access::read}};
}

double elements(const Operands& operands) {
  double sum = 0;
  for (const Operand& operand : operands) sum += operand.array ? static_cast<double>(operand.array->numel()) : 0;
  return sum;
}

constexpr int64_t kSumChunk = 1024;  // cpu/sum_order.h

int64_t chunks_of(const Array& array) { return (array.numel() + kSumChunk - 1) / kSumChunk; }

// A piece of an optimizer's state: one array for each parameter, like it or of one double.
struct Slot {
  const char *one, *several;
  enum { always, optional, number } kind = always;
};

void check_slot(const char* op, const Slot& slot, const OptionalArrays& arrays, const Arrays& parameters) {
  require_count(op, slot.several, arrays.size(), parameters.size());
  for (size_t i = 0; i < arrays.size(); ++i) {
    if (!arrays[i]) {
      if (slot.kind != Slot::optional) fail(ErrorKind::argument, "%s: %s %zu is None", op, slot.one, i);
    } else if (slot.kind == Slot::number) {
      require_numbers(op, slot.one, *arrays[i], DType::float64, 1);
    } else {
      require_like(op, slot.one, i, *arrays[i], parameters[i]);
      require_contiguous(op, slot.one, i, *arrays[i]);
    }
  }
}

// One launch for the parameters of each dtype that have gradients. `each` is about how many nanoseconds an element
// takes, `bytes_per_chunk` what a chunk of 1024 elements needs as workspace.
template <typename P>
void step(const char* op, const KernelName<P>& kernel, const OptimizerArrays& arrays, std::initializer_list<Slot> slots,
          const P& options, double each, size_t bytes_per_chunk = 0) {
  const OptionalArrays gradients = check(op, arrays);
  require_count(op, "pieces of state", arrays.states.size(), slots.size());
  for (size_t s = 0; s < slots.size(); ++s) check_slot(op, slots.begin()[s], arrays.states[s], arrays.parameters);
  for (DType dtype : kRealTypes) {
    Operands operands = shared_operands(arrays);
    int64_t chunks = 0;
    for (size_t i = 0; i < gradients.size(); ++i) {
      if (!gradients[i] || gradients[i]->dtype() != dtype) continue;
      operands.push_back(updates(arrays.parameters[i]));
      operands.push_back(reads(*gradients[i]));
      for (const OptionalArrays& state : arrays.states) {
        operands.push_back(state[i] ? updates(*state[i]) : Operand{nullptr, Access::update});
      }
      operands.push_back(updates(arrays.steps[i]));
      chunks += chunks_of(arrays.parameters[i]);
    }
    if (operands.size() == 2) continue;
    launch(kernel, dtype, options, operands, Cost::elements(elements(operands), each),
           static_cast<size_t>(chunks) * bytes_per_chunk);
  }
}

constexpr Slot kFirstMoment{"first moment", "first moments"}, kSecondMoment{"second moment", "second moments"};
constexpr Slot kVelocity{"velocity", "velocities", Slot::optional}, kMeanSquare{"mean square", "mean squares"};

}  // namespace

void sgd(const OptimizerArrays& arrays, const Sgd& options) {
  step("SGD", kernels::sgd, arrays, {kVelocity}, options, 0.06);
}

void adam(const OptimizerArrays& arrays, const Adam& options) {
  const Slot largest{"largest second moment", "largest second moments", Slot::optional};
  step("Adam", kernels::adam, arrays, {kFirstMoment, kSecondMoment, largest}, options, 0.1);
}

void nadam(const OptimizerArrays& arrays, const Nadam& options) {
  const Slot product{"the product of momenta", "products of momenta", Slot::number};
  step("NAdam", kernels::nadam, arrays, {kFirstMoment, kSecondMoment, product}, options, 0.1);
}

void adagrad(const OptimizerArrays& arrays, const Adagrad& options) {
  step("Adagrad", kernels::adagrad, arrays, {{"sum of squares", "sums of squares"}}, options, 0.1);
}

void rmsprop(const OptimizerArrays& arrays, const RmsProp& options) {
  const Slot mean{"mean", "means", Slot::optional};
  step("RMSprop", kernels::rmsprop, arrays, {kMeanSquare, mean, kVelocity}, options, 0.1);
}

void adadelta(const OptimizerArrays& arrays, const Adadelta& options) {
  const Slot of_steps{"mean squared step", "mean squared steps"};
  step("Adadelta", kernels::adadelta, arrays, {kMeanSquare, of_steps}, options, 0.15);
}

void lamb(const OptimizerArrays& arrays, const Lamb& options) {
  step("LAMB", kernels::lamb, arrays, {kFirstMoment, kSecondMoment}, options, 0.25, 2 * sizeof(double));
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
    chunks += chunks_of(*given[i]);
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

void max_norm(const Array& weight, double most) {
  const char* op = "max_norm_";
  require_real(op, "weight", 0, weight);
  require_contiguous(op, "weight", 0, weight);
  if (weight.ndim() < 2) {
    fail(ErrorKind::shape, "%s: a weight has at least two axes, [in, out], found %s", op, weight.str().c_str());
  }
  if (!(most > 0)) fail(ErrorKind::argument, "%s: the largest norm must be above 0, found %g", op, most);
  const int64_t columns = weight.shape()[weight.ndim() - 1];
  if (weight.numel() == 0) return;
  launch(kernels::max_norm, weight.dtype(), {weight.numel() / columns, columns, most}, {updates(weight)},
         Cost::elements(static_cast<double>(weight.numel()), 0.4));
}

}  // namespace tilegrad::ops
