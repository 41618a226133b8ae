// The Python tensor: an Array and its place in the autograd graph. The type is written against CPython's own interface,
// not pybind11's, because every op makes one: allocating it is one tp_alloc, and Python's class Tensor derives from it.
#pragma once

#include <Python.h>

#include <memory>
#include <utility>

#include "core/array.h"
#include "tensor/autograd.h"

namespace tilegrad {

struct TensorObject {
  PyObject_HEAD Array array;
  Ref<Variable> variable;        // see variable_of()
  std::unique_ptr<ViewOf> view;  // null where the tensor is no view
  uint32_t writes;               // recorded ones, into this tensor or a view of it
};

// Owns one reference to a Python object.
class Object {
 public:
  Object() = default;
  explicit Object(PyObject* owned) : object_(owned) {}
  static Object borrowed(PyObject* object) { return Object(Py_XNewRef(object)); }
  Object(Object&& other) noexcept : object_(other.release()) {}
  Object& operator=(Object&& other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Object() { Py_XDECREF(object_); }
  PyObject* get() const { return object_; }
  PyObject* release() {
    PyObject* object = object_;
    object_ = nullptr;
    return object;
  }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  PyObject* object_ = nullptr;
};

// TensorBase, the type defined here; and the class that ops return: Python's Tensor once it is registered.
extern PyTypeObject* tensor_base_type;
extern PyTypeObject* tensor_class;

inline bool is_tensor(PyObject* object) { return PyObject_TypeCheck(object, tensor_base_type); }
inline TensorObject* as_tensor(PyObject* object) { return reinterpret_cast<TensorObject*>(object); }

// A new reference to a tensor of this array, outside any graph.
PyObject* wrap(Array array);

// A new tuple of integers; null with an exception set where there is no memory.
PyObject* tuple_of(const Dims& dims);

// Creates the type and adds it to the module.
void register_tensor_type(PyObject* module);

}  // namespace tilegrad
