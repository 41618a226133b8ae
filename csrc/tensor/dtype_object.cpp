#include "tensor/dtype_object.h"

#include <cstring>
#include <string>

#include "tensor/errors.h"

namespace tilegrad {
namespace {

struct DTypeObject {
  PyObject_HEAD DType dtype;
};

PyTypeObject* dtype_type;
PyObject* dtypes[kDTypeCount];

DType value_of(PyObject* self) { return reinterpret_cast<DTypeObject*>(self)->dtype; }

PyObject* repr(PyObject* self) { return PyUnicode_FromFormat("tilegrad.%s", name(value_of(self))); }

PyObject* reduce(PyObject* self, PyObject*) { return PyUnicode_FromString(name(value_of(self))); }

PyObject* get_name(PyObject* self, void*) { return PyUnicode_FromString(name(value_of(self))); }
PyObject* get_itemsize(PyObject* self, void*) { return PyLong_FromSize_t(item_size(value_of(self))); }
PyObject* get_is_floating(PyObject* self, void*) { return PyBool_FromLong(is_floating(value_of(self))); }

// Equal to itself, to its name and to the NumPy dtype, or NumPy's class, of the same name.
PyObject* compare(PyObject* self, PyObject* other, int operation) {
  if (operation != Py_EQ && operation != Py_NE) Py_RETURN_NOTIMPLEMENTED;
  bool equal = self == other;
  if (!equal && Py_TYPE(other) != dtype_type) {
    PyObject* text = PyUnicode_Check(other) ? Py_NewRef(other)
                                            : PyObject_GetAttrString(other, PyType_Check(other) ? "__name__" : "name");
    if (!text) {
      PyErr_Clear();
      Py_RETURN_NOTIMPLEMENTED;
    }
    equal = PyUnicode_Check(text) && PyUnicode_CompareWithASCIIString(text, name(value_of(self))) == 0;
    Py_DECREF(text);
  }
  return PyBool_FromLong(equal == (operation == Py_EQ));
}

// That of the name, so that equal keys hash alike.
Py_hash_t hash(PyObject* self) {
  PyObject* text = PyUnicode_FromString(name(value_of(self)));
  const Py_hash_t value = text ? PyObject_Hash(text) : -1;
  Py_XDECREF(text);
  return value;
}

bool find(const char* text, DType& dtype) {
  for (int i = 0; i < kDTypeCount; ++i) {
    if (std::strcmp(text, name(static_cast<DType>(i))) == 0) {
      dtype = static_cast<DType>(i);
      return true;
    }
  }
  return false;
}

}  // namespace

void register_dtypes(PyObject* module) {
  static PyMethodDef methods[] = {{"__reduce__", reduce, METH_NOARGS, nullptr}, {}};
  static PyGetSetDef attributes[] = {{"name", get_name, nullptr, "The dtype's name.", nullptr},
                                     {"itemsize", get_itemsize, nullptr, "Bytes per element.", nullptr},
                                     {"is_floating", get_is_floating, nullptr, "Whether gradients can flow.", nullptr},
                                     {}};
  static char doc[] = "The type of a tensor's elements.";
  PyType_Slot slots[] = {{Py_tp_repr, reinterpret_cast<void*>(repr)},
                         {Py_tp_richcompare, reinterpret_cast<void*>(compare)},
                         {Py_tp_hash, reinterpret_cast<void*>(hash)},
                         {Py_tp_methods, methods},
                         {Py_tp_getset, attributes},
                         {Py_tp_doc, doc},
                         {0, nullptr}};
  PyType_Spec spec = {"tilegrad._C.DType", sizeof(DTypeObject), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
  dtype_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  if (!dtype_type || PyModule_AddObjectRef(module, "DType", reinterpret_cast<PyObject*>(dtype_type)) < 0) {
    throw PythonError();
  }
  for (int i = 0; i < kDTypeCount; ++i) {
    PyObject* object = dtype_type->tp_alloc(dtype_type, 0);
    if (!object) throw PythonError();
    reinterpret_cast<DTypeObject*>(object)->dtype = static_cast<DType>(i);
    dtypes[i] = object;
    if (PyModule_AddObjectRef(module, name(static_cast<DType>(i)), object) < 0) throw PythonError();
  }
}

PyObject* dtype_object(DType dtype) { return Py_NewRef(dtypes[static_cast<int>(dtype)]); }

DType parse_dtype(PyObject* object) {
  if (Py_TYPE(object) == dtype_type) return value_of(object);
  DType dtype;
  if (PyUnicode_Check(object)) {
    const char* text = PyUnicode_AsUTF8(object);
    if (!text) throw PythonError();
    if (find(text, dtype)) return dtype;
  } else if (object != Py_None) {
    PyObject* numpy = PyImport_ImportModule("numpy");
    PyObject* converted = numpy ? PyObject_CallMethod(numpy, "dtype", "O", object) : nullptr;
    PyObject* text = converted ? PyObject_GetAttrString(converted, "name") : nullptr;
    const char* characters = text ? PyUnicode_AsUTF8(text) : nullptr;
    const bool found = characters && find(characters, dtype);
    PyErr_Clear();
    Py_XDECREF(text);
    Py_XDECREF(converted);
    Py_XDECREF(numpy);
    if (found) return dtype;
  }
  PyObject* shown = PyObject_Repr(object);
  const char* characters = shown ? PyUnicode_AsUTF8(shown) : nullptr;
  const std::string found = characters ? characters : "?";
  PyErr_Clear();
  Py_XDECREF(shown);
  fail_without_op(
      ErrorKind::dtype,
      "dtype %s is not one of float32, float64, bfloat16, float16, int64, int32, uint8, bool (as tg.float32, \"float32\" "
      "or numpy.float32)",
      found.c_str());
}

}  // namespace tilegrad
