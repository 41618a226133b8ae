#include "core/profile.h"

#include "bindings/bindings.h"

namespace tilegrad::bindings {
namespace {

// with _C.Scope(number): ...
struct EnteredScope {
  Scope scope, before;
};

}  // namespace

void register_profile(Module& m) {
  m.def("start_profile", &profile::start, "Notes every launch from now on.");
  m.def(
      "stop_profile",
      [] {
        py::list events;
        for (const ProfileEvent& e : profile::stop()) {
          events.append(py::make_tuple(e.name, e.dtype, e.scope.number, e.scope.backward, e.start, e.end, e.bytes,
                                       e.flops, e.members, e.replayed));
        }
        return events;
      },
      "Ends it: (name, dtype, scope, backward, start, end, bytes, flops, members, replayed) of every launch, times in ns.");
  m.def("profiling", &profile::is_on, "Whether launches are being noted.");
  py::class_<EnteredScope>(m, "Scope", "A context whose launches belong to the scope of this number.")
      .def(py::init([](int number) { return EnteredScope{{number, false}, {}}; }), py::arg("number"))
      .def("__enter__",
           [](EnteredScope& self) {
             self.before = current_scope();
             set_current_scope(self.scope);
           })
      .def("__exit__", [](EnteredScope& self, const py::args&) { set_current_scope(self.before); });
}

}  // namespace tilegrad::bindings
