// The KernelTable of CUDA. As on the CPU, a kernel of kernels.inc that no file defines, or that one defines with another
// signature or other dtypes, is an undefined symbol here.
#include "core/cuda.h"
#include "kernels.h"

namespace tilegrad::cuda {

#define KERNEL(name, DTYPES, ...)                \
  template <typename Signature, typename DTypes> \
  struct name##_kernels {                        \
    static const KernelSet set;                  \
  };
#include "kernels.inc"
#undef KERNEL

namespace {

// Built when it is first asked for: the sets are constants of other translation units.
const KernelTable& table() {
  static const KernelTable* const instance = new KernelTable{
#define KERNEL(name, DTYPES, ...) &name##_kernels<signature::name<float>, dtypes::DTYPES>::set,
#include "kernels.inc"
#undef KERNEL
  };
  return *instance;
}

}  // namespace

const KernelTable& kernel_table() { return table(); }

}  // namespace tilegrad::cuda
