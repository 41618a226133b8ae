#include "cpu/isa.h"
#include "cpu/vec.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {
template <typename T>
void gemm(const Team& team, const Gemm& p, const T* a, const T* b, const T* bias, T* c, Workspace) {
  const Range rows = team.share(p.M);
  for (int64_t m = rows.begin; m < rows.end; ++m) {
    for (int64_t n = 0; n < p.N; ++n) {
      T sum = 0;
      for (int64_t k = 0; k < p.K; ++k) {
        sum = fma(a[m * p.a_row_stride + k * p.a_col_stride], b[k * p.b_row_stride + n * p.b_col_stride], sum);
      }
      c[m * p.c_row_stride + n] = bias ? sum + bias[n * p.bias_stride] : sum;
    }
  }
}
}  // namespace
DEFINE_KERNEL(gemm)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
