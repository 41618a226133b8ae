// Recurrent layers over whole sequences: one layer, one direction.
#pragma once

#include <optional>
#include <string>

#include "core/array.h"
#include "params/gemm.h"

namespace tilegrad::ops {

// x is [N, T, in], or [T, N, in] unless batch_first. lengths: integers [N] of the steps that count, or absent.
struct Sequences {
  Array x;
  Array lengths;
  bool reverse, batch_first;
};

// The parameters: w [in, gates * H], u [H, gates * H], b [gates * H] or absent; the initial states [N, H] or absent for
// zeros. bias is the GRU's b_n [H]; cell is the LSTM's.
struct Cells {
  Array w, u, b, bias, state, cell;
};

// y: the states after all steps, in x's layout, a view of `all`; state, cell: the last ones. For the backward pass: all
// states (params/recurrent.h), the gates, and inner, the GRU's h U + b_n or the LSTM's cells.
struct RecurrentResult {
  Array y, state, cell, all, gates, inner;
};
struct RecurrentGradients {
  Array x, w, u, b, bias, state, cell;
};
// Which are wanted, in the order of the gradients.
struct RecurrentNeeds {
  bool x, w, u, b, bias, state, cell;
};

RecurrentResult rnn(const Sequences& sequences, const Cells& cells, Activation activation);
RecurrentResult gru(const Sequences& sequences, const Cells& cells);
RecurrentResult lstm(const Sequences& sequences, const Cells& cells);

// `result` is what the forward pass returned, `grad` the gradients of its y, state and cell, absent where none came.
RecurrentGradients rnn_backward(const Sequences& sequences, const Cells& cells, Activation activation,
                                const RecurrentResult& result, const RecurrentResult& grad,
                                const RecurrentNeeds& needs);
RecurrentGradients gru_backward(const Sequences& sequences, const Cells& cells, const RecurrentResult& result,
                                const RecurrentResult& grad, const RecurrentNeeds& needs);
RecurrentGradients lstm_backward(const Sequences& sequences, const Cells& cells, const RecurrentResult& result,
                                 const RecurrentResult& grad, const RecurrentNeeds& needs);

}  // namespace tilegrad::ops
