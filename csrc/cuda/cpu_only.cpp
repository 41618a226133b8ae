// Kernels that GPUs do not have: csrc/ops never launches them there. Winograd's transforms pay where products are expensive;
// tensor cores make them cheap. The first few of a row are taken from all of it, sorted.
#include "kernels.h"

namespace tilegrad::cuda {

#define CPU_ONLY(name, DTYPES)                   \
  template <typename Signature, typename DTypes> \
  struct name##_kernels {                        \
    static const KernelSet set;                  \
  };                                             \
  template <>                                    \
  const KernelSet name##_kernels<signature::name<float>, dtypes::DTYPES>::set = {};
CPU_ONLY(winograd_weights, FLOATING)
CPU_ONLY(winograd_forward, FLOATING)
CPU_ONLY(winograd_backward_data, FLOATING)
CPU_ONLY(winograd_backward_weights, FLOATING)
CPU_ONLY(top, COMPARABLE)
#undef CPU_ONLY

}  // namespace tilegrad::cuda
