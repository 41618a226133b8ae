// Sharing memory with other libraries: NumPy, Python's buffer protocol and DLPack, both ways.
#pragma once

#include <Python.h>

#include "core/array.h"
#include "tensor/tensor.h"

namespace tilegrad {

// A numpy.ndarray over the tensor's memory; read-only when the tensor requires a gradient, because writes that autograd
// cannot see would make gradients wrong. bfloat16 has no NumPy dtype and raises.
PyObject* to_numpy(TensorObject* tensor);

// An Array over a numpy.ndarray's memory. Refuses read-only arrays, byte-swapped or unknown dtypes and strides that are not
// whole elements.
Array from_numpy(PyObject* ndarray);

int get_buffer(PyObject* self, Py_buffer* view, int flags);
void release_buffer(PyObject* self, Py_buffer* view);

// tensor.__dlpack__(*, stream=None, max_version=None, dl_device=None, copy=None) and __dlpack_device__().
PyObject* to_dlpack(PyObject* self, PyObject* arguments, PyObject* keywords);
PyObject* dlpack_device(PyObject* self, PyObject*);

// An Array over the memory of any object with __dlpack__.
Array from_dlpack(PyObject* object);

}  // namespace tilegrad
