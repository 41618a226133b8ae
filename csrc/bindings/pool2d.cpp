#include "ops/pool2d.h"

#include "bindings/window.h"

namespace tilegrad::bindings {
namespace {

ops::PoolOptions options(const char* op, py::handle kernel_size, py::handle stride, py::handle padding) {
  const ops::Pair kernel = to_pair(op, "kernel_size", kernel_size);
  return {kernel, stride.is_none() ? kernel : to_pair(op, "stride", stride), to_padding(op, padding)};
}

}  // namespace

void register_pool2d(py::module_& m) {
  m.def(
      "max_pool2d",
      [](const Array& x, py::object kernel_size, py::object stride, py::object padding, bool want_index) {
        ops::MaxPooled pooled = ops::max_pool2d(x, options("max_pool2d", kernel_size, stride, padding), want_index);
        return py::make_tuple(pooled.y, want_index ? py::cast(pooled.index) : py::none());
      },
      py::arg("x"), py::arg("kernel_size"), py::arg("stride"), py::arg("padding"), py::arg("want_index"),
      "The maxima and, if wanted, the tap of the window that each came from.");
  m.def(
      "max_pool2d_backward",
      [](const Array& dy, const Array& index, py::object image, py::object kernel_size, py::object stride,
         py::object padding) {
        const char* const op = "max_pool2d_backward";
        return ops::max_pool2d_backward(dy, index, to_pair(op, "image", image),
                                        options(op, kernel_size, stride, padding));
      },
      py::arg("dy"), py::arg("index"), py::arg("image"), py::arg("kernel_size"), py::arg("stride"), py::arg("padding"),
      "The gradient of max_pool2d's input of (rows, columns) `image`.");
  m.def(
      "avg_pool2d",
      [](const Array& x, py::object kernel_size, py::object stride, py::object padding) {
        return ops::avg_pool2d(x, options("avg_pool2d", kernel_size, stride, padding));
      },
      py::arg("x"), py::arg("kernel_size"), py::arg("stride"), py::arg("padding"),
      "The means of windows, of the pixels inside the image.");
  m.def(
      "avg_pool2d_backward",
      [](const Array& dy, py::object image, py::object kernel_size, py::object stride, py::object padding) {
        const char* const op = "avg_pool2d_backward";
        return ops::avg_pool2d_backward(dy, to_pair(op, "image", image), options(op, kernel_size, stride, padding));
      },
      py::arg("dy"), py::arg("image"), py::arg("kernel_size"), py::arg("stride"), py::arg("padding"),
      "The gradient of avg_pool2d's input of (rows, columns) `image`.");
}

}  // namespace tilegrad::bindings
