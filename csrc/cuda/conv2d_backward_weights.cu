// The gradient of a convolution with respect to its weights: a product with a long sum, over all output pixels.
#include "cuda/device/depthwise.cuh"
#include "cuda/hopper/contractions.h"

namespace tilegrad::cuda {
namespace {

template <typename T>
void conv2d_backward_weights(const Stream& stream, const Conv2d& p, const T* x, const T* dy, T* dw, Workspace) {
  require_small(p);
  if (is_depthwise(p)) return run_depthwise_weights(stream, p, x, dy, dw);
  run_contraction(stream, backward_weights_problem(p, x, dy, dw),
                  WideOperands{is_wide(x, {p.C / p.groups}), is_wide(dy, {p.K / p.groups})},
                  [&] { hopper::conv2d_backward_weights(stream, p, x, dy, dw); });
}

}  // namespace
DEFINE_KERNEL(conv2d_backward_weights, FLOATING, BFloat16, Float16)
}  // namespace tilegrad::cuda
