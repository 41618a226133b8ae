#include "tensor/errors.h"

#include <pybind11/pybind11.h>

#include <new>

namespace tilegrad {
namespace {

PyObject* types[8];  // by ErrorKind

PyObject* new_type(PyObject* module, const char* name, const char* doc, PyObject* base, PyObject* builtin) {
  PyObject* bases = builtin ? PyTuple_Pack(2, base, builtin) : PyTuple_Pack(1, base);
  const std::string qualified = std::string("tilegrad.") + name;
  PyObject* type = PyErr_NewExceptionWithDoc(qualified.c_str(), doc, bases, nullptr);
  Py_XDECREF(bases);
  if (!type || PyModule_AddObjectRef(module, name, type) < 0) throw PythonError();
  return type;
}

}  // namespace

void register_errors(PyObject* module) {
  PyObject* base =
      new_type(module, "TilegradError", "What every error of tilegrad derives from.", PyExc_Exception, nullptr);
  const auto set = [&](ErrorKind kind, PyObject* type) { types[static_cast<int>(kind)] = type; };
  set(ErrorKind::shape, new_type(module, "ShapeError", "Shapes that do not fit.", base, PyExc_ValueError));
  set(ErrorKind::dtype, new_type(module, "DTypeError", "A dtype that does not fit.", base, PyExc_TypeError));
  set(ErrorKind::device, new_type(module, "DeviceError", "Tensors on different devices.", base, PyExc_ValueError));
  set(ErrorKind::argument, new_type(module, "ArgumentError", "An argument out of its range.", base, PyExc_ValueError));
  set(ErrorKind::autograd,
      new_type(module, "AutogradError", "A gradient that cannot be had.", base, PyExc_RuntimeError));
  set(ErrorKind::capture,
      new_type(module, "CaptureError", "What a captured function cannot do.", base, PyExc_RuntimeError));
  set(ErrorKind::index,
      new_type(module, "OutOfRangeError", "An index, label or axis out of its range.", base, PyExc_IndexError));
  set(ErrorKind::memory, PyExc_MemoryError);
}

void set_python_error(ErrorKind kind, const std::string& message) {
  PyErr_SetString(types[static_cast<int>(kind)], message.c_str());
}

void set_python_error() {
  try {
    throw;
  } catch (const Error& error) {
    set_python_error(error.kind, error.what());
  } catch (const PythonError&) {
  } catch (pybind11::error_already_set& error) {
    error.restore();
  } catch (const pybind11::builtin_exception& error) {
    error.set_error();
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  }
}

}  // namespace tilegrad
