#include <pybind11/stl.h>

#include "bindings/memory_stats.h"
#include "core/allocator.h"
#include "core/launch.h"
#include "core/precision.h"
#include "core/threads.h"
#include "dispatch.h"

namespace tilegrad::bindings {

void register_runtime(Module& m) {
  m.def("isa", [] { return cpu::isa(); }, "The ISA whose kernels run.");
  m.def("available_isas", &cpu::available_isas, "The ISAs whose kernels can run here, the most portable first.");
  m.def("set_isa", &cpu::set_isa, py::arg("name"), "Switches the kernels of the whole process; for tests.");
  m.def("set_num_threads", &threads::set_count, py::arg("n"));
  m.def("get_num_threads", &threads::count);
  m.def("set_alone", &threads::set_alone, py::arg("alone"),
        "Has everything that this thread launches run on it alone; for threads in the background.");
  m.def("set_work_per_member", &set_work_per_member, py::arg("nanoseconds") = 15'000.0,
        "The least work that another thread is woken for; 0 gives every kernel all threads. For tests.");
  m.def("available_cpus", &threads::available_cpus, "The CPUs that the affinity mask and the cgroup allow.");
#if defined(__linux__)
  m.def("cgroup_cpus", &threads::cgroup_cpus, py::arg("membership"), py::arg("mount"),
        "The CPUs that a cgroup's quota allows, 0 without one; from copies of /proc/self/cgroup and /sys/fs/cgroup.");
#endif
  m.def("set_float32_precision", &set_float32_precision, py::arg("precision"));
  m.def("float32_precision", [] { return name(float32_precision()); });
  m.def("threads_from", [] { return threads::maker(); }, "\"pool\" or \"openmp\".");
  m.def("compiler", [] { return TILEGRAD_COMPILER; });
  m.def("memory_stats", [] { return to_dict(cpu_memory::stats()); });
  m.def("reset_peak_memory", &cpu_memory::reset_peak);
  m.def("empty_cache", &cpu_memory::trim);
}

}  // namespace tilegrad::bindings
