#include "ops/resize2d.h"

#include "bindings/window.h"

namespace tilegrad::bindings {
namespace {

ops::ResizeOptions options(const char* op, py::handle size, std::pair<double, double> factors, bool linear) {
  const bool sized = !size.is_none();
  return {sized ? to_pair(op, "size", size) : ops::Pair{0, 0}, sized ? 0 : factors.first, sized ? 0 : factors.second,
          linear};
}

}  // namespace

void register_resize2d(Module& m) {
  m.def(
      "interpolate",
      [](const Array& x, py::object size, std::pair<double, double> scale_factor, bool linear) {
        return ops::resize2d(x, options("interpolate", size, scale_factor, linear));
      },
      py::arg("x"), py::arg("size"), py::arg("scale_factor"), py::arg("linear"),
      "Images of another size, or of their size times the factors where it is None.");
  m.def(
      "interpolate_backward",
      [](const Array& dy, py::object image, py::object size, std::pair<double, double> scale_factor, bool linear) {
        const char* const op = "interpolate_backward";
        return ops::resize2d_backward(dy, to_pair(op, "image", image), options(op, size, scale_factor, linear));
      },
      py::arg("dy"), py::arg("image"), py::arg("size"), py::arg("scale_factor"), py::arg("linear"),
      "The gradient of interpolate's input of (rows, columns) `image`.");
}

}  // namespace tilegrad::bindings
