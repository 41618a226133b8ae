#include "bindings/function.h"

#include <algorithm>
#include <cstring>

namespace tilegrad::bindings {
namespace {

// A value as errors show it: what Python writes where that is one short line, else its type.
std::string found_text(PyObject* value) {
  const auto is_plain = [value](auto*... types) { return (PyObject_TypeCheck(value, types) || ...); };
  constexpr size_t kLongest = 60;
  if (value == Py_None ||
      is_plain(&PyLong_Type, &PyFloat_Type, &PyUnicode_Type, &PyBytes_Type, &PyTuple_Type, &PyList_Type)) {
    const std::string text = py::repr(value).cast<std::string>();
    if (text.size() <= kLongest && text.find('\n') == std::string::npos) return text;
  }
  return Py_TYPE(value)->tp_name;
}

std::string listed(const std::vector<Parameter>& parameters) {
  std::string text;
  for (const Parameter& parameter : parameters) text += (text.empty() ? "" : ", ") + parameter.name;
  return text.empty() ? "none" : text;
}

bool is_too_large(PyObject* value) {
  int overflow = 0;
  if (PyLong_Check(value)) PyLong_AsLongLongAndOverflow(value, &overflow);
  return overflow != 0;
}

// Where a sequence of tensors holds something else.
Py_ssize_t first_other(PyObject* sequence) {
  const Py_ssize_t count = PySequence_Size(sequence);
  for (Py_ssize_t i = 0; i < count; ++i) {
    const auto element = py::reinterpret_steal<py::object>(PySequence_GetItem(sequence, i));
    if (element && !is_tensor(element.ptr())) return i;
  }
  PyErr_Clear();
  return -1;
}

}  // namespace

void Function::arrange(PyObject* const* given, Py_ssize_t count, PyObject* keywords, PyObject** values) const {
  if (count > static_cast<Py_ssize_t>(parameters.size())) {
    throw py::type_error(name + ": " + std::to_string(count) + " arguments for " + listed(parameters));
  }
  std::fill(std::copy_n(given, count, values), values + parameters.size(), nullptr);
  const Py_ssize_t named = keywords ? PyTuple_GET_SIZE(keywords) : 0;
  for (Py_ssize_t k = 0; k < named; ++k) {
    PyObject* const keyword = PyTuple_GET_ITEM(keywords, k);
    const auto parameter = std::find_if(parameters.begin(), parameters.end(), [keyword](const Parameter& candidate) {
      return PyUnicode_CompareWithASCIIString(keyword, candidate.name.c_str()) == 0;
    });
    const std::string word = py::str(keyword);
    if (parameter == parameters.end()) {
      throw py::type_error(name + ": no argument is called " + word + "; there are " + listed(parameters));
    }
    PyObject*& value = values[parameter - parameters.begin()];
    if (value) throw py::type_error(name + ": " + word + " is given twice");
    value = given[count + k];
  }
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (!values[i]) values[i] = parameters[i].fallback;
    if (!values[i]) throw py::type_error(name + ": " + parameters[i].name + " is missing");
  }
}

void Function::refuse(size_t index, PyObject* const* values) const {
  const Parameter& parameter = parameters[index];
  PyObject* const value = values[index];
  const std::string op = this->op(values), expected = parameter.expected();
  std::string argument = parameter.name, found = found_text(value);
  if (parameter.thing == Thing::integers && is_too_large(value)) {
    fail(ErrorKind::argument, "%s: %s %s does not fit in 64 bits", op.c_str(), argument.c_str(), found.c_str());
  }
  if (parameter.thing == Thing::tensor) {
    fail(ErrorKind::dtype, "%s: %s must be %s, found %s; tg.tensor() makes one from other data", op.c_str(),
         argument.c_str(), expected.c_str(), Py_TYPE(value)->tp_name);
  }
  if (parameter.thing == Thing::tensors && PySequence_Check(value) && !PyUnicode_Check(value)) {
    const Py_ssize_t other = first_other(value);
    if (other >= 0) {
      const auto element = py::reinterpret_steal<py::object>(PySequence_GetItem(value, other));
      fail(ErrorKind::dtype, "%s: %s[%zd] must be a tensor, found %s; tg.tensor() makes one from other data",
           op.c_str(), argument.c_str(), other, Py_TYPE(element.ptr())->tp_name);
    }
  }
  fail(parameter.kind, "%s: %s must be %s, found %s", op.c_str(), argument.c_str(), expected.c_str(), found.c_str());
}

std::string Function::op(PyObject* const* values) const {
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (parameters[i].name == "op" && values[i] && PyUnicode_Check(values[i])) return py::str(values[i]);
  }
  return name_in_errors.value_or(name.substr(0, name.find_last_not_of('_') + 1));  // fill_: fill
}

PyObject* Function::failed(PyObject* const* values) const {
  try {
    throw;
  } catch (const Error& error) {
    const std::string missing = error.names_op ? "" : op(values);
    set_python_error(error.kind, (missing.empty() ? "" : missing + ": ") + error.what());
  } catch (...) {
    set_python_error();
  }
  return nullptr;
}

void name_parameter(Function& function, size_t index, const py::arg& given) {
  function.parameters[index].name = given.name;
}

void name_parameter(Function& function, size_t index, const py::arg_v& given) {
  function.parameters[index].name = given.name;
  function.parameters[index].fallback = given.value.inc_ref().ptr();
}

// pybind11 writes "@int@float@" for a type that parameters and results give different names.
std::string type_text(const char* pybind11_text, bool of_parameter) {
  std::string text;
  int alternative = 0;  // 1 for parameters, 2 for results
  for (const char* c = pybind11_text; *c; ++c) {
    if (*c == '@') {
      alternative = (alternative + 1) % 3;
    } else if (!alternative || (alternative == 1) == of_parameter) {
      text += *c;
    }
  }
  return text;
}

void add(PyObject* module, Function* function, const std::string& result, PyCFunction call) {
  std::string signature;
  for (const Parameter& parameter : function->parameters) {
    signature += (signature.empty() ? "" : ", ") + parameter.name + ": " + parameter.type;
    if (parameter.fallback) signature += " = " + py::repr(parameter.fallback).cast<std::string>();
  }
  if ((signature + result).find('%') != std::string::npos) {  // what pybind11 writes for a class of C++
    throw std::logic_error(function->name + ": a type has no name in Python");
  }
  const std::string about = function->doc.empty() ? "" : "\n\n" + function->doc;
  function->doc = function->name + "(" + signature + ") -> " + result + about;
  function->method = {function->name.c_str(), call, METH_FASTCALL | METH_KEYWORDS, function->doc.c_str()};
  const auto self = py::reinterpret_steal<py::object>(PyCapsule_New(function, nullptr, nullptr));
  const auto owner = py::reinterpret_steal<py::object>(PyModule_GetNameObject(module));
  if (!self || !owner) throw py::error_already_set();
  const auto made = py::reinterpret_steal<py::object>(PyCFunction_NewEx(&function->method, self.ptr(), owner.ptr()));
  if (!made || PyModule_AddObjectRef(module, function->name.c_str(), made.ptr()) < 0) throw py::error_already_set();
}

}  // namespace tilegrad::bindings
