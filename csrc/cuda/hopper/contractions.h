// Contractions of 16-bit floats on the warpgroups of compute capability 9.0: compiled for sm_90a alone, in an object library
// of their own. Operands must come in runs of 16 bytes.
#pragma once

#include "cuda/kernel.cuh"
#include "params/conv2d.h"

namespace tilegrad::cuda::hopper {

template <typename T>
void gemm(const Stream& stream, const Gemm& g, const T* a, const T* b, const T* bias, T* c);
template <typename T>
void conv2d_forward(const Stream& stream, const Conv2d& p, const T* x, const T* w, const T* bias, T* y);
template <typename T>
void conv2d_backward_data(const Stream& stream, const Conv2d& p, const T* dy, const T* w, const T* bias, T* dx);
template <typename T>
void conv2d_backward_weights(const Stream& stream, const Conv2d& p, const T* x, const T* dy, T* dw);

}  // namespace tilegrad::cuda::hopper
