#include <new>

#include "core/launch.h"
#include "core/recording.h"
#include "core/scalar.h"
#include "ops/transfer.h"
#include "tensor/dtype_object.h"
#include "tensor/errors.h"
#include "tensor/exchange.h"
#include "tensor/tensor.h"

namespace tilegrad {

PyTypeObject* tensor_base_type = nullptr;
PyTypeObject* tensor_class = nullptr;

namespace {

PyObject* allocate(PyTypeObject* type, Array array) {
  PyObject* object = type->tp_alloc(type, 0);
  if (!object) throw PythonError();
  new (&as_tensor(object)->array) Array(std::move(array));
  new (&as_tensor(object)->variable) Ref<Variable>();
  new (&as_tensor(object)->view) std::unique_ptr<ViewOf>();
  return object;
}

void set_requires_grad(TensorObject* tensor, bool wanted) {
  if (variable_of(tensor) && tensor->variable->producer) {
    if (wanted) return;
    fail(ErrorKind::autograd,
         "requires_grad: the tensor is the result of a recorded op; use detach() for one without a "
         "gradient");
  }
  if (wanted && !is_floating(tensor->array.dtype())) {
    fail(ErrorKind::dtype, "requires_grad: only floating tensors have gradients, found %s",
         tensor->array.str().c_str());
  }
  if (wanted) tensor->view.reset();  // a leaf of its own from now on
  if (!tensor->variable) {
    if (!wanted) return;
    tensor->variable = Ref<Variable>(new Variable);
    tensor->variable->shape = tensor->array.shape();
    tensor->variable->dtype = tensor->array.dtype();
  }
  if (tensor->variable->requires_grad != wanted) note_change();
  tensor->variable->requires_grad = wanted;
}

// Tensor(source, requires_grad=False): another tensor over the same memory, outside the graph.
PyObject* construct(PyTypeObject* type, PyObject* arguments, PyObject* keywords) {
  return guarded<PyObject*>(nullptr, [&]() -> PyObject* {
    static const char* names[] = {"source", "requires_grad", nullptr};
    PyObject* source = nullptr;
    int requires_grad = 0;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O!|p", const_cast<char**>(names), tensor_base_type, &source,
                                     &requires_grad)) {
      throw PythonError();
    }
    PyObject* object = allocate(type, as_tensor(source)->array);
    try {
      set_requires_grad(as_tensor(object), requires_grad);
    } catch (...) {
      Py_DECREF(object);
      throw;
    }
    return object;
  });
}

void deallocate(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  as_tensor(self)->view.~unique_ptr<ViewOf>();
  as_tensor(self)->variable.~Ref<Variable>();
  as_tensor(self)->array.~Array();
  type->tp_free(self);
  Py_DECREF(type);
}

const Array& array_of(PyObject* self) { return as_tensor(self)->array; }

PyObject* get_shape(PyObject* self, void*) { return tuple_of(array_of(self).shape()); }
PyObject* get_strides(PyObject* self, void*) { return tuple_of(array_of(self).strides()); }
PyObject* get_ndim(PyObject* self, void*) { return PyLong_FromLong(array_of(self).ndim()); }
PyObject* get_size(PyObject* self, void*) { return PyLong_FromLongLong(array_of(self).numel()); }
PyObject* get_dtype(PyObject* self, void*) { return dtype_object(array_of(self).dtype()); }
PyObject* get_device(PyObject* self, void*) { return PyUnicode_FromString(name(array_of(self).device())); }
PyObject* get_version(PyObject* self, void*) { return PyLong_FromUnsignedLong(array_of(self).storage()->version()); }

PyObject* get_requires_grad(PyObject* self, void*) {
  return guarded<PyObject*>(nullptr, [&] {
    const Ref<Variable>& variable = variable_of(as_tensor(self));
    return PyBool_FromLong(variable && variable->requires_grad);
  });
}

int put_requires_grad(PyObject* self, PyObject* value, void*) {
  return guarded(-1, [&] {
    const int wanted = value ? PyObject_IsTrue(value) : 0;
    if (wanted < 0) throw PythonError();
    set_requires_grad(as_tensor(self), wanted);
    return 0;
  });
}

PyObject* get_is_leaf(PyObject* self, void*) {
  return guarded<PyObject*>(nullptr, [&] {
    const Ref<Variable>& variable = variable_of(as_tensor(self));
    return PyBool_FromLong(!variable || !variable->producer);
  });
}

