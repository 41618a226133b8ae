#include "bindings/window.h"

namespace tilegrad::bindings {
namespace {

// Whether `value` is an integer that fits, and which.
bool to_integer(py::handle value, int64_t& number) {
  if (!PyIndex_Check(value.ptr()) || PyBool_Check(value.ptr())) return false;
  const py::object index = py::reinterpret_steal<py::object>(PyNumber_Index(value.ptr()));
  int overflow = 1;
  if (index) number = PyLong_AsLongLongAndOverflow(index.ptr(), &overflow);
  PyErr_Clear();
  return overflow == 0;
}

// Whether `value` is a sequence of two, and its elements.
bool to_two(py::handle value, py::object (&two)[2]) {
  if ((!PyTuple_Check(value.ptr()) && !PyList_Check(value.ptr())) || PySequence_Size(value.ptr()) != 2) return false;
  for (int i = 0; i < 2; ++i) two[i] = py::reinterpret_steal<py::object>(PySequence_GetItem(value.ptr(), i));
  return true;
}

bool to_integers(py::handle value, int64_t (&numbers)[2]) {
  py::object two[2];
  return to_two(value, two) && to_integer(two[0], numbers[0]) && to_integer(two[1], numbers[1]);
}

std::string text(py::handle value) { return py::repr(value).cast<std::string>(); }

}  // namespace

ops::Pair to_pair(const char* op, const char* argument, py::handle value) {
  int64_t both = 0, numbers[2] = {};
  if (to_integer(value, both)) return {both, both};
  if (to_integers(value, numbers)) return {numbers[0], numbers[1]};
  fail(ErrorKind::argument, "%s: %s must be an integer or two, (rows, columns); found %s", op, argument,
       text(value).c_str());
}

ops::Padding to_padding(const char* op, py::handle value) {
  using Rule = ops::Padding::Rule;
  int64_t all = 0, rows[2] = {}, columns[2] = {};
  py::object two[2];
  if (py::isinstance<py::str>(value)) {
    const std::string rule = value.cast<std::string>();
    if (rule == "valid") return {};
    if (rule == "same") return {.rule = Rule::same};
  } else if (to_integer(value, all)) {
    return {Rule::given, all, all, all, all};
  } else if (to_integers(value, rows)) {
    return {Rule::given, rows[0], rows[0], rows[1], rows[1]};
  } else if (to_two(value, two) && to_integers(two[0], rows) && to_integers(two[1], columns)) {
    return {Rule::given, rows[0], rows[1], columns[0], columns[1]};
  }
  fail(ErrorKind::argument,
       "%s: padding must be \"valid\", \"same\", an integer, (rows, columns) or ((top, bottom), "
       "(left, right)); found %s",
       op, text(value).c_str());
}

}  // namespace tilegrad::bindings
