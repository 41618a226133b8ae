#include "tensor/subscript.h"

#include "tensor/errors.h"
#include "tensor/tensor.h"

namespace tilegrad {
namespace {

// Python's integers and NumPy's integer scalars; neither booleans nor arrays nor tensors.
bool is_integer_item(PyObject* item) {
  if (PyLong_Check(item)) return !PyBool_Check(item);
  return PyIndex_Check(item) && !is_tensor(item) && !PySequence_Check(item);
}

}  // namespace

std::optional<Array> basic_view(const char* op, const Array& x, PyObject* key) {
  const bool many = PyTuple_Check(key);
  PyObject* const* items = many ? &PyTuple_GET_ITEM(key, 0) : &key;
  const Py_ssize_t count = many ? PyTuple_GET_SIZE(key) : 1;
  int used = 0, ellipses = 0;
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* item = items[i];
    if (item == Py_Ellipsis) {
      ++ellipses;
    } else if (PySlice_Check(item) || is_integer_item(item)) {
      ++used;
    } else if (item != Py_None) {
      return std::nullopt;
    }
  }
  if (ellipses > 1) fail(ErrorKind::index, "%s: a key may hold one Ellipsis, found %d", op, ellipses);
  if (used > x.ndim()) {
    fail(ErrorKind::index, "%s: %d indices are too many for the %d axes of %s", op, used, x.ndim(), x.str().c_str());
  }
  Dims shape, strides;
  int64_t offset = x.offset();
  int axis = 0;
  const auto keep = [&](int until) {
    for (; axis < until; ++axis) {
      shape.push_back(x.size(axis));
      strides.push_back(x.stride(axis));
    }
  };
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* item = items[i];
    if (item == Py_None) {
      shape.push_back(1);
      strides.push_back(0);
    } else if (item == Py_Ellipsis) {
      keep(axis + x.ndim() - used);
    } else if (PySlice_Check(item)) {
      Py_ssize_t start, stop, step;
      if (PySlice_Unpack(item, &start, &stop, &step) < 0) throw PythonError();
      const Py_ssize_t length = PySlice_AdjustIndices(x.size(axis), &start, &stop, step);
      shape.push_back(length);
      strides.push_back(length > 1 ? x.stride(axis) * step : x.stride(axis));
      if (length > 0) offset += start * x.stride(axis);
      ++axis;
    } else {
      const Py_ssize_t given = PyNumber_AsSsize_t(item, PyExc_IndexError);
      if (given == -1 && PyErr_Occurred()) throw PythonError();
      const int64_t place = given < 0 ? given + x.size(axis) : given;
      if (place < 0 || place >= x.size(axis)) {
        fail(ErrorKind::index, "%s: index %lld is out of range for axis %d of %s", op, static_cast<long long>(given),
             axis, x.str().c_str());
      }
      offset += place * x.stride(axis++);
    }
  }
  keep(x.ndim());
  return Array(x.storage_ref(), offset, shape, strides, x.dtype());
}

}  // namespace tilegrad
