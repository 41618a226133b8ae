#include <pybind11/stl.h>

#include <memory>

#include "bindings/bindings.h"
#include "core/recording.h"
#include "ops/inference.h"

namespace tilegrad::bindings {
namespace {

// with _C.Unrecorded(): ...
struct Unrecorded {
  std::unique_ptr<Recording::Pause> pause;
  bool hidden = false;
};

// Called for every layer and captured call, so without pybind11's argument handling.
PyObject* is_observed(PyObject*, PyObject*) {
  return PyBool_FromLong(Recording::active() != nullptr || profile::is_on());
}
PyObject* are_values_hidden(PyObject*, PyObject*) { return PyBool_FromLong(values_hidden()); }
PyObject* count_changes(PyObject*, PyObject*) { return PyLong_FromUnsignedLongLong(changes()); }
PyObject* changed(PyObject*, PyObject*) {
  note_change();
  return Py_NewRef(Py_None);
}

PyMethodDef functions[] = {
    {"is_observed", is_observed, METH_NOARGS, "is_observed()\n\nWhether launches are recorded or profiled."},
    {"values_hidden", are_values_hidden, METH_NOARGS, "values_hidden()\n\nWhether a captured function runs."},
    {"changes", count_changes, METH_NOARGS, "changes()\n\nHow often changed() was called."},
    {"changed", changed, METH_NOARGS, "changed()\n\nSomething that captured functions depend on has changed."},
    {}};

}  // namespace

void register_capture(Module& m) {
  if (PyModule_AddFunctions(m.ptr(), functions) < 0) throw py::error_already_set();
  m.def("set_values_hidden", &set_values_hidden, py::arg("hidden"));
  m.def(
      "give_up_recording",
      [](const std::string& why) {
        if (Recording* recording = Recording::active()) recording->give_up(why);
      },
      py::arg("why"), "What follows depends on values: the function is not replayed.");
  m.def(
      "at_replay",
      [](const py::function& function) {
        Recording* recording = Recording::active();
        if (!recording) return;
        recording->note_host_call(
            {},
            [function](void* const*) {
              const py::gil_scoped_acquire gil;
              function();
            },
            static_cast<int64_t>(py::hash(function)) | 1);
      },
      py::arg("function"), "Has function() called at this place of every replay, but not now.");

  py::class_<Program, std::shared_ptr<Program>>(m, "Program", "The launches of a captured function.")
      .def("replay", &Program::replay, py::arg("inputs"), "Makes all calls again and returns new outputs.")
      .def("prepare_for_inference", &ops::prepare_for_inference, "Folds what depends on parameters alone.")
      .def("difference", &Program::difference, py::arg("other"), "The first difference in words; \"\" for none.")
      .def("names", &Program::names, "The kernels that it calls, in order.");

  py::class_<Recording>(m, "Recording", "Records the launches of this thread until finish().")
      .def(py::init<>())
      .def("input", &Recording::input, py::arg("argument"), "A tensor that stands for an argument while recording.")
      .def_property_readonly("first_time", &Recording::is_first_time)
      .def_property_readonly(
          "reason", [](const Recording& r) { return r.reason(); }, "Why it cannot be replayed, or \"\".")
      .def("discard", &Recording::discard, "Ends the recording without a program.")
      .def("finish", &Recording::finish, py::arg("outputs"), "Ends the recording; these are what replays return.");

  py::class_<Unrecorded>(m, "Unrecorded", "A context outside the function that is being captured: for making state.")
      .def(py::init<>())
      .def("__enter__",
           [](Unrecorded& self) {
             self.pause = std::make_unique<Recording::Pause>();
             self.hidden = values_hidden();
             set_values_hidden(false);
           })
      .def("__exit__", [](Unrecorded& self, const py::args&) {
        self.pause.reset();
        set_values_hidden(self.hidden);
      });
}

}  // namespace tilegrad::bindings
