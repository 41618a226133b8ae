// The gradient of a convolution with respect to its weights: a product with a long sum, over all output pixels.
#include "cuda/device/convolution.cuh"

namespace tilegrad::cuda {
namespace {

template <typename T>
void conv2d_backward_weights(const Stream& stream, const Conv2d& p, const T* x, const T* dy, T* dw, Workspace) {
  require_small(p);
  const BackwardWeightsProblem<T> problem = backward_weights_problem(p, x, dy, dw);
  const int64_t tiles = ceil_div(problem.M, 64) * ceil_div(problem.N, 64) * problem.count;
  run_tiles<SimtTile<T, 64, 64, 16, 4, 4>>(stream, problem, parts_for(tiles, problem.K));
}

}  // namespace
DEFINE_KERNEL(conv2d_backward_weights, FLOATING, BFloat16, Float16)
}  // namespace tilegrad::cuda
