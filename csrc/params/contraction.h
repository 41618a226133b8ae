// The sum order of every contraction: matrix products and convolutions.
#pragma once

#include <cstdint>

#include "core/team.h"

namespace tilegrad {

// K terms are cut into chunks of this length. Each chunk is one fma chain over ascending k that starts from 0, and the
// chunks' sums are added in ascending order. It depends on K alone (docs/numerics.md), and there are at most kMostChunks,
// so that threads may share them out.
TILEGRAD_INLINE constexpr int64_t contraction_chunk(int64_t K) {
  return K <= 16384 ? 512 : ((K + 31) / 32 + 63) / 64 * 64;
}
inline constexpr int kMostChunks = 32;

}  // namespace tilegrad
