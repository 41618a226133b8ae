// The draws of an augmented sample. They depend on the seed, the epoch, the sample's number and the step's alone.
#pragma once

#include "formulas/philox.h"
#include "params/augment.h"

namespace tilegrad::formulas {
namespace {

// What is called once for an image or for a pixel of a turned one is not inlined: it would be three times as much code.
#if defined(__CUDACC__)
#define TILEGRAD_APART TILEGRAD_FORMULA_CALL
#else
#define TILEGRAD_APART [[gnu::noinline]] inline
#endif

TILEGRAD_APART PhiloxBlock draw_block(uint64_t seed, uint64_t stream, uint64_t index) {
  return philox(seed, stream, index);
}

// Block b of step s of sample i is number i + 2^44 s + 2^56 b of the generator's stream `epoch`.
struct Draws {
  uint64_t seed, epoch, first;

  TILEGRAD_FORMULA PhiloxBlock block(int number) const {
    return draw_block(seed, epoch, first + (static_cast<uint64_t>(number) << 56));
  }
  // Draw i of the step, uniform in [0, 1).
  TILEGRAD_FORMULA double uniform(int i) const {
    const PhiloxBlock words = block(i / 2);
    return tilegrad::formulas::uniform(words.word[2 * (i % 2)], words.word[2 * (i % 2) + 1]);
  }
  // Between the bounds: where they are the same, that number exactly.
  TILEGRAD_FORMULA double between(int i, const double* bounds) const {
    return bounds[0] + (bounds[1] - bounds[0]) * uniform(i);
  }
  // Whole numbers from low to high. A draw of 64 bits: of n numbers none is more than n / 2^64 more likely than another.
  TILEGRAD_FORMULA int64_t whole(int i, int64_t low, int64_t high) const {
    __extension__ typedef unsigned __int128 Wide;
    const PhiloxBlock words = block(i / 2);
    const uint64_t word = static_cast<uint64_t>(words.word[2 * (i % 2)]) << 32 | words.word[2 * (i % 2) + 1];
    return low + static_cast<int64_t>(static_cast<Wide>(word) * static_cast<uint64_t>(high - low + 1) >> 64);
  }
};

inline constexpr int kChoiceDraw = 2 * 255;  // of a step's own draws there are fewer

TILEGRAD_FORMULA Draws draws_of(const int64_t* key, int64_t sample, const AugmentStep& step) {
  return {static_cast<uint64_t>(key[0]), static_cast<uint64_t>(key[1]),
          (static_cast<uint64_t>(sample) & (kMaxAugmentSample - 1)) + (static_cast<uint64_t>(step.number) << 44)};
}

TILEGRAD_FORMULA bool is_taken(const AugmentStep& step, const Draws& draws) {
  return step.probability >= 1 || draws.uniform(kChoiceDraw) < step.probability;
}

}  // namespace
}  // namespace tilegrad::formulas
