#include "bindings/bindings.h"
#include "ops/creation.h"
#include "ops/inplace.h"
#include "ops/transfer.h"
#include "ops/views.h"
#include "tensor/exchange.h"

namespace tilegrad::bindings {

void register_memory(Module& m) {
  m.def("from_numpy", [](py::handle array) { return from_numpy(array.ptr()); }, py::arg("array"));
  m.def("from_dlpack", [](py::handle object) { return from_dlpack(object.ptr()); }, py::arg("object"));
  m.def(
      "empty",
      [](const Dims& shape, DType dtype, Device device, const char*) { return Array::empty(shape, dtype, device); },
      py::arg("shape"), py::arg("dtype"), py::arg("device") = py::none(), py::arg("op") = "empty");
  m.def("full", &ops::full, py::arg("shape"), py::arg("value"), py::arg("dtype"), py::arg("device") = py::none(),
        py::arg("op") = "full");
  m.def("to_device", &ops::to_device, py::arg("x"), py::arg("device"), "A copy on the device, outside any graph.");
  m.def(
       "parse_device", [](Device device) { return device; }, py::arg("name"), "The device's plain name.")
      .name_in_errors = "";
  m.def("fill_", [](const Array& x, Scalar value) { ops::fill(x, value); }, py::arg("x"), py::arg("value"));
  m.def(
       "dtype", [](DType dtype) { return dtype; }, py::arg("object"), "The dtype object for a name or a NumPy dtype.")
      .name_in_errors = "";
  m.def("copy", &ops::copy, py::arg("x"));
  m.def("contiguous", &ops::contiguous, py::arg("x"));
  m.def(
      "copy_into",
      [](const Array& x, const Array& y) { ops::copy_into(ops::readable(ops::to_device(x, y.device()), y), y); },
      py::arg("x"), py::arg("y"), "Writes x, of any device, broadcast, into y, outside any graph.");
  m.def(
      "as_bytes",
      [](const Array& x) {
        if (!x.is_contiguous()) fail(ErrorKind::argument, "as_bytes: %s is not contiguous", x.str().c_str());
        const int64_t item_size = static_cast<int64_t>(x.item_size());
        return Array(x.storage_ref(), x.offset() * item_size, {x.numel() * item_size}, {1}, DType::uint8);
      },
      py::arg("x"), "The memory of a contiguous tensor as a vector of uint8; for files.");
}

}  // namespace tilegrad::bindings
