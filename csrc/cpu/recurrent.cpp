// Recurrent layers over whole sequences, forward and backward through time, one direction of one layer. With x_t W + b
// computed before, for all steps at once, and h U the product of a step (recurrent_part.h):
//
//     rnn    h' = activation(x W + b + h U)
//     gru    r, z = sigmoid(x W + b + h U), q = h U + b_n, n = tanh(x W + b + r q), h' = n + z (h - n)
//     lstm   i, f, o = sigmoid(x W + b + h U), g = tanh(...), c' = f c + i g, h' = o tanh(c')
//
// Gates lie side by side in a row, H elements each: r, z, n and i, f, g, o.
#include "cpu/math.h"
#include "cpu/recurrent_part.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// y: x W + b, which becomes the outputs.
template <typename T>
void rnn(const Team& team, const Recurrent& p, const T* u, const T* initial, const int64_t* lengths, T* y, T* last,
         Workspace workspace) {
  RecurrentPart<T> part(team, p, lengths, 1, false, workspace);
  part.prepare(team, u);
  run_forward(team, part, initial, y, last, [&](int64_t i, int64_t n, int64_t step, T* h) {
    const T* const sum = part.sum(i);
    T* const out = y + part.row(n, step) * p.H + part.first;
    if (p.activation == Activation::relu) {
#pragma omp simd
      for (int64_t j = 0; j < part.units; ++j) h[j] = out[j] = formulas::relu(out[j] + sum[j]);
    } else {
#pragma omp simd
      for (int64_t j = 0; j < part.units; ++j) h[j] = out[j] = formulas::tanh(out[j] + sum[j]);
    }
  });
}

// d: the gradient of x W + b; earlier: the state before each step, or null. Both zero where sequences have ended.
template <typename T>
void rnn_backward(const Team& team, const Recurrent& p, const T* u, const T* initial, const int64_t* lengths,
                  const T* y, const T* dy, const T* dlast, T* d, T* earlier, T* dinitial, Workspace workspace) {
  RecurrentPart<T> part(team, p, lengths, 1, true, workspace);
  part.prepare(team, u);
  run_backward(team, part, dlast, dinitial, false, [&](int64_t, int64_t n, int64_t step, const T* dh, T* di) {
    const int64_t at = part.row(n, step) * p.H + part.first;
    const T *const out = y + at, *const dout = dy ? dy + at : part.zeros;
    T* const to = d + at;
    if (p.activation == Activation::relu) {
#pragma omp simd
      for (int64_t j = 0; j < part.units; ++j) to[j] = di[j] = formulas::relu_backward(dout[j] + dh[j], out[j]);
    } else {
#pragma omp simd
      for (int64_t j = 0; j < part.units; ++j) to[j] = di[j] = formulas::tanh_backward(dout[j] + dh[j], out[j]);
    }
    if (earlier) copy_units(part.before(y, initial, n, step) + part.first, earlier + at, part.units);
  });
  part.clear_rest(d, p.H);
  part.clear_rest(earlier, p.H);
}

// gates: x W + b, which becomes r, z, n; q: h U + b_n.
template <typename T>
void gru(const Team& team, const Recurrent& p, const T* u, const T* bias, const T* initial, const int64_t* lengths,
         T* gates, T* q, T* y, T* last, Workspace workspace) {
  RecurrentPart<T> part(team, p, lengths, 3, false, workspace);
  part.prepare(team, u);
  const T* const b = (bias ? bias : part.zeros) + part.first;
  const int64_t H = p.H, gap = part.vectors * kLanes<T>;
  run_forward(team, part, initial, y, last, [&](int64_t i, int64_t n, int64_t step, T* h) {
    const int64_t row = part.row(n, step);
    const T *const sum = part.sum(i), *const old = part.state(i, step) + part.first;
    T *const gate = gates + row * 3 * H + part.first, *const inner = q + row * H + part.first;
    T* const out = y + row * H + part.first;
    part.fetch(gates, 3 * H, n, step + 1);
    part.fetch(q, H, n, step + 1);
    part.fetch(y, H, n, step + 1);
#pragma omp simd
    for (int64_t j = 0; j < part.units; ++j) {
      const T r = formulas::sigmoid(gate[j] + sum[j]), z = formulas::sigmoid(gate[H + j] + sum[gap + j]);
      inner[j] = sum[2 * gap + j] + b[j];
      const T candidate = formulas::tanh(gate[2 * H + j] + r * inner[j]);
      h[j] = out[j] = candidate + z * (old[j] - candidate);
      gate[j] = r;
      gate[H + j] = z;
      gate[2 * H + j] = candidate;
    }
  });
}

