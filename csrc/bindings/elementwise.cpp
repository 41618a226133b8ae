#include "ops/elementwise.h"

#include "bindings/bindings.h"
#include "ops/creation.h"

namespace tilegrad::bindings {
namespace {

// A binary op takes two tensors, or a tensor and a number, which takes the tensor's dtype.
Array operand(const char* op, py::handle object, py::handle other) {
  if (is_tensor(object.ptr())) return as_tensor(object.ptr())->array;
  py::detail::make_caster<Scalar> number;
  if (!is_tensor(other.ptr()) || !number.load(object, true)) {
    fail(ErrorKind::dtype, "%s: expected two tensors, or a tensor and a number; found %s and %s (tg.tensor() makes a tensor "
         "from other data)", op, Py_TYPE(object.ptr())->tp_name, Py_TYPE(other.ptr())->tp_name);
  }
  const Array& tensor = as_tensor(other.ptr())->array;
  return ops::scalar(op, py::detail::cast_op<Scalar>(number), tensor.dtype(), tensor.device());
}

}  // namespace

void register_elementwise(py::module_& m) {
#define KERNEL(name, DTYPES, ...)
#define UNARY(name, DTYPES, formula) m.def(#name, &ops::name, py::arg("x"));
#define BINARY(name, DTYPES, formula)                                                              \
  m.def(                                                                                           \
      #name,                                                                                       \
      [](py::handle a, py::handle b) { return ops::name(operand(#name, a, b), operand(#name, b, a)); }, \
      py::arg("a"), py::arg("b"));
#include "kernels.inc"
#undef KERNEL
}

}  // namespace tilegrad::bindings
