// Recurrent layers over whole sequences, forward and backward through time, one direction of one layer: cpu/recurrent.cpp has
// the formulas. A step is one launch.
#include "cuda/device/recurrent_part.cuh"
#include "formulas/activation.h"

namespace tilegrad::cuda {
namespace {

template <typename T>
struct RnnCell {
  Activation activation;
  const T* sums;
  __device__ __forceinline__ void operator()(const Sequences& s, const Unit& at, const T (&product)[1], T* h) const {
    const T sum = sums[s.row(at.n, at.length, at.step) * s.p.H + at.j] + product[0];
    *h = activation == Activation::relu ? formulas::relu(sum) : formulas::tanh(sum);
  }
};

// sums: x W + b.
template <typename T>
void rnn(const Stream& stream, const Recurrent& p, const T* u, const T* initial, const int64_t* lengths, const T* sums,
         T* states, T* last, Workspace) {
  run_forward<1>(stream, {p, lengths, stream.error}, u, initial, states, last, RnnCell<T>{p.activation, sums});
}

// The state before each step, where it is wanted.
template <typename T>
struct Earlier {
  const T *states, *initial;
  T* earlier;
  __device__ __forceinline__ void put(const Sequences& s, const Unit& at) const {
    if (!earlier) return;
    earlier[s.row(at.n, at.length, at.step) * s.p.H + at.j] = state_before(s, at, states, initial);
  }
};

template <typename T>
struct RnnBackward {
  Activation activation;
  Earlier<T> earlier;
  T *d, *dinitial;
  __device__ __forceinline__ void operator()(const Sequences& s, const Unit& at, T dout, T dh, bool) const {
    const T out = earlier.states[s.state_row_before(at.n, at.length, at.step + 1) * s.p.H + at.j];
    d[s.row(at.n, at.length, at.step) * s.p.H + at.j] = activation == Activation::relu
                                                            ? formulas::relu_backward(dout + dh, out)
                                                            : formulas::tanh_backward(dout + dh, out);
    earlier.put(s, at);
  }
  __device__ __forceinline__ void finish(const Sequences& s, const Unit& at, T dh, bool) const {
    dinitial[at.n * s.p.H + at.j] = dh;
  }
};

// d: the gradient of x W + b; earlier: the state before each step, or null. Both zero where sequences have ended.
template <typename T>
void rnn_backward(const Stream& stream, const Recurrent& p, const T* u, const T* initial, const int64_t* lengths,
                  const T* states, const T* dy, const T* dlast, T* d, T* earlier, T* dinitial, Workspace) {
  const Sequences s{p, lengths, stream.error};
  clear_ended(stream, s, p.H, d);
  clear_ended(stream, s, p.H, earlier);
  const RnnBackward<T> cell{p.activation, {states, initial, earlier}, d, dinitial};
  run_backward<1>(stream, s, u, Incoming<T>{dy, dlast, d}, cell, dinitial != nullptr);
}

template <typename T>
struct GruCell {
  const T *bias, *states, *initial;
  T *gates, *q;
  __device__ __forceinline__ void operator()(const Sequences& s, const Unit& at, const T (&product)[3], T* h) const {
    const int64_t H = s.p.H, row = s.row(at.n, at.length, at.step);
    T* const gate = gates + row * 3 * H + at.j;
    const T old = state_before(s, at, states, initial);
    const T r = formulas::sigmoid(gate[0] + product[0]), z = formulas::sigmoid(gate[H] + product[1]);
    const T inner = product[2] + (bias ? bias[at.j] : T(0));
    const T candidate = formulas::tanh(gate[2 * H] + r * inner);
    gate[0] = r;
    gate[H] = z;
    gate[2 * H] = candidate;
    q[row * H + at.j] = inner;
    *h = candidate + z * (old - candidate);
  }
};

// gates: x W + b, which becomes r, z, n; q: h U + b_n.
template <typename T>
void gru(const Stream& stream, const Recurrent& p, const T* u, const T* bias, const T* initial, const int64_t* lengths,
         T* gates, T* q, T* states, T* last, Workspace) {
  run_forward<3>(stream, {p, lengths, stream.error}, u, initial, states, last,
                 GruCell<T>{bias, states, initial, gates, q});
}

template <typename T>
struct GruBackward {
  const T *gates, *q;
  Earlier<T> earlier;
  T *d, *du, *carried, *dinitial;
  __device__ __forceinline__ void operator()(const Sequences& s, const Unit& at, T dout, T dh, bool is_last) const {
    const int64_t H = s.p.H, row = s.row(at.n, at.length, at.step), place = row * 3 * H + at.j;
    const T *const gate = gates + place, inner = q[row * H + at.j];
    const T r = gate[0], z = gate[H], candidate = gate[2 * H];
    const T old = state_before(s, at, earlier.states, earlier.initial);
    T& carry = carried[at.n * H + at.j];
    const T total = dout + (dh + (is_last ? T(0) : carry));
    const T dn = formulas::tanh_backward(total * (T(1) - z), candidate);
    const T dr = formulas::sigmoid_backward(dn * inner, r);
    const T dz = formulas::sigmoid_backward(total * (old - candidate), z);
    carry = total * z;
    T *const to = d + place, *const to_product = du + place;
    to[0] = to_product[0] = dr;
    to[H] = to_product[H] = dz;
    to[2 * H] = dn;
    to_product[2 * H] = dn * r;
    earlier.put(s, at);
  }
  __device__ __forceinline__ void finish(const Sequences& s, const Unit& at, T dh, bool is_last) const {
    const int64_t i = at.n * s.p.H + at.j;
    dinitial[i] = dh + (is_last ? T(0) : carried[i]);
  }
};

// d: the gradients of x W + b; du: those of h U + (0, 0, b_n).
template <typename T>
void gru_backward(const Stream& stream, const Recurrent& p, const T* u, const T* initial, const int64_t* lengths,
                  const T* gates, const T* q, const T* states, const T* dy, const T* dlast, T* d, T* du, T* earlier,
                  T* dinitial, Workspace) {
  const Sequences s{p, lengths, stream.error};
  clear_ended(stream, s, 3 * p.H, d);
  clear_ended(stream, s, 3 * p.H, du);
  clear_ended(stream, s, p.H, earlier);
  const GruBackward<T> cell{gates, q, {states, initial, earlier}, d, du, stream.scratch_of<T>(p.N * p.H + 1), dinitial};
  run_backward<3>(stream, s, u, Incoming<T>{dy, dlast, du}, cell, dinitial != nullptr);
}

template <typename T>
struct LstmCell {
  const T* initial_cell;
  T *gates, *c;
  __device__ __forceinline__ void operator()(const Sequences& s, const Unit& at, const T (&product)[4], T* h) const {
    const int64_t H = s.p.H, row = s.row(at.n, at.length, at.step);
    T* const gate = gates + row * 4 * H + at.j;
    const T old = cell_before<T>(s, at, c, initial_cell);
    const T in = formulas::sigmoid(gate[0] + product[0]), forget = formulas::sigmoid(gate[H] + product[1]);
    const T candidate = formulas::tanh(gate[2 * H] + product[2]), open = formulas::sigmoid(gate[3 * H] + product[3]);
    gate[0] = in;
    gate[H] = forget;
    gate[2 * H] = candidate;
    gate[3 * H] = open;
    const T cell = forget * old + in * candidate;
    c[row * H + at.j] = cell;
    *h = open * formulas::tanh(cell);
  }
};

// gates: x W + b, which becomes i, f, g, o; c: the cells after each step.
template <typename T>
void lstm(const Stream& stream, const Recurrent& p, const T* u, const T* initial, const T* initial_cell,
          const int64_t* lengths, T* gates, T* c, T* states, T* last, T* last_cell, Workspace) {
  const Sequences s{p, lengths, stream.error};
  run_forward<4>(stream, s, u, initial, states, last, LstmCell<T>{initial_cell, gates, c});
  if (p.N * p.H == 0) return;
  take_last<true>
      <<<blocks_for(p.N * p.H), kThreads, 0, stream.handle>>>(s, static_cast<const T*>(c), initial_cell, last_cell);
}

template <typename T>
struct LstmBackward {
  const T *initial_cell, *gates, *c, *dlast_cell;
  Earlier<T> earlier;
  T *d, *carried, *dinitial, *dinitial_cell;
  // What comes to a unit's cell from the step behind.
  __device__ __forceinline__ T carry(const Sequences& s, const Unit& at, bool is_last) const {
    const int64_t i = at.n * s.p.H + at.j;
    return !is_last ? carried[i] : dlast_cell ? dlast_cell[i] : T(0);
  }
  __device__ __forceinline__ void operator()(const Sequences& s, const Unit& at, T dout, T dh, bool is_last) const {
    const int64_t H = s.p.H, row = s.row(at.n, at.length, at.step), place = row * 4 * H + at.j;
    const T* const gate = gates + place;
    const T in = gate[0], forget = gate[H], candidate = gate[2 * H], open = gate[3 * H];
    const T shown = formulas::tanh(c[row * H + at.j]), old = cell_before(s, at, c, initial_cell);
    const T total = dout + dh;
    const T dc = carry(s, at, is_last) + formulas::tanh_backward(total * open, shown);
    T* const to = d + place;
    to[0] = formulas::sigmoid_backward(dc * candidate, in);
    to[H] = formulas::sigmoid_backward(dc * old, forget);
    to[2 * H] = formulas::tanh_backward(dc * in, candidate);
    to[3 * H] = formulas::sigmoid_backward(total * shown, open);
    carried[at.n * H + at.j] = dc * forget;
    earlier.put(s, at);
  }
  __device__ __forceinline__ void finish(const Sequences& s, const Unit& at, T dh, bool is_last) const {
    const int64_t i = at.n * s.p.H + at.j;
    if (dinitial) dinitial[i] = dh;
    if (dinitial_cell) dinitial_cell[i] = carry(s, at, is_last);
  }
};

// d: the gradients of x W + b.
template <typename T>
void lstm_backward(const Stream& stream, const Recurrent& p, const T* u, const T* initial, const T* initial_cell,
                   const int64_t* lengths, const T* gates, const T* c, const T* states, const T* dy, const T* dlast,
                   const T* dlast_cell, T* d, T* earlier, T* dinitial, T* dinitial_cell, Workspace) {
  const Sequences s{p, lengths, stream.error};
  clear_ended(stream, s, 4 * p.H, d);
  clear_ended(stream, s, p.H, earlier);
  const LstmBackward<T> cell{
      initial_cell, gates,        c, dlast_cell, {states, initial, earlier}, d, stream.scratch_of<T>(p.N * p.H + 1),
      dinitial,     dinitial_cell};
  run_backward<4>(stream, s, u, Incoming<T>{dy, dlast, d}, cell, dinitial || dinitial_cell);
}

}  // namespace
DEFINE_KERNEL(rnn, FLOATING)
DEFINE_KERNEL(rnn_backward, FLOATING)
DEFINE_KERNEL(gru, FLOATING)
DEFINE_KERNEL(gru_backward, FLOATING)
DEFINE_KERNEL(lstm, FLOATING)
DEFINE_KERNEL(lstm_backward, FLOATING)
}  // namespace tilegrad::cuda
