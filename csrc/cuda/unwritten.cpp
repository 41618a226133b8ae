// Kernels that have no CUDA twin: weak, empty sets, which a file that defines the kernel takes the place of. An op that meets
// one says that it has no kernel for the dtype.
#include "kernels.h"

namespace tilegrad::cuda {

#define KERNEL(name, DTYPES, ...)                \
  template <typename Signature, typename DTypes> \
  struct name##_kernels {                        \
    static const KernelSet set;                  \
  };                                             \
  template <>                                    \
  __attribute__((weak)) const KernelSet name##_kernels<signature::name<float>, dtypes::DTYPES>::set = {};
#include "kernels.inc"
#undef KERNEL

}  // namespace tilegrad::cuda
