// How pybind11 turns Python objects into the core's types and back: so a binding is a signature and nothing else.
#pragma once

#include <pybind11/pybind11.h>

#include <optional>

#include "core/array.h"
#include "core/scalar.h"
#include "tensor/dtype_object.h"
#include "tensor/errors.h"
#include "tensor/tensor.h"

namespace pybind11::detail {

// A tensor's array; an array becomes a new tensor. None is no array: optional arguments are std::optional<Array>.
template <>
struct type_caster<tilegrad::Array> {
  PYBIND11_TYPE_CASTER(tilegrad::Array, const_name("Tensor"));
  bool load(handle source, bool) {
    if (!tilegrad::is_tensor(source.ptr())) return false;
    value = tilegrad::as_tensor(source.ptr())->array;
    return true;
  }
  static handle cast(tilegrad::Array array, return_value_policy, handle) { return tilegrad::wrap(std::move(array)); }
};

// A sequence of integers.
template <>
struct type_caster<tilegrad::Dims> {
  PYBIND11_TYPE_CASTER(tilegrad::Dims, const_name("Sequence[int]"));
  bool load(handle source, bool) {
    if (!PyTuple_Check(source.ptr()) && !PyList_Check(source.ptr())) return false;
    value = tilegrad::Dims();
    const Py_ssize_t count = PySequence_Size(source.ptr());
    for (Py_ssize_t i = 0; i < count; ++i) {
      const object element = reinterpret_steal<object>(PySequence_GetItem(source.ptr(), i));
      if (!element || !PyIndex_Check(element.ptr())) return false;
      const object number = reinterpret_steal<object>(PyNumber_Index(element.ptr()));
      if (!number) {  // an array looks like an index until it is asked for one
        PyErr_Clear();
        return false;
      }
      int overflow = 0;
      const long long size = PyLong_AsLongLongAndOverflow(number.ptr(), &overflow);
      if (overflow) {
        tilegrad::fail_without_op(tilegrad::ErrorKind::argument, "%s does not fit in 64 bits",
                                  std::string(str(number)).c_str());
      }
      value.push_back(size);
    }
    return true;
  }
  static handle cast(const tilegrad::Dims& dims, return_value_policy, handle) {
    tuple result(static_cast<size_t>(dims.size()));
    for (int d = 0; d < dims.size(); ++d) result[static_cast<size_t>(d)] = dims[d];
    return result.release();
  }
};

// The name of a device; None is the CPU.
template <>
struct type_caster<tilegrad::Device> {
  PYBIND11_TYPE_CASTER(tilegrad::Device, const_name("str | None"));
  bool load(handle source, bool) {
    value = {};
    if (source.is_none()) return true;
    if (!PyUnicode_Check(source.ptr())) return false;
    const char* text = PyUnicode_AsUTF8(source.ptr());
    if (!text) throw error_already_set();
    value = tilegrad::parse_device(text);
    return true;
  }
  static handle cast(tilegrad::Device device, return_value_policy, handle) {
    return PyUnicode_FromString(tilegrad::name(device));
  }
};

template <>
struct type_caster<tilegrad::DType> {
  tilegrad::DType value;
  static constexpr auto name = const_name("DType");
  template <typename T>
  using cast_op_type = tilegrad::DType;
  operator tilegrad::DType() const { return value; }
  bool load(handle source, bool) {
    value = tilegrad::parse_dtype(source.ptr());
    return true;
  }
  static handle cast(tilegrad::DType dtype, return_value_policy, handle) { return tilegrad::dtype_object(dtype); }
};

// A Python int, float or bool (or a NumPy scalar).
template <>
struct type_caster<tilegrad::Scalar> {
  std::optional<tilegrad::Scalar> value;
  static constexpr auto name = const_name("float");
  template <typename T>
  using cast_op_type = tilegrad::Scalar;
  operator tilegrad::Scalar() const { return *value; }
  bool load(handle source, bool) {
    PyObject* object = source.ptr();
    if (PyFloat_Check(object)) {
      value = tilegrad::Scalar(PyFloat_AS_DOUBLE(object));
      return true;
    }
    if (PyIndex_Check(object) || PyBool_Check(object)) {
      const pybind11::object number = reinterpret_steal<pybind11::object>(PyNumber_Index(object));
      if (!number) {
        PyErr_Clear();
        return false;
      }
      int overflow = 0;
      const long long integer = PyLong_AsLongLongAndOverflow(number.ptr(), &overflow);
      value =
          overflow ? tilegrad::Scalar(PyLong_AsDouble(number.ptr())) : tilegrad::Scalar(static_cast<int64_t>(integer));
      if (PyErr_Occurred()) throw error_already_set();
      return true;
    }
    if (PyNumber_Check(object) && !tilegrad::is_tensor(object) && !PySequence_Check(object)) {  // e.g. numpy.float32
      const double real = PyFloat_AsDouble(object);
      if (PyErr_Occurred()) {
        PyErr_Clear();
        return false;
      }
      value = tilegrad::Scalar(real);
      return true;
    }
    return false;
  }
};

}  // namespace pybind11::detail
