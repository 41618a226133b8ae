#include "ops/pool2d.h"

#include "bindings/window.h"

namespace tilegrad::bindings {
namespace {

ops::PoolOptions options(const char* op, py::handle kernel_size, py::handle stride, py::handle padding, bool ceil_mode,
                         bool count_padding = false) {
  const ops::Pair kernel = to_pair(op, "kernel_size", kernel_size);
  return {kernel, stride.is_none() ? kernel : to_pair(op, "stride", stride), to_padding(op, padding), ceil_mode,
          count_padding};
}

auto as_tuple(const ops::MaxPooled& pooled) {
  return py::make_tuple(pooled.y, pooled.index ? py::cast(pooled.index) : py::none());
}

void register_adaptive(Module& m) {
  m.def(
      "adaptive_max_pool2d",
      [](const Array& x, py::object output_size, bool want_index) {
        const char* const op = "adaptive_max_pool2d";
        return as_tuple(ops::adaptive_max_pool2d(x, to_pair(op, "output_size", output_size), want_index));
      },
      py::arg("x"), py::arg("output_size"), py::arg("want_index"),
      "The maxima of so many windows and, if wanted, the tap of the window that each came from.");
  m.def(
      "adaptive_max_pool2d_backward",
      [](const Array& dy, const Array& index, py::object image) {
        return ops::adaptive_max_pool2d_backward(dy, index, to_pair("adaptive_max_pool2d_backward", "image", image));
      },
      py::arg("dy"), py::arg("index"), py::arg("image"),
      "The gradient of adaptive_max_pool2d's input of (rows, columns) `image`.");
  m.def(
      "adaptive_avg_pool2d",
      [](const Array& x, py::object output_size) {
        return ops::adaptive_avg_pool2d(x, to_pair("adaptive_avg_pool2d", "output_size", output_size));
      },
      py::arg("x"), py::arg("output_size"), "The means of so many windows.");
  m.def(
      "adaptive_avg_pool2d_backward",
      [](const Array& dy, py::object image) {
        return ops::adaptive_avg_pool2d_backward(dy, to_pair("adaptive_avg_pool2d_backward", "image", image));
      },
      py::arg("dy"), py::arg("image"), "The gradient of adaptive_avg_pool2d's input of (rows, columns) `image`.");
}

}  // namespace

void register_pool2d(Module& m) {
  register_adaptive(m);
  m.def(
      "max_pool2d",
      [](const Array& x, py::object kernel_size, py::object stride, py::object padding, bool ceil_mode,
         bool want_index) {
        return as_tuple(ops::max_pool2d(x, options("max_pool2d", kernel_size, stride, padding, ceil_mode), want_index));
      },
      py::arg("x"), py::arg("kernel_size"), py::arg("stride"), py::arg("padding"), py::arg("ceil_mode"),
      py::arg("want_index"), "The maxima and, if wanted, the tap of the window that each came from.");
  m.def(
      "max_pool2d_backward",
      [](const Array& dy, const Array& index, py::object image, py::object kernel_size, py::object stride,
         py::object padding, bool ceil_mode) {
        const char* const op = "max_pool2d_backward";
        return ops::max_pool2d_backward(dy, index, to_pair(op, "image", image),
                                        options(op, kernel_size, stride, padding, ceil_mode));
      },
      py::arg("dy"), py::arg("index"), py::arg("image"), py::arg("kernel_size"), py::arg("stride"), py::arg("padding"),
      py::arg("ceil_mode"), "The gradient of max_pool2d's input of (rows, columns) `image`.");
  m.def(
      "avg_pool2d",
      [](const Array& x, py::object kernel_size, py::object stride, py::object padding, bool ceil_mode,
         bool count_padding) {
        return ops::avg_pool2d(x, options("avg_pool2d", kernel_size, stride, padding, ceil_mode, count_padding));
      },
      py::arg("x"), py::arg("kernel_size"), py::arg("stride"), py::arg("padding"), py::arg("ceil_mode"),
      py::arg("count_padding"), "The means of windows, of the pixels inside the image or of the padding, too.");
  m.def(
      "avg_pool2d_backward",
      [](const Array& dy, py::object image, py::object kernel_size, py::object stride, py::object padding,
         bool ceil_mode, bool count_padding) {
        const char* const op = "avg_pool2d_backward";
        return ops::avg_pool2d_backward(dy, to_pair(op, "image", image),
                                        options(op, kernel_size, stride, padding, ceil_mode, count_padding));
      },
      py::arg("dy"), py::arg("image"), py::arg("kernel_size"), py::arg("stride"), py::arg("padding"),
      py::arg("ceil_mode"), py::arg("count_padding"), "The gradient of avg_pool2d's input of (rows, columns) `image`.");
}

}  // namespace tilegrad::bindings
