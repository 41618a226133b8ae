// The Python tensor: an Array and its place in the autograd graph. The type is written against CPython's own interface,
// not pybind11's, because every op makes one: allocating it is one tp_alloc, and Python's class Tensor derives from it.
#pragma once

#include <Python.h>

#include "core/array.h"
#include "tensor/autograd.h"

namespace tilegrad {

struct TensorObject {
  PyObject_HEAD Array array;
  Ref<Variable> variable;  // null while no gradient is wanted
};

// TensorBase, the type defined here; and the class that ops return: Python's Tensor once it is registered.
extern PyTypeObject* tensor_base_type;
extern PyTypeObject* tensor_class;

inline bool is_tensor(PyObject* object) { return PyObject_TypeCheck(object, tensor_base_type); }
inline TensorObject* as_tensor(PyObject* object) { return reinterpret_cast<TensorObject*>(object); }

// A new reference to a tensor of this array, outside any graph.
PyObject* wrap(Array array);

// Creates the type and adds it to the module.
void register_tensor_type(PyObject* module);

}  // namespace tilegrad
