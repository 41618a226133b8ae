// What Python may give for the sizes of windows.
#pragma once

#include "bindings/bindings.h"
#include "ops/window.h"

namespace tilegrad::bindings {

// An integer, for rows and columns alike, or two.
ops::Pair to_pair(const char* op, const char* argument, py::handle value);

// "valid", "same", an integer, (rows, columns) or ((top, bottom), (left, right)).
ops::Padding to_padding(const char* op, py::handle value);

}  // namespace tilegrad::bindings
