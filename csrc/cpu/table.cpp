// The KernelTable of this ISA. A kernel of kernels.inc that no file of this folder defines is an undefined symbol here.
#include "cpu/isa.h"

namespace tilegrad::cpu::TILEGRAD_ISA {

extern const KernelTable kTable;
constinit const KernelTable kTable = {
#define KERNEL(name, DTYPES, ...) &name##_kernels,
#include "kernels.inc"
#undef KERNEL
};

}  // namespace tilegrad::cpu::TILEGRAD_ISA
