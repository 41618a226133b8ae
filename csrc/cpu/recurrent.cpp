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

// gate = f(gate + sum) over a run of hidden units. One formula a loop: several in one would wait for each other and for
// registers.
template <typename T>
[[gnu::noinline]] void add_sigmoid(const T* sum, T* gate, int64_t units) {
#pragma omp simd
  for (int64_t j = 0; j < units; ++j) gate[j] = formulas::sigmoid(gate[j] + sum[j]);
}
template <typename T>
[[gnu::noinline]] void add_tanh(const T* sum, T* gate, int64_t units) {
#pragma omp simd
  for (int64_t j = 0; j < units; ++j) gate[j] = formulas::tanh(gate[j] + sum[j]);
}

// sums: x W + b.
template <typename T>
void rnn(const Team& team, const Recurrent& p, const T* u, const T* initial, const int64_t* lengths, const T* sums,
         T* states, T* last, Workspace workspace) {
  RecurrentPart<T> part(team, p, lengths, 1, false, workspace);
  part.prepare(team, u);
  run_forward(team, part, initial, states, last, [&](int64_t i, int64_t n, int64_t step, T* h, T* out) {
    const T *const product = part.sum(i), *const sum = sums + part.row(n, step) * p.H + part.first;
    if (p.activation == Activation::relu) {
#pragma omp simd
      for (int64_t j = 0; j < part.units; ++j) h[j] = out[j] = formulas::relu(sum[j] + product[j]);
    } else {
#pragma omp simd
      for (int64_t j = 0; j < part.units; ++j) h[j] = out[j] = formulas::tanh(sum[j] + product[j]);
    }
  });
}

// d: the gradient of x W + b; earlier: the state before each step, or null. Both zero where sequences have ended.
template <typename T>
void rnn_backward(const Team& team, const Recurrent& p, const T* u, const T* initial, const int64_t* lengths,
                  const T* states, const T* dy, const T* dlast, T* d, T* earlier, T* dinitial, Workspace workspace) {
  RecurrentPart<T> part(team, p, lengths, 1, true, workspace);
  part.prepare(team, u);
  run_backward(team, part, dy, dlast, dinitial, false,
               [&](int64_t, int64_t n, int64_t step, const T* dout, const T* dh, T* di) {
                 const int64_t at = part.row(n, step) * p.H + part.first;
                 const T* const out = states + part.state_row_before(n, step + 1) * p.H + part.first;
                 T* const to = d + at;
                 if (p.activation == Activation::relu) {
#pragma omp simd
                   for (int64_t j = 0; j < part.units; ++j) {
                     to[j] = di[j] = formulas::relu_backward(dout[j] + dh[j], out[j]);
                   }
                 } else {
#pragma omp simd
                   for (int64_t j = 0; j < part.units; ++j) {
                     to[j] = di[j] = formulas::tanh_backward(dout[j] + dh[j], out[j]);
                   }
                 }
                 part.put_earlier(states, initial, n, step, earlier);
               });
  part.clear_rest(d, p.H);
  part.clear_rest(earlier, p.H);
}

// gates: x W + b, which becomes r, z, n; q: h U + b_n.
template <typename T>
void gru(const Team& team, const Recurrent& p, const T* u, const T* bias, const T* initial, const int64_t* lengths,
         T* gates, T* q, T* states, T* last, Workspace workspace) {
  RecurrentPart<T> part(team, p, lengths, 3, false, workspace);
  part.prepare(team, u);
  const T* const b = (bias ? bias : part.zeros) + part.first;
  const int64_t H = p.H, gap = part.vectors * kLanes<T>;
  run_forward(team, part, initial, states, last, [&](int64_t i, int64_t n, int64_t step, T* h, T* out) {
    const int64_t row = part.row(n, step);
    const T *const sum = part.sum(i), *const old = part.state(i, step) + part.first;
    T *const gate = gates + row * 3 * H + part.first, *const inner = q + row * H + part.first;
    add_sigmoid(sum, gate, part.units);
    add_sigmoid(sum + gap, gate + H, part.units);
#pragma omp simd
    for (int64_t j = 0; j < part.units; ++j) {
      inner[j] = sum[2 * gap + j] + b[j];
      gate[2 * H + j] = formulas::tanh(gate[2 * H + j] + gate[j] * inner[j]);
    }
#pragma omp simd
    for (int64_t j = 0; j < part.units; ++j) {
      const T candidate = gate[2 * H + j];
      h[j] = out[j] = candidate + gate[H + j] * (old[j] - candidate);
    }
  });
}

