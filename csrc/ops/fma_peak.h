// The peak that benchmarks compare kernels with.
#pragma once

#include "core/dtype.h"

namespace tilegrad::ops {

// GFLOP/s of `threads` threads that do nothing but fused multiply-adds between registers: the best of several runs.
double measure_fma_peak(DType dtype, int threads);

}  // namespace tilegrad::ops
