// The packing of matrix panels.
#pragma once

#include "cpu/isa.h"

namespace tilegrad::cpu::TILEGRAD_ISA {

// Packs a panel: to[k * step + j] = from[k * k_stride + j * j_stride] for K values of k and `count` of j, and 0 for the j
// from count to width. step >= width. May write up to kLanes - 1 elements behind the last row, and between rows.
void pack_panel(const float* from, int64_t k_stride, int64_t j_stride, int64_t K, int64_t count, int64_t width,
                float* to, int64_t step);
void pack_panel(const double* from, int64_t k_stride, int64_t j_stride, int64_t K, int64_t count, int64_t width,
                double* to, int64_t step);

}  // namespace tilegrad::cpu::TILEGRAD_ISA
