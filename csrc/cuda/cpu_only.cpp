// Kernels that GPUs do not have: csrc/ops never launches them there. Winograd's transforms pay where products are expensive;
// tensor cores make them cheap.
#include "kernels.h"

namespace tilegrad::cuda {

#define CPU_ONLY(name)                           \
  template <typename Signature, typename DTypes> \
  struct name##_kernels {                        \
    static const KernelSet set;                  \
  };                                             \
  template <>                                    \
  const KernelSet name##_kernels<signature::name<float>, dtypes::FLOATING>::set = {};
CPU_ONLY(winograd_weights)
CPU_ONLY(winograd_forward)
CPU_ONLY(winograd_backward_data)
CPU_ONLY(winograd_backward_weights)
#undef CPU_ONLY

}  // namespace tilegrad::cuda
