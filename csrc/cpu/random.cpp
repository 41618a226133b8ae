// Draws from distributions.
#include "params/random.h"
#include "cpu/math.h"
#include "cpu/random_words.h"
#include "formulas/normal.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// Calls make(tile, values) for the tiles of this member's share of y and stores what it makes; then on to the next
// stream.
template <int kTile, typename T, typename Make>
TILEGRAD_INLINE void fill_in_tiles(const Team& team, int64_t count, int64_t* state, T* y, Make make) {
  const Range mine = team.share(count, kTile);
  for (int64_t i = mine.begin; i < mine.end; i += kTile) {
    if (mine.end - i >= kTile) {
      make(i / kTile, y + i);
    } else {
      T values[kTile];
      make(i / kTile, values);
      for (int64_t k = 0; k < mine.end - i; ++k) y[i + k] = values[k];
    }
  }
  next_stream(team, state);
}

template <typename T>
void random_uniform(const Team& team, const RandomReal& p, int64_t* state, T* y) {
  const Stream stream = current_stream(state);
  const T low = static_cast<T>(p.first), high = static_cast<T>(p.second), width = high - low;
  fill_in_tiles<kRealsPerTile<T>>(team, p.count, state, y, [&](int64_t tile, T* values) {
    Words words;
    draw_tile(stream, tile, 0, words);
    T unit[kRealsPerTile<T>];
    to_uniform(words, unit);
#pragma omp simd
    for (int i = 0; i < kRealsPerTile<T>; ++i) {
      const T value = unit[i] * width + low;
      values[i] = value < high ? value : low;  // rounding may reach `high`, which is not in the range
    }
  });
}

// A tile of standard normal numbers: the first half of the uniform ones gives distances, the second directions.
template <typename T>
TILEGRAD_INLINE void draw_normal(Stream stream, int64_t tile, int attempt, T* values) {
  Words words;
  draw_tile(stream, tile, attempt, words);
  constexpr int kHalf = kRealsPerTile<T> / 2;
  T unit[2 * kHalf];
  to_uniform(words, unit);
#pragma omp simd
  for (int i = 0; i < kHalf; ++i) {
    const formulas::Pair<T> pair = formulas::normal_pair(unit[i], unit[kHalf + i]);
    values[i] = pair.first;
    values[kHalf + i] = pair.second;
  }
}

template <typename T>
void random_normal(const Team& team, const RandomReal& p, int64_t* state, T* y) {
  const Stream stream = current_stream(state);
  const T mean = static_cast<T>(p.first), deviation = static_cast<T>(p.second);
  constexpr int kTile = kRealsPerTile<T>;
  fill_in_tiles<kTile>(team, p.count, state, y, [&](int64_t tile, T* values) {
    T standard[kTile];
    draw_normal(stream, tile, 0, standard);
#pragma omp simd
    for (int i = 0; i < kTile; ++i) values[i] = standard[i] * deviation + mean;
  });
}

// Normal numbers within two standard deviations: an element outside takes what the tile's next attempt has in its
// place.
template <typename T>
void random_truncated_normal(const Team& team, const RandomReal& p, int64_t* state, T* y) {
  const Stream stream = current_stream(state);
  const T mean = static_cast<T>(p.first), deviation = static_cast<T>(p.second);
  constexpr int kTile = kRealsPerTile<T>;
  const T bound = T(2);
  fill_in_tiles<kTile>(team, p.count, state, y, [&](int64_t tile, T* values) {
    T standard[kTile], retry[kTile];
    draw_normal(stream, tile, 0, standard);
    for (int attempt = 1; attempt < kMaxAttempts; ++attempt) {
      int outside = 0;
      for (int i = 0; i < kTile; ++i) outside += !(formulas::magnitude(standard[i]) <= bound);
      if (outside == 0) break;
      draw_normal(stream, tile, attempt, retry);
      for (int i = 0; i < kTile; ++i) {
        standard[i] = formulas::magnitude(standard[i]) <= bound ? standard[i] : retry[i];
      }
    }
    for (int i = 0; i < kTile; ++i) {
      // After all attempts, one in 10^43: the middle.
      const T value = formulas::magnitude(standard[i]) <= bound ? standard[i] : T(0);
      values[i] = value * deviation + mean;
    }
  });
}

__extension__ typedef unsigned __int128 Wide;