// d: the gradients of x W + b; du: those of h U + (0, 0, b_n).
template <typename T>
void gru_backward(const Team& team, const Recurrent& p, const T* u, const T* initial, const int64_t* lengths,
                  const T* gates, const T* q, const T* states, const T* dy, const T* dlast, T* d, T* du, T* earlier,
                  T* dinitial, Workspace workspace) {
  RecurrentPart<T> part(team, p, lengths, 3, true, workspace);
  part.prepare(team, u);
  const int64_t H = p.H;
  for (int64_t j = 0; j < part.rows * part.vectors * kLanes<T>; ++j) part.carry[j] = T(0);
  run_backward(team, part, dy, dlast, dinitial, true,
               [&](int64_t i, int64_t n, int64_t step, const T* dout, const T* dh, T* di) {
                 const int64_t row = part.row(n, step), at = row * 3 * H + part.first;
                 const T *const gate = gates + at, *const inner = q + row * H + part.first;
                 const T* const old = part.state_before(states, initial, n, step) + part.first;
                 T *const to = d + at, *const to_product = du + at, *const carried = part.carried(i);
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
                 part.put_earlier(states, initial, n, step, earlier);
               });
  part.clear_rest(d, 3 * H);
  part.clear_rest(du, 3 * H);
  part.clear_rest(earlier, H);
}

// gates: x W + b, which becomes i, f, g, o; c: the cells after each step.
template <typename T>
void lstm(const Team& team, const Recurrent& p, const T* u, const T* initial, const T* initial_cell,
          const int64_t* lengths, T* gates, T* c, T* states, T* last, T* last_cell, Workspace workspace) {
  RecurrentPart<T> part(team, p, lengths, 4, false, workspace);
  part.prepare(team, u);
  const int64_t H = p.H, gap = part.vectors * kLanes<T>;
  run_forward(team, part, initial, states, last, [&](int64_t i, int64_t n, int64_t step, T* h, T* out) {
    const int64_t row = part.row(n, step);
    const T *const sum = part.sum(i), *const old = part.cell_before(c, initial_cell, n, step) + part.first;
    T *const gate = gates + row * 4 * H + part.first, *const cell = c + row * H + part.first;
    add_sigmoid(sum, gate, part.units);
    add_sigmoid(sum + gap, gate + H, part.units);
    add_tanh(sum + 2 * gap, gate + 2 * H, part.units);
    add_sigmoid(sum + 3 * gap, gate + 3 * H, part.units);
#pragma omp simd
    for (int64_t j = 0; j < part.units; ++j) {
      cell[j] = gate[H + j] * old[j] + gate[j] * gate[2 * H + j];
      h[j] = out[j] = gate[3 * H + j] * formulas::tanh(cell[j]);
    }
  });
  for (int64_t i = 0; i < part.rows; ++i) {
    const int64_t n = part.sequence(i);
    const T* const cell = part.cell_before(c, initial_cell, n, part.length(n));
    copy_units(cell + part.first, last_cell + n * H + part.first, part.units);
  }
}

// d: the gradients of x W + b.
template <typename T>
void lstm_backward(const Team& team, const Recurrent& p, const T* u, const T* initial, const T* initial_cell,
                   const int64_t* lengths, const T* gates, const T* c, const T* states, const T* dy, const T* dlast,
                   const T* dlast_cell, T* d, T* earlier, T* dinitial, T* dinitial_cell, Workspace workspace) {
  RecurrentPart<T> part(team, p, lengths, 4, true, workspace);
  part.prepare(team, u);
  const int64_t H = p.H;
  for (int64_t i = 0; i < part.rows; ++i) {  // the cells' gradients are carried
    const T* from = dlast_cell ? dlast_cell + part.sequence(i) * H : part.zeros;
    copy_units(from + part.first, part.carried(i), part.units);
  }
  run_backward(team, part, dy, dlast, dinitial, false,
               [&](int64_t i, int64_t n, int64_t step, const T* dout, const T* dh, T* di) {
                 const int64_t row = part.row(n, step);
                 const T *const gate = gates + row * 4 * H + part.first, *const cell = c + row * H + part.first;
                 const T* const old = part.cell_before(c, initial_cell, n, step) + part.first;
                 T *const to = d + row * 4 * H + part.first, *const carried = part.carried(i);
#pragma omp simd
                 for (int64_t j = 0; j < part.units; ++j) di[j] = formulas::tanh(cell[j]);
#pragma omp simd
                 for (int64_t j = 0; j < part.units; ++j) {
                   const T in = gate[j], forget = gate[H + j], candidate = gate[2 * H + j], open = gate[3 * H + j];
                   const T shown = di[j], total = dout[j] + dh[j];
                   const T dc = carried[j] + formulas::tanh_backward(total * open, shown);
                   to[j] = di[j] = formulas::sigmoid_backward(dc * candidate, in);
                   to[H + j] = di[H + j] = formulas::sigmoid_backward(dc * old[j], forget);
                   to[2 * H + j] = di[2 * H + j] = formulas::tanh_backward(dc * in, candidate);
                   to[3 * H + j] = di[3 * H + j] = formulas::sigmoid_backward(total * shown, open);
                   carried[j] = dc * forget;
                 }
                 part.put_earlier(states, initial, n, step, earlier);
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
