// conv2d_forward and conv2d_backward_data as implicit matrix products.
#include "cuda/device/convolution.cuh"

namespace tilegrad::cuda {
namespace {

template <typename Problem>
void run(const Stream& stream, const Problem& problem) {
  using T = typename Problem::Element;
  const auto tiles = [&](int64_t m, int64_t n) {
    return ceil_div(problem.M, m) * ceil_div(problem.N, n) * problem.count;
  };
  if constexpr (!std::is_same_v<T, double>) {
    if (problem.N > 64 && tiles(128, 128) >= 64) return run_tiles<SimtTile<T, 128, 128, 16, 8, 8>>(stream, problem, 1);
  }
  run_tiles<SimtTile<T, 64, 64, 16, 4, 4>>(stream, problem, parts_for(tiles(64, 64), problem.K));
}

template <typename T>
void conv2d_forward(const Stream& stream, const Conv2d& p, const T* x, const T* w, const T* bias, T* y, Workspace) {
  require_small(p);
  run(stream, forward_problem(p, x, w, bias, y));
}

template <typename T>
void conv2d_backward_data(const Stream& stream, const Conv2d& p, const T* dy, const T* w, const T* bias, T* dx,
                          Workspace) {
  require_small(p);
  run(stream, backward_data_problem(p, dy, w, bias, dx));
}

}  // namespace
DEFINE_KERNEL(conv2d_forward, FLOATING, BFloat16, Float16)
DEFINE_KERNEL(conv2d_backward_data, FLOATING, BFloat16, Float16)
}  // namespace tilegrad::cuda
