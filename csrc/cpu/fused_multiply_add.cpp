// The fused multiply-add by itself: of vectors, and of scalars at the end of a run.
#include "cpu/elementwise.h"
#include "cpu/vec.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

template <typename T>
void fused_multiply_add(const Team& team, const LoopNest<4>& nest, const T* a, const T* b, const T* c, T* y) {
  for_each_block(
      team, nest,
      [](int64_t count, T* out, const T* x, const T* factor, const T* addend) {
        int64_t i = 0;
        for (; i + kLanes<T> <= count; i += kLanes<T>) {
          store(out + i, fma_lanes(load(x + i), load(factor + i), load(addend + i)));
        }
        for (; i < count; ++i) out[i] = fma(x[i], factor[i], addend[i]);
      },
      y, a, b, c);
}

}  // namespace
DEFINE_KERNEL(fused_multiply_add, FLOATING)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