// An integer below `range` (0: any) for element `index`, by Lemire's multiplication: the high half of word * range.
// Those products are rejected that would make some results more likely than others.
//
// Source: Lemire, "Fast random integer generation in an interval", ACM TOMACS 29, 2019.
[[gnu::noinline]] uint64_t draw_below(Stream stream, int64_t index, uint64_t range) {
  const uint64_t surplus = range == 0 ? 0 : (uint64_t{0} - range) % range;
  uint64_t result = 0;
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    const formulas::PhiloxBlock block = formulas::philox(
        stream.seed, stream.number, static_cast<uint64_t>(index) + (static_cast<uint64_t>(attempt) << kAttemptShift));
    for (int half = 0; half < 2; ++half) {
      const uint64_t word = static_cast<uint64_t>(block.word[2 * half]) << 32 | block.word[2 * half + 1];
      if (range == 0) return word;
      const Wide product = static_cast<Wide>(word) * range;
      result = static_cast<uint64_t>(product >> 64);
      if (static_cast<uint64_t>(product) >= surplus) return result;
    }
  }
  return result;  // one in 2^64: each of the 64 attempts fails with at most one half
}

// The same for `count` <= kBlocksPerTile elements from `first` on, a multiple of that: calls put(i, integer below range_of(i)).
template <typename RangeOf, typename Put>
TILEGRAD_INLINE void draw_block_below(Stream stream, int64_t first, int count, RangeOf range_of, Put put) {
  Words words;
  draw_tile(stream, first / kBlocksPerTile, 0, words);
  for (int i = 0; i < count; ++i) {
    const uint64_t word = static_cast<uint64_t>(words.at[i]) << 32 | words.at[kBlocksPerTile + i];
    const uint64_t range = range_of(first + i);
    const Wide product = static_cast<Wide>(word) * range;
    // What is rejected is below range.
    const bool sure = range != 0 && static_cast<uint64_t>(product) >= range;
    put(first + i, sure ? static_cast<uint64_t>(product >> 64) : draw_below(stream, first + i, range));
  }
}

template <typename T>
void random_integers(const Team& team, const RandomInteger& p, int64_t* state, T* y) {
  const Stream stream = current_stream(state);
  const Range mine = team.share(p.count, kWordsPerTile);
  for (int64_t i = mine.begin; i < mine.end; i += kBlocksPerTile) {
    draw_block_below(
        stream, i, static_cast<int>(smaller<int64_t>(kBlocksPerTile, mine.end - i)), [&](int64_t) { return p.range; },
        [&](int64_t at, uint64_t value) {
          y[at] = static_cast<T>(static_cast<int64_t>(static_cast<uint64_t>(p.low) + value));
        });
  }
  next_stream(team, state);
}

template <typename T>
void random_choice(const Team& team, const RandomChoice& p, int64_t* state, T* y) {
  const Stream stream = current_stream(state);
  fill_in_tiles<kWordsPerTile>(team, p.count, state, y, [&](int64_t tile, T* values) {
    Words words;
    draw_tile(stream, tile, 0, words);
    for (int i = 0; i < kWordsPerTile; ++i) values[i] = static_cast<T>(static_cast<int64_t>(words.at[i]) < p.threshold);
  });
}

// 0, 1, ..., count - 1 in random order: Fisher and Yates's shuffle, which is one long chain, by one member.
template <typename T>
void random_permutation(const Team& team, const RandomInteger& p, int64_t* state, T* y) {
  if (team.rank == 0) {
    const Stream stream = current_stream(state);
    for (int64_t i = 0; i < p.count; ++i) y[i] = static_cast<T>(i);
    // Partners are drawn some time before they are needed, and fetched meanwhile.
    constexpr int64_t kAhead = 2 * kBlocksPerTile;
    int64_t partner[kAhead];
    const auto draw = [&](int64_t first) {
      if (first < 0) return;
      draw_block_below(
          stream, first, static_cast<int>(smaller<int64_t>(kBlocksPerTile, p.count - first)),
          [](int64_t i) { return static_cast<uint64_t>(i) + 1; },
          [&](int64_t i, uint64_t j) {
            partner[i % kAhead] = static_cast<int64_t>(j);
            __builtin_prefetch(y + j, 1);
          });
    };
    int64_t first = (p.count - 1) / kBlocksPerTile * kBlocksPerTile;
    draw(first);
    for (; first >= 0; first -= kBlocksPerTile) {
      draw(first - kBlocksPerTile);
      for (int64_t i = smaller(first + kBlocksPerTile, p.count) - 1; i >= larger<int64_t>(first, 1); --i) {
        const int64_t j = partner[i % kAhead];
        const T swapped = y[i];
        y[i] = y[j];
        y[j] = swapped;
      }
    }
  }
  next_stream(team, state);
}

}  // namespace
DEFINE_KERNEL(random_uniform, FLOATING)
DEFINE_KERNEL(random_normal, FLOATING)
DEFINE_KERNEL(random_truncated_normal, FLOATING)
DEFINE_KERNEL(random_integers, NUMERIC)
DEFINE_KERNEL(random_choice, NUMERIC)
DEFINE_KERNEL(random_permutation, NUMERIC)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
