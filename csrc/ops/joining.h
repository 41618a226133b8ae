#pragma once

#include <span>

#include "core/array.h"

namespace tilegrad::ops {

// One behind the other along an axis, and side by side along a new one.
Array concat(std::span<const Array> parts, int64_t axis);
Array stack(std::span<const Array> parts, int64_t axis);

}  // namespace tilegrad::ops
