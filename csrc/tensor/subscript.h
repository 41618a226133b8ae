// x[key] for keys of integers, slices, None and Ellipsis: the part of indexing that makes views.
#pragma once

#include <Python.h>

#include <optional>

#include "core/array.h"

namespace tilegrad {

// The view that a key chooses; nothing where the key holds anything else (arrays, tensors, lists, booleans).
std::optional<Array> basic_view(const char* op, const Array& x, PyObject* key);

}  // namespace tilegrad
