#include "ops/elementwise.h"

#include <initializer_list>

#include "bindings/bindings.h"
#include "ops/creation.h"

namespace tilegrad::bindings {
namespace {

// One operand of an op that takes tensors and numbers: a number takes the dtype of the first tensor among the others.
Array operand(const char* op, py::handle object, std::initializer_list<py::handle> others) {
  if (is_tensor(object.ptr())) return as_tensor(object.ptr())->array;
  py::handle other = object;
  for (py::handle candidate : others) {
    other = candidate;
    if (is_tensor(other.ptr())) break;
  }
  py::detail::make_caster<Scalar> number;
  if (!is_tensor(other.ptr()) || !number.load(object, true)) {
    fail(ErrorKind::dtype,
         "%s: expected two tensors, or a tensor and a number; found %s and %s (tg.tensor() makes a tensor from other "
         "data)",
         op, Py_TYPE(object.ptr())->tp_name, Py_TYPE(other.ptr())->tp_name);
  }
  const Array& tensor = as_tensor(other.ptr())->array;
  return ops::scalar(op, py::detail::cast_op<Scalar>(number), tensor.dtype(), tensor.device());
}

// A bound of clip: a tensor, or a number, which takes the dtype of x.
Array bound(py::handle object, const Array& x) {
  if (is_tensor(object.ptr())) return as_tensor(object.ptr())->array;
  py::detail::make_caster<Scalar> number;
  if (!number.load(object, true)) {
    fail(ErrorKind::dtype, "clip: a bound must be a tensor or a number, found %s", Py_TYPE(object.ptr())->tp_name);
  }
  return ops::scalar("clip", py::detail::cast_op<Scalar>(number), x.dtype(), x.device());
}

// Ops of tensors and numbers: one function of the extension for all of two operands, one for all of three.
struct OfTwo {
  const char* op;
  Array (*function)(const Array& a, const Array& b);

  Array operator()(py::handle a, py::handle b) const {
    const Array left = operand(op, a, {b});  // before the right one: errors name the first that is wrong
    return function(left, operand(op, b, {a}));
  }
};
struct OfThree {
  const char* op;
  Array (*function)(const Array& a, const Array& b, const Array& c);

  Array operator()(py::handle a, py::handle b, py::handle c) const {
    const Array first = operand(op, a, {b, c}), second = operand(op, b, {a, c});
    return function(first, second, operand(op, c, {a, b}));
  }
};

}  // namespace

void register_elementwise(Module& m) {
#define KERNEL(name, DTYPES, ...)
#define CAST(name, To)
#define UNARY(name, DTYPES, formula) m.def(#name, &ops::name, py::arg("x"));
#define PREDICATE(name, DTYPES, formula) UNARY(name, DTYPES, formula)
#define BINARY(name, DTYPES, formula) m.def(#name, OfTwo{#name, &ops::name}, py::arg("a"), py::arg("b"));
#define COMPARISON(name, DTYPES, formula) BINARY(name, DTYPES, formula)
#define TERNARY(name, DTYPES, formula) \
  m.def(#name, OfThree{#name, &ops::name}, py::arg("a"), py::arg("b"), py::arg("c"));
#include "elementwise.inc"
#undef KERNEL
  m.def("fused_multiply_add", &ops::fused_multiply_add, py::arg("a"), py::arg("b"), py::arg("c"));
  m.def("sin", &ops::sin, py::arg("x"));
  m.def("cos", &ops::cos, py::arg("x"));
  m.def("prelu", &ops::prelu, py::arg("x"), py::arg("slope"));
  m.def("astype", &ops::cast, py::arg("x"), py::arg("dtype"));
  m.def(
      "where",
      [](const Array& condition, py::handle a, py::handle b) {
        return ops::where(condition, operand("where", a, {b}), operand("where", b, {a}));
      },
      py::arg("condition"), py::arg("a"), py::arg("b"));
  m.def(
      "clip",
      [](const Array& x, py::handle low, py::handle high) { return ops::clip(x, bound(low, x), bound(high, x)); },
      py::arg("x"), py::arg("low"), py::arg("high"));
  m.def(
      "clip_backward",
      [](const Array& g, const Array& x, py::handle low, py::handle high) {
        return ops::clip_backward(g, x, bound(low, x), bound(high, x));
      },
      py::arg("g"), py::arg("x"), py::arg("low"), py::arg("high"));
}

}  // namespace tilegrad::bindings
