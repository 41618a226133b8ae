// tilegrad::Error as Python exceptions.
#pragma once

#include <Python.h>

#include <exception>

#include "core/error.h"

namespace tilegrad {

// Thrown where a Python exception has been set already.
struct PythonError : std::exception {};

// Creates the exception types and adds them to the module.
void register_errors(PyObject* module);

// Sets the Python exception for the C++ one being handled; to be called in a catch block.
void set_python_error();
void set_python_error(ErrorKind kind, const std::string& message);

// Runs `body`, turning C++ exceptions into a Python one and `failed`.
template <typename Result, typename Body>
Result guarded(Result failed, Body body) {
  try {
    return body();
  } catch (...) {
    set_python_error();
    return failed;
  }
}

}  // namespace tilegrad
