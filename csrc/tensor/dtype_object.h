// tg.float32 and its siblings: one Python object per dtype.
#pragma once

#include <Python.h>

#include "core/dtype.h"

namespace tilegrad {

// Creates the DType type and its eight objects and adds them to the module.
void register_dtypes(PyObject* module);

// A new reference to the dtype's object.
PyObject* dtype_object(DType dtype);

// From a tg dtype, a name such as "float32", or anything that numpy.dtype() understands. Raises DTypeError otherwise.
DType parse_dtype(PyObject* object);

}  // namespace tilegrad
