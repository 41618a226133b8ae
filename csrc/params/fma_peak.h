// The load under which the machine's peak is measured.
#pragma once

#include <cstdint>

namespace tilegrad {

// Each member runs at least this many multiply-adds between registers.
struct FmaPeak {
  int64_t multiply_adds;
};

}  // namespace tilegrad