// d: the gradients of x W + b; du: those of h U + (0, 0, b_n).
template <typename T>
void gru_backward(const Team& team, const Recurrent& p, const T* u, const T* initial, const int64_t* lengths,
                  const T* gates, const T* q, const T* y, const T* dy, const T* dlast, T* d, T* du, T* earlier,
                  T* dinitial, Workspace workspace) {
  RecurrentPart<T> part(team, p, lengths, 3, true, workspace);
  part.prepare(team, u);
  const int64_t H = p.H;
  for (int64_t j = 0; j < part.rows * part.vectors * kLanes<T>; ++j) part.carry[j] = T(0);
  run_backward(team, part, dlast, dinitial, true, [&](int64_t i, int64_t n, int64_t step, const T* dh, T* di) {
    const int64_t row = part.row(n, step), at = row * H + part.first, at_gates = row * 3 * H + part.first;
    const T *const gate = gates + at_gates, *const inner = q + at, *const dout = dy ? dy + at : part.zeros;
    const T* const old = part.before(y, initial, n, step) + part.first;
    T *const to = d + at_gates, *const to_product = du + at_gates, *const carried = part.carried(i);
    part.fetch(gates, 3 * H, n, step - 1);
    part.fetch(q, H, n, step - 1);
    part.fetch(y, H, n, step - 2);  // that of step - 1 is read now
    part.fetch(dy, H, n, step - 1);
    part.fetch(d, 3 * H, n, step - 1);
    part.fetch(du, 3 * H, n, step - 1);
#pragma omp simd
    for (int64_t j = 0; j < part.units; ++j) {
      const T r = gate[j], z = gate[H + j], candidate = gate[2 * H + j];
      const T total = dout[j] + (dh[j] + carried[j]);
      const T dn = formulas::tanh_backward(total * (T(1) - z), candidate);
      const T dr = formulas::sigmoid_backward(dn * inner[j], r);
      const T dz = formulas::sigmoid_backward(total * (old[j] - candidate), z);
      carried[j] = total * z;
      to[j] = to_product[j] = di[j] = dr;
      to[H + j] = to_product[H + j] = di[H + j] = dz;
      to[2 * H + j] = dn;
      to_product[2 * H + j] = di[2 * H + j] = dn * r;
    }
    if (earlier) copy_units(old, earlier + at, part.units);
  });
  part.clear_rest(d, 3 * H);
  part.clear_rest(du, 3 * H);
  part.clear_rest(earlier, H);
}

// gates: x W + b, which becomes i, f, g, o; c: the cells after each step.
template <typename T>
void lstm(const Team& team, const Recurrent& p, const T* u, const T* initial, const T* initial_cell,
          const int64_t* lengths, T* gates, T* c, T* y, T* last, T* last_cell, Workspace workspace) {
  RecurrentPart<T> part(team, p, lengths, 4, false, workspace);
  part.prepare(team, u);
  const int64_t H = p.H, gap = part.vectors * kLanes<T>;
  run_forward(team, part, initial, y, last, [&](int64_t i, int64_t n, int64_t step, T* h) {
    const int64_t row = part.row(n, step);
    const T *const sum = part.sum(i), *const old = part.before(c, initial_cell, n, step) + part.first;
    T* const gate = gates + row * 4 * H + part.first;
    T *const cell = c + row * H + part.first, *const out = y + row * H + part.first;
    part.fetch(gates, 4 * H, n, step + 1);
    part.fetch(c, H, n, step + 1);
    part.fetch(y, H, n, step + 1);
#pragma omp simd
    for (int64_t j = 0; j < part.units; ++j) {
      const T in = formulas::sigmoid(gate[j] + sum[j]), forget = formulas::sigmoid(gate[H + j] + sum[gap + j]);
      const T candidate = formulas::tanh(gate[2 * H + j] + sum[2 * gap + j]);
      const T open = formulas::sigmoid(gate[3 * H + j] + sum[3 * gap + j]);
      cell[j] = forget * old[j] + in * candidate;
      h[j] = out[j] = open * formulas::tanh(cell[j]);
      gate[j] = in;
      gate[H + j] = forget;
      gate[2 * H + j] = candidate;
      gate[3 * H + j] = open;
    }
  });
  for (int64_t i = 0; i < part.rows; ++i) {
    const int64_t n = part.sequence(i);
    copy_units(part.before(c, initial_cell, n, part.length(n)) + part.first, last_cell + n * H + part.first,
               part.units);
  }
}

