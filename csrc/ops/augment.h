// Images of a batch with random changes, float32.
#pragma once

#include <vector>

#include "core/array.h"
#include "params/augment.h"

namespace tilegrad::ops {

// For each n one image: image rows[n] of x [M, H, W, C] (uint8 or float32) after the steps, with the draws of sample number
// samples[n]. `key` is int64 [2], seed and epoch; `scales` float32 [K, 2, C], absent where no step scales. With `partners`
// (int64 [N]) and `shares` (float32 [N]) the result is shares[n] of image n and the rest of image partners[n].
struct AugmentArrays {
  Array x, rows, samples, key, scales, partners, shares;
};
Array augment(const AugmentArrays& in, const std::vector<AugmentStep>& steps);

}  // namespace tilegrad::ops
