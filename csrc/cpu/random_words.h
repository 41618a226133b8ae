// How kernels draw: whole tiles of Philox blocks from the generator's current stream, and the step to the next stream.
//
// What element i of a draw gets depends on (seed, stream, i) alone. A tile is 16 blocks of 4 words, with word w of
// block j at position 16 w + j, so that vector lanes are blocks and every store is contiguous.
#pragma once

#include "cpu/isa.h"
#include "formulas/philox.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

inline constexpr int kBlocksPerTile = 16;
inline constexpr int kWordsPerTile = 4 * kBlocksPerTile;

struct Words {
  alignas(64) uint32_t at[kWordsPerTile];
};

struct Stream {
  uint64_t seed, number;
};

TILEGRAD_INLINE Stream current_stream(const int64_t* state) {
  return {static_cast<uint64_t>(state[0]), static_cast<uint64_t>(state[1])};
}

// Every launch draws from a stream of its own: the last thing a kernel does is to move the generator to the next.
TILEGRAD_INLINE void next_stream(const Team& team, int64_t* state) {
  team.barrier();  // everybody has read it
  if (team.rank == 0) state[1] = static_cast<int64_t>(static_cast<uint64_t>(state[1]) + 1);
}

// Block numbers stay below 2^59; the bits above count the attempts of distributions that reject.
inline constexpr int kAttemptShift = 59;
inline constexpr int kMaxAttempts = 32;

TILEGRAD_INLINE void draw_tile(Stream stream, int64_t tile, int attempt, Words& words) {
  const uint64_t first =
      static_cast<uint64_t>(tile) * kBlocksPerTile + (static_cast<uint64_t>(attempt) << kAttemptShift);
  const uint32_t low = static_cast<uint32_t>(first), high = static_cast<uint32_t>(first >> 32);
  const uint32_t number_low = static_cast<uint32_t>(stream.number),
                 number_high = static_cast<uint32_t>(stream.number >> 32);
  const uint32_t seed_low = static_cast<uint32_t>(stream.seed), seed_high = static_cast<uint32_t>(stream.seed >> 32);
#pragma omp simd
  for (uint32_t j = 0; j < kBlocksPerTile; ++j) {  // 16 divides 2^32: the low word does not overflow
    const formulas::PhiloxBlock block = formulas::philox(low + j, high, number_low, number_high, seed_low, seed_high);
    words.at[j] = block.word[0];
    words.at[kBlocksPerTile + j] = block.word[1];
    words.at[2 * kBlocksPerTile + j] = block.word[2];
    words.at[3 * kBlocksPerTile + j] = block.word[3];
  }
}

// Elements of T in a tile: one word each, or two for doubles.
template <typename T>
inline constexpr int kRealsPerTile = sizeof(T) == 8 ? kWordsPerTile / 2 : kWordsPerTile;

// Uniform in [0, 1): element i of a tile takes word i, or, as a double, words i and i + 16 of its half of the tile.
TILEGRAD_INLINE void to_uniform(const Words& words, float* y) {
#pragma omp simd
  for (int i = 0; i < kWordsPerTile; ++i) y[i] = formulas::uniform(words.at[i]);
}
TILEGRAD_INLINE void to_uniform(const Words& words, double* y) {
  for (int half = 0; half < 2; ++half) {
    const uint32_t* high = words.at + 2 * half * kBlocksPerTile;
#pragma omp simd
    for (int j = 0; j < kBlocksPerTile; ++j) {
      y[half * kBlocksPerTile + j] = formulas::uniform(high[j], high[kBlocksPerTile + j]);
    }
  }
}

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