// d: the gradients of x W + b.
template <typename T>
void lstm_backward(const Team& team, const Recurrent& p, const T* u, const T* initial, const T* initial_cell,
                   const int64_t* lengths, const T* gates, const T* c, const T* y, const T* dy, const T* dlast,
                   const T* dlast_cell, T* d, T* earlier, T* dinitial, T* dinitial_cell, Workspace workspace) {
  RecurrentPart<T> part(team, p, lengths, 4, true, workspace);
  part.prepare(team, u);
  const int64_t H = p.H;
  for (int64_t i = 0; i < part.rows; ++i) {  // the cells' gradients are carried
    const T* from = dlast_cell ? dlast_cell + part.sequence(i) * H : part.zeros;
    copy_units(from + part.first, part.carried(i), part.units);
  }
  run_backward(team, part, dlast, dinitial, false, [&](int64_t i, int64_t n, int64_t step, const T* dh, T* di) {
    const int64_t row = part.row(n, step), at = row * H + part.first;
    const T *const gate = gates + row * 4 * H + part.first, *const cell = c + at;
    const T *const old = part.before(c, initial_cell, n, step) + part.first, *const dout = dy ? dy + at : part.zeros;
    T *const to = d + row * 4 * H + part.first, *const carried = part.carried(i);
    part.fetch(gates, 4 * H, n, step - 1);
    part.fetch(c, H, n, step - 2);  // that of step - 1 is read now
    part.fetch(dy, H, n, step - 1);
    part.fetch(d, 4 * H, n, step - 1);
#pragma omp simd
    for (int64_t j = 0; j < part.units; ++j) {
      const T in = gate[j], forget = gate[H + j], candidate = gate[2 * H + j], open = gate[3 * H + j];
      const T shown = formulas::tanh(cell[j]), total = dout[j] + dh[j];
      const T dc = carried[j] + formulas::tanh_backward(total * open, shown);
      to[j] = di[j] = formulas::sigmoid_backward(dc * candidate, in);
      to[H + j] = di[H + j] = formulas::sigmoid_backward(dc * old[j], forget);
      to[2 * H + j] = di[2 * H + j] = formulas::tanh_backward(dc * in, candidate);
      to[3 * H + j] = di[3 * H + j] = formulas::sigmoid_backward(total * shown, open);
      carried[j] = dc * forget;
    }
    if (earlier) copy_units(part.before(y, initial, n, step) + part.first, earlier + at, part.units);
  });
  if (dinitial_cell) {
    for (int64_t i = 0; i < part.rows; ++i) {
      copy_units(part.carried(i), dinitial_cell + part.sequence(i) * H + part.first, part.units);
    }
  }
  part.clear_rest(d, 4 * H);
  part.clear_rest(earlier, H);
}

}  // namespace
DEFINE_KERNEL(rnn, FLOATING)
DEFINE_KERNEL(rnn_backward, FLOATING)
DEFINE_KERNEL(gru, FLOATING)
DEFINE_KERNEL(gru_backward, FLOATING)
DEFINE_KERNEL(lstm, FLOATING)
DEFINE_KERNEL(lstm_backward, FLOATING)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
