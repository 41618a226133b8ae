// Division by a number that is known before the loop: a multiplication and a shift.
#pragma once

#include <cstdint>

namespace tilegrad::cuda {
namespace {

// n / divisor for 0 <= n < 2^31 (Granlund and Montgomery, "Division by invariant integers using multiplication", 1994).
struct FastDivide {
  uint32_t divisor, multiplier, shift;

  FastDivide() = default;
  __host__ __device__ explicit FastDivide(int64_t by) : divisor(static_cast<uint32_t>(by)), shift(0) {
    while ((int64_t{1} << shift) < by) ++shift;
    multiplier = static_cast<uint32_t>(((uint64_t{1} << 32) * ((uint64_t{1} << shift) - divisor)) / divisor + 1);
  }
  __device__ __forceinline__ uint32_t quotient(uint32_t n) const { return (__umulhi(n, multiplier) + n) >> shift; }
};

// The same by one of two neighbours, for axes that are dealt out: some get one more than others, or none (and are divided by
// anything).
struct DealtDivide {
  FastDivide more, fewer;

  DealtDivide() = default;
  explicit DealtDivide(int64_t most) : more(most > 1 ? most : 1), fewer(most > 2 ? most - 1 : 1) {}
  __device__ __forceinline__ FastDivide by(int divisor) const {
    return static_cast<uint32_t>(divisor) == more.divisor ? more : fewer;
  }
};

}  // namespace
}  // namespace tilegrad::cuda
