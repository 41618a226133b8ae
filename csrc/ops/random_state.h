// What every op that draws checks.
#pragma once

#include "core/array.h"
#include "params/random.h"

namespace tilegrad::ops {

void require_state(const char* op, const Array& state);

// Ones with this probability, to the nearest multiple of 2^-32.
RandomChoice choice(const char* op, double probability, int64_t count);

}  // namespace tilegrad::ops
