// Chooses the table of kernels: by device, and on the CPU by ISA, once per process.
#pragma once

#include <string>
#include <vector>

#include "core/storage.h"
#include "kernels.h"

namespace tilegrad {

// The kernels that run on `device`.
const KernelTable& kernel_table(Device device);

namespace cpu {

// The ISAs this build holds and this CPU can run, from the most portable to the widest.
std::vector<std::string> available_isas();

// The one in use: the widest available, or what TILEGRAD_ISA caps it to.
const char* isa();

// Switches the table of the whole process: for tests, which compare the bits of all ISAs on one machine. An unknown or
// unavailable name raises an error that says what is available.
void set_isa(const std::string& name);

}  // namespace cpu
}  // namespace tilegrad
