#include "ops/recurrent.h"

#include <pybind11/stl.h>

#include "bindings/bindings.h"
#include "ops/matmul.h"

namespace tilegrad::bindings {
namespace {

using Optional = std::optional<Array>;

ops::Sequences sequences(const Array& x, const Optional& lengths, bool reverse, bool batch_first) {
  return {x, lengths.value_or(Array()), reverse, batch_first};
}
ops::Cells cells(const Array& w, const Array& u, const Optional& b, const Optional& bias, const Optional& state,
                 const Optional& cell) {
  return {w, u, b.value_or(Array()), bias.value_or(Array()), state.value_or(Array()), cell.value_or(Array())};
}

}  // namespace

void register_recurrent(Module& m) {
  m.def(
      "rnn",
      [](const Array& x, const Array& w, const Array& u, const Optional& b, const Optional& h0, const Optional& lengths,
         bool reverse, bool batch_first, const char* activation) {
        ops::RecurrentResult out = ops::rnn(sequences(x, lengths, reverse, batch_first), cells(w, u, b, {}, h0, {}),
                                            ops::activation_named("rnn", activation));
        return std::tuple(std::move(out.y), std::move(out.state), std::move(out.all));
      },
      py::arg("x"), py::arg("w"), py::arg("u"), py::arg("b"), py::arg("h0"), py::arg("lengths"), py::arg("reverse"),
      py::arg("batch_first"), py::arg("activation"), "The outputs, the last state and all states.");
  m.def(
      "rnn_backward",
      [](const Optional& dy, const Optional& dh, const Array& x, const Array& w, const Array& u, const Optional& h0,
         const Optional& lengths, bool reverse, bool batch_first, const char* activation, const Array& all,
         const std::vector<bool>& needs) {
        ops::RecurrentResult result, grad;
        result.all = all;
        grad.y = dy.value_or(Array());
        grad.state = dh.value_or(Array());
        ops::RecurrentGradients g =
            ops::rnn_backward(sequences(x, lengths, reverse, batch_first), cells(w, u, {}, {}, h0, {}),
                              ops::activation_named("rnn", activation), result, grad,
                              {needs.at(0), needs.at(1), needs.at(2), needs.at(3), false, needs.at(4), false});
        return py::make_tuple(optional(g.x), optional(g.w), optional(g.u), optional(g.b), optional(g.state));
      },
      py::arg("dy"), py::arg("dh"), py::arg("x"), py::arg("w"), py::arg("u"), py::arg("h0"), py::arg("lengths"),
      py::arg("reverse"), py::arg("batch_first"), py::arg("activation"), py::arg("all"), py::arg("needs"),
      "The gradients of x, w, u, b and h0.");
  m.def(
      "gru",
      [](const Array& x, const Array& w, const Array& u, const Optional& b, const Optional& b_n, const Optional& h0,
         const Optional& lengths, bool reverse, bool batch_first) {
        ops::RecurrentResult out = ops::gru(sequences(x, lengths, reverse, batch_first), cells(w, u, b, b_n, h0, {}));
        return std::tuple(std::move(out.y), std::move(out.state), std::move(out.all), std::move(out.gates),
                          std::move(out.inner));
      },
      py::arg("x"), py::arg("w"), py::arg("u"), py::arg("b"), py::arg("b_n"), py::arg("h0"), py::arg("lengths"),
      py::arg("reverse"), py::arg("batch_first"), "The outputs, the last state, all states, the gates and h u + b_n.");
  m.def(
      "gru_backward",
      [](const Optional& dy, const Optional& dh, const Array& x, const Array& w, const Array& u, const Optional& h0,
         const Optional& lengths, bool reverse, bool batch_first, const Array& all, const Array& gates,
         const Array& inner, const std::vector<bool>& needs) {
        ops::RecurrentResult result, grad;
        result.all = all;
        result.gates = gates;
        result.inner = inner;
        grad.y = dy.value_or(Array());
        grad.state = dh.value_or(Array());
        ops::RecurrentGradients g =
            ops::gru_backward(sequences(x, lengths, reverse, batch_first), cells(w, u, {}, {}, h0, {}), result, grad,
                              {needs.at(0), needs.at(1), needs.at(2), needs.at(3), needs.at(4), needs.at(5), false});
        return py::make_tuple(optional(g.x), optional(g.w), optional(g.u), optional(g.b), optional(g.bias),
                              optional(g.state));
      },
      py::arg("dy"), py::arg("dh"), py::arg("x"), py::arg("w"), py::arg("u"), py::arg("h0"), py::arg("lengths"),
      py::arg("reverse"), py::arg("batch_first"), py::arg("all"), py::arg("gates"), py::arg("inner"), py::arg("needs"),
      "The gradients of x, w, u, b, b_n and h0.");
  m.def(
      "lstm",
      [](const Array& x, const Array& w, const Array& u, const Optional& b, const Optional& h0, const Optional& c0,
         const Optional& lengths, bool reverse, bool batch_first) {
        ops::RecurrentResult out = ops::lstm(sequences(x, lengths, reverse, batch_first), cells(w, u, b, {}, h0, c0));
        return std::tuple(std::move(out.y), std::move(out.state), std::move(out.cell), std::move(out.all),
                          std::move(out.gates), std::move(out.inner));
      },
      py::arg("x"), py::arg("w"), py::arg("u"), py::arg("b"), py::arg("h0"), py::arg("c0"), py::arg("lengths"),
      py::arg("reverse"), py::arg("batch_first"),
      "The outputs, the last state and cell, all states, the gates and all cells.");
  m.def(
      "lstm_backward",
      [](const Optional& dy, const Optional& dh, const Optional& dc, const Array& x, const Array& w, const Array& u,
         const Optional& h0, const Optional& c0, const Optional& lengths, bool reverse, bool batch_first,
         const Array& all, const Array& gates, const Array& inner, const std::vector<bool>& needs) {
        ops::RecurrentResult result, grad;
        result.all = all;
        result.gates = gates;
        result.inner = inner;
        grad.y = dy.value_or(Array());
        grad.state = dh.value_or(Array());
        grad.cell = dc.value_or(Array());
        ops::RecurrentGradients g =
            ops::lstm_backward(sequences(x, lengths, reverse, batch_first), cells(w, u, {}, {}, h0, c0), result, grad,
                               {needs.at(0), needs.at(1), needs.at(2), needs.at(3), false, needs.at(4), needs.at(5)});
        return py::make_tuple(optional(g.x), optional(g.w), optional(g.u), optional(g.b), optional(g.state),
                              optional(g.cell));
      },
      py::arg("dy"), py::arg("dh"), py::arg("dc"), py::arg("x"), py::arg("w"), py::arg("u"), py::arg("h0"),
      py::arg("c0"), py::arg("lengths"), py::arg("reverse"), py::arg("batch_first"), py::arg("all"), py::arg("gates"),
      py::arg("inner"), py::arg("needs"), "The gradients of x, w, u, b, h0 and c0.");
}

}  // namespace tilegrad::bindings