PyObject* get_grad(PyObject* self, void*) {
  return guarded<PyObject*>(nullptr, [&] {
    const Ref<Variable>& variable = variable_of(as_tensor(self));
    return Py_NewRef(variable && variable->grad ? variable->grad : Py_None);
  });
}

PyObject* get_hooks(PyObject* self, PyObject*) {
  return guarded<PyObject*>(nullptr, [&] { return hooks_of("register_hook", self); });
}

PyObject* get_hook_count(PyObject* self, void*) {
  return guarded<PyObject*>(nullptr, [&] {
    const Ref<Variable>& variable = variable_of(as_tensor(self));
    return PyLong_FromSsize_t(variable && variable->hooks ? PyDict_Size(variable->hooks) : 0);
  });
}

PyObject* keep_grad(PyObject* self, PyObject*) {
  return guarded<PyObject*>(nullptr, [&] {
    retain_grad(self);
    return Py_NewRef(Py_None);
  });
}

PyObject* get_retains_grad(PyObject* self, void*) {
  return guarded<PyObject*>(nullptr, [&] {
    const Ref<Variable>& variable = variable_of(as_tensor(self));
    return PyBool_FromLong(variable && variable->retains_grad);
  });
}

int put_grad(PyObject* self, PyObject* value, void*) {
  return guarded(-1, [&] {
    TensorObject* tensor = as_tensor(self);
    if (!value || value == Py_None) {
      if (tensor->variable) Py_CLEAR(tensor->variable->grad);
      return 0;
    }
    if (!is_tensor(value)) {
      fail(ErrorKind::dtype, "grad: expected a tensor or None, found %s", Py_TYPE(value)->tp_name);
    }
    if (!tensor->variable) {
      fail(ErrorKind::autograd, "grad: the tensor does not require a gradient; set requires_grad=True first");
    }
    const Array& given = array_of(value);
    if (!(given.shape() == tensor->array.shape()) || given.dtype() != tensor->array.dtype()) {
      fail(ErrorKind::shape, "grad: found %s, expected the tensor's own %s", given.str().c_str(),
           tensor->array.str().c_str());
    }
    PyObject* detached = wrap(given);
    Py_XSETREF(tensor->variable->grad, detached);
    return 0;
  });
}

PyObject* detach(PyObject* self, PyObject*) {
  return guarded<PyObject*>(nullptr, [&] { return wrap(array_of(self)); });
}

PyObject* item(PyObject* self, PyObject*) {
  return guarded<PyObject*>(nullptr, [&]() -> PyObject* {
    require_values("item");
    const Array& array = array_of(self);
    if (array.numel() != 1) {
      fail(ErrorKind::shape, "item: %s does not have exactly one element; index it first, or use .tolist()",
           array.str().c_str());
    }
    alignas(8) char element[8];
    ops::read_to_host(array, element);
    const Scalar value = read_scalar(array.dtype(), element);
    if (array.dtype() == DType::boolean) return PyBool_FromLong(value.integer != 0);
    return value.is_integer ? PyLong_FromLongLong(value.integer) : PyFloat_FromDouble(value.real);
  });
}

PyObject* numpy(PyObject* self, PyObject*) {
  return guarded<PyObject*>(nullptr, [&] { return to_numpy(as_tensor(self)); });
}

PyObject* is_contiguous(PyObject* self, PyObject*) { return PyBool_FromLong(array_of(self).is_contiguous()); }

PyObject* data_ptr(PyObject* self, PyObject*) { return PyLong_FromVoidPtr(array_of(self).data()); }

PyObject* run_backward(PyObject* self, PyObject* arguments, PyObject* keywords) {
  return guarded<PyObject*>(nullptr, [&]() -> PyObject* {
    static const char* names[] = {"grad", "retain_graph", "create_graph", nullptr};
    PyObject* grad = Py_None;
    int retain_graph = 0, create_graph = 0;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|Opp", const_cast<char**>(names), &grad, &retain_graph,
                                     &create_graph)) {
      throw PythonError();
    }
    if (create_graph) {
      fail(ErrorKind::autograd,
           "backward: create_graph=True is not supported, because gradients of gradients are not recorded; write the "
           "first gradient out with ops, or take differences of gradients");
    }
    backward(self, grad, retain_graph);
    return Py_NewRef(Py_None);
  });
}

