// How exact float32 results must be: a process-wide choice that kernels' callers in csrc/ops read when they choose an
// algorithm. "high" allows Winograd's F(4x4) (and TF32 on CUDA), "highest" neither.
#pragma once

#include <cstdint>
#include <string>

namespace tilegrad {

enum class Precision : uint8_t { high, highest };

Precision float32_precision();
const char* name(Precision precision);

// "high" or "highest"; anything else raises an error.
void set_float32_precision(const std::string& name);

}  // namespace tilegrad
