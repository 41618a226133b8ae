#include "tensor/autograd.h"

#include "bindings/bindings.h"
#include "ops/matmul.h"

namespace tilegrad::bindings {
namespace {

// Called for every op, so without pybind11's argument handling.
PyObject* call_record(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  return guarded<PyObject*>(nullptr, [&] { return record(arguments, count); });
}
PyObject* call_record_shapes(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  return guarded<PyObject*>(nullptr, [&] { return record_shapes(arguments, count); });
}
PyObject* call_record_in_place(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  return guarded<PyObject*>(nullptr, [&] { return record_in_place(arguments, count); });
}

PyMethodDef functions[] = {
    {"record", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(call_record)), METH_FASTCALL,
     "record(out, rule, inputs, *saved)\n\nPuts an op on the tape, if gradients are on and an input needs one; returns out."},
    {"record_shapes", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(call_record_shapes)), METH_FASTCALL,
     "record_shapes(out, rule, inputs, *saved)\n\nThe same for a rule that gets the inputs' shapes before what is saved."},
    {"record_in_place", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(call_record_in_place)), METH_FASTCALL,
     "record_in_place(x, rule, inputs, *saved)\n\nThe same for an op that has overwritten x."},
    {}};

}  // namespace

void register_autograd(Module& m) {
  if (PyModule_AddFunctions(m.ptr(), functions) < 0) throw py::error_already_set();
  m.def("grad_enabled", &grad_enabled);
  m.def("set_grad_enabled", &set_grad_enabled, py::arg("enabled"));
  m.def(
      "set_observer", [](const py::object& observer) { set_observer(observer.ptr()); }, py::arg("observer"),
      "In this thread, observer(name, out, inputs) is called for every op; None for nobody.");
  m.def(
      "check_in_place", [](const char* op, py::handle tensor) { check_in_place(op, tensor.ptr()); }, py::arg("op"),
      py::arg("tensor"), "Raises AutogradError where writing over the tensor would break the graph.");
  m.def(
      "gradients",
      [](const py::tuple& outputs, const py::tuple& grads, const py::tuple& inputs, bool retain_graph) {
        PyObject* found = gradients(outputs.ptr(), grads.ptr(), inputs.ptr(), retain_graph);
        return py::reinterpret_steal<py::tuple>(found);
      },
      py::arg("outputs"), py::arg("grads"), py::arg("inputs"), py::arg("retain_graph"),
      "The gradients of the sum of all outputs with respect to each input.");
  m.def(
      "activation_backward",
      [](py::handle grad, py::handle out, const char* activation) {
        if (!is_tensor(grad.ptr())) throw py::type_error("activation_backward: grad must be a tensor");
        if (!is_tensor(out.ptr())) throw py::type_error("activation_backward: out must be a tensor");
        return py::reinterpret_steal<py::object>(
            activation_backward(grad.ptr(), out.ptr(), ops::activation_named("activation_backward", activation)));
      },
      py::arg("grad"), py::arg("out"), py::arg("activation"),
      "The gradient before an activation, for the last use that a rule makes of grad and out: grad may be overwritten, out let "
      "go of.");
  m.def(
      "scaled_gradient",
      [](py::handle gradient, const Array& by) {
        if (!is_tensor(gradient.ptr())) throw py::type_error("scaled_gradient: gradient must be a tensor");
        return py::reinterpret_steal<py::object>(scaled_gradient(gradient.ptr(), by));
      },
      py::arg("gradient"), py::arg("by"),
      "A saved gradient times that of the loss, for the last use that a rule makes of it: it may be overwritten.");
  m.def(
      "set_tensor_class",
      [](py::handle type) {
        if (!PyType_Check(type.ptr()) ||
            !PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(type.ptr()), tensor_base_type)) {
          throw py::type_error("expected a subclass of TensorBase");
        }
        tensor_class = reinterpret_cast<PyTypeObject*>(Py_NewRef(type.ptr()));
      },
      py::arg("type"));
}

}  // namespace tilegrad::bindings
