#include "tensor/overwritable.h"

#include <algorithm>

#include "ops/elementwise.h"
#include "ops/loop_nest.h"

namespace tilegrad {
namespace {

thread_local Overwritable* innermost = nullptr;

// kernel(a, b), in a's own memory where the rule may overwrite that.
PyObject* over_first(const KernelName<LoopNest<3>>& kernel, PyObject* a, const Array& b) {
  const Array& array = as_tensor(a)->array;
  ops::require_same_kind(kernel.name, array, b);
  const bool fits = ops::broadcast_shapes(kernel.name, array.shape(), b.shape()) == array.shape();
  if (!fits || !Overwritable::take(a)) return wrap(ops::binary(kernel, array, b));
  ops::binary_into(kernel, array, b, array);
  return Py_NewRef(a);
}

}  // namespace

bool exclusively_owned(PyObject* tensor) {
  const Array& array = as_tensor(tensor)->array;
  return Py_REFCNT(tensor) == 1 && array.storage()->is_exclusive() && array.is_contiguous();
}

Overwritable::Overwritable(PyObject* gradient, PyObject* saved) : outer_(innermost) {
  if (gradient) add(gradient);
  for (Py_ssize_t i = 0; saved && i < PyTuple_GET_SIZE(saved); ++i) {
    PyObject* const value = PyTuple_GET_ITEM(saved, i);
    if (is_tensor(value)) add(value);
  }
  innermost = this;
}
Overwritable::~Overwritable() { innermost = outer_; }

void Overwritable::add(PyObject* tensor) {
  if (count_ < kMost && exclusively_owned(tensor)) tensors_[count_++] = tensor;
}

bool Overwritable::take(PyObject* tensor) {
  if (!innermost) return false;
  PyObject** const end = innermost->tensors_ + innermost->count_;
  PyObject** const found = std::find(innermost->tensors_, end, tensor);
  if (found == end) return false;
  *found = nullptr;
  return true;
}

PyObject* activation_backward(PyObject* grad, PyObject* out, Activation activation) {
  const auto& kernel = activation == Activation::relu      ? kernels::relu_backward
                       : activation == Activation::sigmoid ? kernels::sigmoid_backward
                                                           : kernels::tanh_backward;
  PyObject* const result = over_first(kernel, grad, as_tensor(out)->array);
  if (Overwritable::take(out)) as_tensor(out)->array = Array::empty({0}, as_tensor(out)->array.dtype());
  return result;
}

PyObject* scaled_gradient(PyObject* gradient, const Array& by) { return over_first(kernels::multiply, gradient, by); }

}  // namespace tilegrad
