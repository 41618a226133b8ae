// conv2d_forward and conv2d_backward_data: one stencil driver (stencil.h) with the weights read in two ways.
#include "cpu/stencil.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// y = activation(conv(x, w) + bias).
template <typename T>
void conv2d_forward(const Team& team, const Conv2d& p, const T* x, const T* w, const T* bias, T* y,
                    Workspace workspace) {
  const Stencil s = forward_stencil(p);
  // w[r, s, c, k]: the columns are k. Channelwise, all groups count as one, with one channel in and K columns.
  const StencilWeights<T> weights{w, s.group_in * p.K, p.K, 1, s.group_out};
  stencil(team, s, p.plan, x, weights, Epilogue<T>{bias, 1, p.activation}, y, workspace);
}

// dx[n, h, w, c] = sum over r, s, k of dy[n, p, q, k] * w[r, s, c, k], where output (p, q) meets (h, w) at tap (r, s).
// The filter is turned by half a turn, so that r and s run downwards and dy's pixels upwards. As an op of its own, a
// transposed convolution, it ends in activation(dx + bias).
template <typename T>
void conv2d_backward_data(const Team& team, const Conv2d& p, const T* dy, const T* w, const T* bias, T* dx,
                          Workspace workspace) {
  const Stencil s = backward_stencil(p);
  const int64_t tap = p.C / p.groups * p.K;
  // Group g's columns are the channels c of its slice w[:, :, :, g * K / groups ...]; channelwise, they are k itself.
  const StencilWeights<T> weights{w + (p.R * p.S - 1) * tap, -tap, 1, s.channelwise ? 1 : p.K, s.group_in};
  stencil(team, s, p.plan, dy, weights, Epilogue<T>{bias, 1, p.activation}, dx, workspace);
}

}  // namespace
DEFINE_KERNEL(conv2d_forward, FLOATING)
DEFINE_KERNEL(conv2d_backward_data, FLOATING)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
