#include "ops/inplace.h"

#include "bindings/bindings.h"
#include "ops/creation.h"

namespace tilegrad::bindings {
namespace {

// What is written into x: a tensor, or a number, which takes x's dtype.
Array value_for(const char* op, const Array& x, py::handle value) {
  if (is_tensor(value.ptr())) return as_tensor(value.ptr())->array;
  py::detail::make_caster<Scalar> number;
  if (!number.load(value, true)) {
    fail(ErrorKind::dtype, "%s: expected a tensor or a number, found %s", op, Py_TYPE(value.ptr())->tp_name);
  }
  return ops::scalar(op, py::detail::cast_op<Scalar>(number), x.dtype(), x.device());
}

struct InPlace {
  const KernelName<LoopNest<3>>* kernel;

  void operator()(const char* op, const Array& x, py::handle other) const {
    ops::binary_in_place(op, *kernel, x, value_for(op, x, other));
  }
};

}  // namespace

void register_inplace(Module& m) {
  // Every BINARY line of kernels.inc as x = name(x, other); `op` is the name that errors give.
#define KERNEL(name, DTYPES, ...)
#define UNARY(name, DTYPES, formula)
#define BINARY(name, DTYPES, formula) \
  m.def(#name "_", InPlace{&kernels::name}, py::arg("op"), py::arg("x"), py::arg("other"));
#include "kernels.inc"
#undef KERNEL
  m.def(
      "assign", [](const char* op, const Array& x, py::handle value) { ops::assign(op, x, value_for(op, x, value)); },
      py::arg("op"), py::arg("x"), py::arg("value"), "Writes a tensor or a number, broadcast, into x.");
  m.def("may_overlap", &ops::may_overlap, py::arg("a"), py::arg("b"));
  m.def(
      "as_tensor_like", [](const char* op, const Array& x, py::handle value) { return value_for(op, x, value); },
      py::arg("op"), py::arg("x"), py::arg("value"), "The tensor itself, or a number as a 0-d tensor of x's dtype.");
}

}  // namespace tilegrad::bindings
