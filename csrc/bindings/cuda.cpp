#include "core/cuda.h"

#include <string_view>

#include "bindings/memory_stats.h"
#include "core/error.h"
#include "core/long_call.h"

namespace tilegrad::bindings {
namespace {

// The device that Python names, of those with CUDA.
Device parse_cuda(const char* op, const char* device) {
  const Device found = parse_device(device);
  if (found.type != DeviceType::cuda) fail(ErrorKind::device, "%s: device '%s' is no CUDA device", op, device);
  return found;
}
// The first one's statistics may be asked for where there is none.
Device parse_for_statistics(const char* op, const char* device) {
  if (std::string_view(device) == "cuda") return {DeviceType::cuda, 0};
  return parse_cuda(op, device);
}

}  // namespace

void register_cuda(Module& m) {
  m.def("cuda_is_built", &cuda::is_built);
  m.def("cuda_why_not", [] { return cuda::why_not(); }, "Why no GPU can be used; \"\" if one can.");
  m.def("cuda_device_count", &cuda::device_count);
  m.def(
      "cuda_properties",
      [](const char* device) {
        const cuda::OnDevice on(parse_cuda("properties", device));
        const cuda::Properties p = cuda::properties();
        py::dict result;
        result["name"] = p.name;
        result["compute_capability"] = py::make_tuple(p.major, p.minor);
        result["multiprocessors"] = p.multiprocessors;
        result["total_memory"] = p.total_memory;
        result["free_memory"] = p.free_memory;
        result["driver_version"] = py::make_tuple(p.driver / 1000, p.driver % 1000 / 10);
        result["runtime_version"] = py::make_tuple(p.runtime / 1000, p.runtime % 1000 / 10);
        return result;
      },
      py::arg("device"));
  m.def("cuda_synchronize", [] {
    const Released released(true);
    cuda::synchronize();
  });
  py::class_<cuda::Stopwatch>(m, "CudaStopwatch", "Time between two places in the GPU's work.")
      .def(py::init<>())
      .def("start", &cuda::Stopwatch::start)
      .def("stop", &cuda::Stopwatch::stop, "Nanoseconds; waits.");
  m.def(
      "cuda_memory_stats",
      [](const char* device) {
        const cuda::OnDevice on(parse_for_statistics("memory_stats", device));
        return to_dict(cuda::memory_stats());
      },
      py::arg("device"));
  m.def(
      "cuda_reset_peak_memory",
      [](const char* device) {
        const cuda::OnDevice on(parse_for_statistics("reset_peak_memory", device));
        cuda::reset_peak();
      },
      py::arg("device"));
  m.def("cuda_empty_cache", &cuda::trim);
}

}  // namespace tilegrad::bindings
