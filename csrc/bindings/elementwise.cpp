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

// The operand of an op of one tensor.
const Array& tensor(const char* op, py::handle object) {
  if (is_tensor(object.ptr())) return as_tensor(object.ptr())->array;
  fail(ErrorKind::dtype, "%s: expected a tensor, found %s (tg.tensor() makes one from other data)", op,
       Py_TYPE(object.ptr())->tp_name);
}

}  // namespace

void register_elementwise(py::module_& m) {
#define KERNEL(name, DTYPES, ...)
#define CAST(name, To)
#define UNARY(name, DTYPES, formula) \
  m.def(#name, [](py::handle x) { return ops::name(tensor(#name, x)); }, py::arg("x"));
#define PREDICATE(name, DTYPES, formula) UNARY(name, DTYPES, formula)
#define BINARY(name, DTYPES, formula)                                                                              \
  m.def(                                                                                                           \
      #name,                                                                                                       \
      [](py::handle a, py::handle b) {                                                                             \
        const Array left = operand(#name, a, {b}); /* before the right one: errors name the first that is wrong */ \
        return ops::name(left, operand(#name, b, {a}));                                                            \
      },                                                                                                           \
      py::arg("a"), py::arg("b"));
#define COMPARISON(name, DTYPES, formula) BINARY(name, DTYPES, formula)
#define TERNARY(name, DTYPES, formula)                                                                     \
  m.def(                                                                                                   \
      #name,                                                                                               \
      [](py::handle a, py::handle b, py::handle c) {                                                       \
        return ops::name(operand(#name, a, {b, c}), operand(#name, b, {a, c}), operand(#name, c, {a, b})); \
      },                                                                                                   \
      py::arg("a"), py::arg("b"), py::arg("c"));
#include "elementwise.inc"
#undef KERNEL
  m.def("fused_multiply_add", &ops::fused_multiply_add, py::arg("a"), py::arg("b"), py::arg("c"));
  m.def("sin", [](py::handle x) { return ops::sin(tensor("sin", x)); }, py::arg("x"));
  m.def("cos", [](py::handle x) { return ops::cos(tensor("cos", x)); }, py::arg("x"));
  m.def("prelu", &ops::prelu, py::arg("x"), py::arg("slope"));
  m.def(
      "cast", [](py::handle x, DType dtype) { return ops::cast(tensor("astype", x), dtype); }, py::arg("x"),
      py::arg("dtype"));
  m.def(
      "where",
      [](py::handle condition, py::handle a, py::handle b) {
        return ops::where(tensor("where", condition), operand("where", a, {b}), operand("where", b, {a}));
      },
      py::arg("condition"), py::arg("a"), py::arg("b"));
  m.def(
      "clip",
      [](py::handle x, py::handle low, py::handle high) {
        const Array& bounded = tensor("clip", x);
        return ops::clip(bounded, bound(low, bounded), bound(high, bounded));
      },
      py::arg("x"), py::arg("low"), py::arg("high"));
  m.def(
      "clip_backward",
      [](const Array& g, const Array& x, py::handle low, py::handle high) {
        return ops::clip_backward(g, x, bound(low, x), bound(high, x));
      },
      py::arg("g"), py::arg("x"), py::arg("low"), py::arg("high"));
}

}  // namespace tilegrad::bindings
