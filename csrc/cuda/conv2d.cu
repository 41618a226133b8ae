// conv2d_forward and conv2d_backward_data as implicit matrix products.
#include "cuda/device/depthwise.cuh"
#include "cuda/hopper/contractions.h"

namespace tilegrad::cuda {
namespace {

template <typename T>
void conv2d_forward(const Stream& stream, const Conv2d& p, const T* x, const T* w, const T* bias, T* y, Workspace) {
  require_small(p);
  if (is_depthwise(p)) {
    const int64_t outputs = p.N * p.P * p.Q * p.K;
    if (outputs == 0) return;
    depthwise_forward<T><<<blocks_for(outputs), kThreads, 0, stream.handle>>>(depthwise_sizes(p, outputs), x, w,
                                                                              Finish<T>{bias, 1, p.activation}, y);
    return;
  }
  for_images(p, p.P * p.Q, [&](const Conv2d& part, int64_t first) {
    const T* const from = x + first * p.H * p.W * p.C;
    T* const to = y + first * p.P * p.Q * p.K;
    run_contraction(stream, forward_problem(part, from, w, bias, to),
                    WideOperands{is_wide(from, {p.C / p.groups}), is_wide(w, {p.K / p.groups})},
                    [&] { hopper::conv2d_forward(stream, part, from, w, bias, to); });
  });
}

template <typename T>
void conv2d_backward_data(const Stream& stream, const Conv2d& p, const T* dy, const T* w, const T* bias, T* dx,
                          Workspace) {
  require_small(p);
  if (is_depthwise(p)) {
    const int64_t outputs = p.N * p.H * p.W * p.C;
    if (outputs == 0) return;
    depthwise_backward_data<T><<<blocks_for(outputs), kThreads, 0, stream.handle>>>(
        depthwise_sizes(p, outputs), dy, w, Finish<T>{bias, 1, p.activation}, dx);
    return;
  }
  for_images(p, p.H * p.W, [&](const Conv2d& part, int64_t first) {
    const T* const from = dy + first * p.P * p.Q * p.K;
    T* const to = dx + first * p.H * p.W * p.C;
    run_contraction(stream, backward_data_problem(part, from, w, bias, to),
                    WideOperands{is_wide(from, {p.K / p.groups}), is_wide(w, {p.K / p.groups})},
                    [&] { hopper::conv2d_backward_data(stream, part, from, w, bias, to); });
  });
}

}  // namespace
DEFINE_KERNEL(conv2d_forward, FLOATING, BFloat16, Float16)
DEFINE_KERNEL(conv2d_backward_data, FLOATING, BFloat16, Float16)
}  // namespace tilegrad::cuda
