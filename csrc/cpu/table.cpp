// The KernelTable of this ISA. A kernel of kernels.inc that no file of this
// folder defines, or that one defines with another signature or other dtypes,
// is an undefined symbol here.
#include "cpu/isa.h"
#include "kernels.h"

namespace tilegrad::cpu::TILEGRAD_ISA {

#define KERNEL(name, DTYPES, ...) DECLARE_KERNEL(name)
#include "kernels.inc"
#undef KERNEL

extern const KernelTable kTable;
constinit const KernelTable kTable = {
#define KERNEL(name, DTYPES, ...) &name##_kernels<signature::name<float>, dtypes::DTYPES>::set,
#include "kernels.inc"
#undef KERNEL
};

}  // namespace tilegrad::cpu::TILEGRAD_ISA
