// Philox 4x32-10, a counter-based generator: block number `counter` of the stream named by `key` is a pure function of
// both, so that random numbers do not depend on threads, workers or the order in which they are drawn.
//
// Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#pragma once

#include "formulas/formula.h"

namespace tilegrad::formulas {
namespace {

// Four independent 32-bit words.
struct PhiloxBlock {
  uint32_t word[4];
};

TILEGRAD_FORMULA PhiloxBlock philox(uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3, uint32_t k0, uint32_t k1) {
#if defined(__CUDACC__)
#pragma unroll
#else
#pragma GCC unroll 10
#endif
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t{0xD2511F53u} * c0;
    const uint64_t product1 = uint64_t{0xCD9E8D57u} * c2;
    const uint32_t high0 = static_cast<uint32_t>(product0 >> 32), high1 = static_cast<uint32_t>(product1 >> 32);
    c0 = high1 ^ c1 ^ k0;
    c1 = static_cast<uint32_t>(product1);
    c2 = high0 ^ c3 ^ k1;
    c3 = static_cast<uint32_t>(product0);
    k0 += 0x9E3779B9u;  // the golden ratio
    k1 += 0xBB67AE85u;  // the square root of 3
  }
  return {{c0, c1, c2, c3}};
}

// Block `index` of stream `stream` of the generator seeded by `seed`.
TILEGRAD_FORMULA PhiloxBlock philox(uint64_t seed, uint64_t stream, uint64_t index) {
  return philox(static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32), static_cast<uint32_t>(stream),
                static_cast<uint32_t>(stream >> 32), static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32));
}

// Uniform in [0, 1), a multiple of 2^-24: every float of that form is equally likely, and 1 never comes out.
TILEGRAD_FORMULA float uniform(uint32_t word) { return static_cast<float>(static_cast<int32_t>(word >> 8)) * 0x1p-24f; }

// Uniform in [0, 1), a multiple of 2^-53. Both conversions are from int32, which every ISA vectorises, and exact.
TILEGRAD_FORMULA double uniform(uint32_t high, uint32_t low) {
  return (static_cast<double>(static_cast<int32_t>(high >> 5)) * 0x1p26 +
          static_cast<double>(static_cast<int32_t>(low >> 6))) *
         0x1p-53;
}

}  // namespace
}  // namespace tilegrad::formulas