Py_ssize_t length(PyObject* self) {
  if (array_of(self).ndim() == 0) {
    PyErr_SetString(PyExc_TypeError, "len() of a 0-d tensor");
    return -1;
  }
  return array_of(self).size(0);
}

// A method with keyword arguments is stored as a plain one, with a flag that tells.
PyCFunction with_keywords(PyCFunctionWithKeywords method) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(method));
}

PyMethodDef methods[] = {
    {"detach", detach, METH_NOARGS, "A tensor over the same memory, outside the graph."},
    {"item", item, METH_NOARGS, "The only element as a Python number."},
    {"numpy", numpy, METH_NOARGS, "A numpy.ndarray over the same memory; read-only where a gradient is required."},
    {"is_contiguous", is_contiguous, METH_NOARGS, "Whether the elements lie row-major without gaps."},
    {"data_ptr", data_ptr, METH_NOARGS, "The address of the first element."},
    {"backward", with_keywords(run_backward), METH_VARARGS | METH_KEYWORDS,
     "backward(grad=None, retain_graph=False, create_graph=False)\n\nAdds the gradient of this tensor to the .grad of "
     "every leaf."},
    {"retain_grad", keep_grad, METH_NOARGS, "Has backward() fill .grad of this output of an op too."},
    {"_hooks", get_hooks, METH_NOARGS, "The dict of hooks."},
    {"__dlpack__", with_keywords(to_dlpack), METH_VARARGS | METH_KEYWORDS, "Exports through DLPack."},
    {"__dlpack_device__", dlpack_device, METH_NOARGS, "The DLPack device."},
    {}};

PyGetSetDef attributes[] = {
    {"shape", get_shape, nullptr, "The sizes of all axes, a tuple.", nullptr},
    {"strides", get_strides, nullptr, "The steps of all axes, in elements.", nullptr},
    {"ndim", get_ndim, nullptr, "The number of axes.", nullptr},
    {"size", get_size, nullptr, "The number of elements.", nullptr},
    {"dtype", get_dtype, nullptr, "The type of the elements.", nullptr},
    {"device", get_device, nullptr, "Where the elements are: \"cpu\" or \"cuda\".", nullptr},
    {"requires_grad", get_requires_grad, put_requires_grad, "Whether a gradient is wanted.", nullptr},
    {"is_leaf", get_is_leaf, nullptr, "Whether no recorded op made this tensor.", nullptr},
    {"retains_grad", get_retains_grad, nullptr, "Whether retain_grad() was called on this output of an op.", nullptr},
    {"_hook_count", get_hook_count, nullptr, "How many hooks see the gradient.", nullptr},
    {"grad", get_grad, put_grad, "The gradient collected so far, or None.", nullptr},
    {"_version", get_version, nullptr, "How often the memory has been written in place.", nullptr},
    {}};

}  // namespace

PyObject* wrap(Array array) { return allocate(tensor_class, std::move(array)); }

PyObject* tuple_of(const Dims& dims) {
  PyObject* tuple = PyTuple_New(dims.size());
  if (!tuple) return nullptr;
  for (int d = 0; d < dims.size(); ++d) PyTuple_SET_ITEM(tuple, d, PyLong_FromLongLong(dims[d]));
  return tuple;
}

void register_tensor_type(PyObject* module) {
  static char doc[] = "The native part of tilegrad.Tensor: memory, shape and place in the graph.";
  PyType_Slot slots[] = {{Py_tp_new, reinterpret_cast<void*>(construct)},
                         {Py_tp_dealloc, reinterpret_cast<void*>(deallocate)},
                         {Py_tp_methods, methods},
                         {Py_tp_getset, attributes},
                         {Py_tp_doc, doc},
                         {Py_mp_length, reinterpret_cast<void*>(length)},
                         {Py_bf_getbuffer, reinterpret_cast<void*>(get_buffer)},
                         {Py_bf_releasebuffer, reinterpret_cast<void*>(release_buffer)},
                         {0, nullptr}};
  PyType_Spec spec = {"tilegrad._C.TensorBase", sizeof(TensorObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
                      slots};
  tensor_base_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  tensor_class = tensor_base_type;
  if (!tensor_base_type ||
      PyModule_AddObjectRef(module, "TensorBase", reinterpret_cast<PyObject*>(tensor_base_type)) < 0) {
    throw PythonError();
  }
}

}  // namespace tilegrad
