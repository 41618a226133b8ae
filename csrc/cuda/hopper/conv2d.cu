#include "cuda/device/choose_warpgroup_tile.cuh"
#include "cuda/device/convolution.cuh"
#include "cuda/hopper/contractions.h"

namespace tilegrad::cuda::hopper {

template <typename T>
void conv2d_forward(const Stream& stream, const Conv2d& p, const T* x, const T* w, const T* bias, T* y) {
  run_on_warpgroups(stream, forward_problem(p, x, w, bias, y));
}
template <typename T>
void conv2d_backward_data(const Stream& stream, const Conv2d& p, const T* dy, const T* w, const T* bias, T* dx) {
  run_on_warpgroups(stream, backward_data_problem(p, dy, w, bias, dx));
}
template <typename T>
void conv2d_backward_weights(const Stream& stream, const Conv2d& p, const T* x, const T* dy, T* dw) {
  run_on_warpgroups(stream, backward_weights_problem(p, x, dy, dw));
}

#define INSTANTIATE(T)                                                                                \
  template void conv2d_forward(const Stream&, const Conv2d&, const T*, const T*, const T*, T*);       \
  template void conv2d_backward_data(const Stream&, const Conv2d&, const T*, const T*, const T*, T*); \
  template void conv2d_backward_weights(const Stream&, const Conv2d&, const T*, const T*, T*);
INSTANTIATE(BFloat16)
INSTANTIATE(Float16)

}  // namespace tilegrad::cuda::hopper
