#include "ops/conv2d.h"

#include <pybind11/stl.h>

#include "bindings/window.h"
#include "ops/conv_transpose2d.h"
#include "ops/matmul.h"

namespace tilegrad::bindings {
namespace {

ops::ConvOptions options(const char* op, py::handle stride, py::handle padding, py::handle dilation, int64_t groups) {
  return {to_pair(op, "stride", stride), to_padding(op, padding), to_pair(op, "dilation", dilation), groups};
}

ops::ConvTransposeOptions options(const char* op, py::handle stride, py::handle padding, py::handle output_padding,
                                  py::handle dilation, int64_t groups) {
  return {options(op, stride, padding, dilation, groups), to_pair(op, "output_padding", output_padding)};
}

void register_conv_transpose2d(Module& m) {
  m.def(
      "conv_transpose2d",
      [](const Array& x, const Array& w, const std::optional<Array>& b, py::object stride, py::object padding,
         py::object output_padding, py::object dilation, int64_t groups, const char* activation) {
        const char* const op = "conv_transpose2d";
        return ops::conv_transpose2d(x, w, b.value_or(Array()),
                                     options(op, stride, padding, output_padding, dilation, groups),
                                     ops::activation_named(op, activation));
      },
      py::arg("x"), py::arg("w"), py::arg("b"), py::arg("stride"), py::arg("padding"), py::arg("output_padding"),
      py::arg("dilation"), py::arg("groups"), py::arg("activation"), "activation(conv_transpose(x, w) + b).");
  m.def(
      "conv_transpose2d_backward_data",
      [](const Array& dy, const Array& w, py::object image, py::object stride, py::object padding,
         py::object output_padding, py::object dilation, int64_t groups) {
        const char* const op = "conv_transpose2d_backward_data";
        return ops::conv_transpose2d_backward_data(dy, w, to_pair(op, "image", image),
                                                   options(op, stride, padding, output_padding, dilation, groups));
      },
      py::arg("dy"), py::arg("w"), py::arg("image"), py::arg("stride"), py::arg("padding"), py::arg("output_padding"),
      py::arg("dilation"), py::arg("groups"), "The gradient of conv_transpose2d's input of (rows, columns) `image`.");
  m.def(
      "conv_transpose2d_backward_weights",
      [](const Array& x, const Array& dy, py::object kernel, py::object stride, py::object padding,
         py::object output_padding, py::object dilation, int64_t groups) {
        const char* const op = "conv_transpose2d_backward_weights";
        return ops::conv_transpose2d_backward_weights(x, dy, to_pair(op, "kernel", kernel),
                                                      options(op, stride, padding, output_padding, dilation, groups));
      },
      py::arg("x"), py::arg("dy"), py::arg("kernel"), py::arg("stride"), py::arg("padding"), py::arg("output_padding"),
      py::arg("dilation"), py::arg("groups"),
      "The gradient of conv_transpose2d's weights of (rows, columns) `kernel`.");
}

}  // namespace

void register_conv2d(Module& m) {
  register_conv_transpose2d(m);
  m.def(
      "conv2d",
      [](const Array& x, const Array& w, const std::optional<Array>& b, py::object stride, py::object padding,
         py::object dilation, int64_t groups, const char* activation) {
        return ops::conv2d(x, w, b.value_or(Array()), options("conv2d", stride, padding, dilation, groups),
                           ops::activation_named("conv2d", activation));
      },
      py::arg("x"), py::arg("w"), py::arg("b"), py::arg("stride"), py::arg("padding"), py::arg("dilation"),
      py::arg("groups"), py::arg("activation"), "activation(conv(x, w) + b).");
  m.def(
      "conv2d_backward_data",
      [](const Array& dy, const Array& w, py::object image, py::object stride, py::object padding, py::object dilation,
         int64_t groups) {
        const char* const op = "conv2d_backward_data";
        return ops::conv2d_backward_data(dy, w, to_pair(op, "image", image),
                                         options(op, stride, padding, dilation, groups));
      },
      py::arg("dy"), py::arg("w"), py::arg("image"), py::arg("stride"), py::arg("padding"), py::arg("dilation"),
      py::arg("groups"), "The gradient of conv2d's input of (rows, columns) `image`.");
  m.def(
      "conv2d_backward_weights",
      [](const Array& x, const Array& dy, py::object kernel, py::object stride, py::object padding, py::object dilation,
         int64_t groups) {
        const char* const op = "conv2d_backward_weights";
        return ops::conv2d_backward_weights(x, dy, to_pair(op, "kernel", kernel),
                                            options(op, stride, padding, dilation, groups));
      },
      py::arg("x"), py::arg("dy"), py::arg("kernel"), py::arg("stride"), py::arg("padding"), py::arg("dilation"),
      py::arg("groups"), "The gradient of conv2d's weights of (rows, columns) `kernel`.");
  m.def(
      "conv2d_algorithm",
      [](const Array& x, const Array& w, py::object stride, py::object padding, py::object dilation, int64_t groups) {
        const char* const op = "conv2d_algorithm";
        const ops::ConvOptions chosen = options(op, stride, padding, dilation, groups);
        return std::tuple(ops::name(ops::conv2d_algorithm(x, w, chosen, ops::ConvPass::forward)),
                          ops::name(ops::conv2d_algorithm(x, w, chosen, ops::ConvPass::backward_data)),
                          ops::name(ops::conv2d_algorithm(x, w, chosen, ops::ConvPass::backward_weights)));
      },
      py::arg("x"), py::arg("w"), py::arg("stride"), py::arg("padding"), py::arg("dilation"), py::arg("groups"),
      "The algorithms of conv2d(x, w), its input's and its weights' gradient: direct, winograd 2x2 or winograd 4x4.");
}

}  // namespace tilegrad::bindings
