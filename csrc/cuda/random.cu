// Draws from distributions, with the CPU's bits: element i depends on (seed, stream, i) alone.
#include "cuda/device/elementwise.cuh"
#include "cuda/device/random_words.cuh"
#include "cuda/device/sort_pairs.cuh"
#include "formulas/normal.h"
#include "params/random.h"

namespace tilegrad::cuda {
namespace {

// Elements of T that a Philox block makes, one word each or two for doubles, and where in the tile they are: block j's
// number k is element 16 k + j.
template <typename T>
inline constexpr int kRealsPerBlock = sizeof(T) == 8 ? 2 : 4;

__device__ __forceinline__ void to_uniform(const formulas::PhiloxBlock& block, float (&unit)[4]) {
#pragma unroll
  for (int k = 0; k < 4; ++k) unit[k] = formulas::uniform(block.word[k]);
}
__device__ __forceinline__ void to_uniform(const formulas::PhiloxBlock& block, double (&unit)[2]) {
#pragma unroll
  for (int k = 0; k < 2; ++k) unit[k] = formulas::uniform(block.word[2 * k], block.word[2 * k + 1]);
}

// A thread draws a block and stores what `make` makes of it.
template <typename T, typename Make>
__global__ void __launch_bounds__(kThreads) draw_reals(RandomReal p, const int64_t* state, T* y, Make make) {
  constexpr int kReals = kRealsPerBlock<T>;
  const RandomStream stream(state);
  const int64_t step = int64_t{gridDim.x} * kThreads;
  for (int64_t b = int64_t{blockIdx.x} * kThreads + threadIdx.x;; b += step) {
    const int64_t first = b / kBlocksPerTile * (kReals * kBlocksPerTile) + b % kBlocksPerTile;
    if (first >= p.count) return;
    T values[kReals];
    make(p, stream, b, values);
#pragma unroll
    for (int k = 0; k < kReals; ++k) {
      const int64_t i = first + k * kBlocksPerTile;
      if (i < p.count) y[i] = values[k];
    }
  }
}

template <typename T, typename Make>
void draw(const Stream& stream, const RandomReal& p, int64_t* state, T* y, Make make) {
  if (p.count > 0) {
    const int64_t blocks = philox_blocks(p.count, kRealsPerBlock<T> * kBlocksPerTile);
    draw_reals<<<blocks_for(blocks), kThreads, 0, stream.handle>>>(p, state, y, make);
  }
  next_stream(stream, state);
}

struct make_uniform {
  template <typename T, int kReals>
  __device__ __forceinline__ void operator()(const RandomReal& p, const RandomStream& stream, int64_t b,
                                             T (&values)[kReals]) const {
    const T low = static_cast<T>(p.first), high = static_cast<T>(p.second), width = high - low;
    to_uniform(stream.block(b), values);
#pragma unroll
    for (int k = 0; k < kReals; ++k) {
      const T value = values[k] * width + low;
      values[k] = value < high ? value : low;  // rounding may reach `high`, which is not in the range
    }
  }
};
template <typename T>
void random_uniform(const Stream& stream, const RandomReal& p, int64_t* state, T* y) {
  draw(stream, p, state, y, make_uniform{});
}

// Standard normal numbers: the first half of the uniform ones gives distances, the second directions.
template <typename T, int kReals>
__device__ __forceinline__ void draw_normal(const RandomStream& stream, int64_t b, int attempt, T (&values)[kReals]) {
  constexpr int kHalf = kReals / 2;
  T unit[kReals];
  to_uniform(stream.block(b, attempt), unit);
#pragma unroll
  for (int k = 0; k < kHalf; ++k) {
    const formulas::Pair<T> pair = formulas::normal_pair(unit[k], unit[kHalf + k]);
    values[k] = pair.first;
    values[kHalf + k] = pair.second;
  }
}

struct make_normal {
  template <typename T, int kReals>
  __device__ __forceinline__ void operator()(const RandomReal& p, const RandomStream& stream, int64_t b,
                                             T (&values)[kReals]) const {
    const T mean = static_cast<T>(p.first), deviation = static_cast<T>(p.second);
    draw_normal(stream, b, 0, values);
#pragma unroll
    for (int k = 0; k < kReals; ++k) values[k] = values[k] * deviation + mean;
  }
};
template <typename T>
void random_normal(const Stream& stream, const RandomReal& p, int64_t* state, T* y) {
  draw(stream, p, state, y, make_normal{});
}

// Normal numbers within two standard deviations: an element outside takes what the next attempt has in its place.
struct make_truncated_normal {
  template <typename T, int kReals>
  __device__ __forceinline__ void operator()(const RandomReal& p, const RandomStream& stream, int64_t b,
                                             T (&values)[kReals]) const {
    const T mean = static_cast<T>(p.first), deviation = static_cast<T>(p.second);
    const auto is_within = [](T value) { return formulas::magnitude(value) <= T(2); };
    draw_normal(stream, b, 0, values);
    for (int attempt = 1; attempt < kMaxAttempts; ++attempt) {
      bool all = true;
#pragma unroll
      for (int k = 0; k < kReals; ++k) all &= is_within(values[k]);
      if (all) break;
      T retry[kReals];
      draw_normal(stream, b, attempt, retry);
#pragma unroll
      for (int k = 0; k < kReals; ++k) values[k] = is_within(values[k]) ? values[k] : retry[k];
    }
#pragma unroll
    for (int k = 0; k < kReals; ++k) {
      // After all attempts, one in 10^43: the middle.
      values[k] = (is_within(values[k]) ? values[k] : T(0)) * deviation + mean;
    }
  }
};
template <typename T>
void random_truncated_normal(const Stream& stream, const RandomReal& p, int64_t* state, T* y) {
  draw(stream, p, state, y, make_truncated_normal{});
}

// An integer below `range` (0: any) for element `index`, by Lemire's multiplication (cpu/random.cpp).
__device__ __forceinline__ uint64_t draw_below(const RandomStream& stream, int64_t index, uint64_t range) {
  const uint64_t surplus = range == 0 ? 0 : (uint64_t{0} - range) % range;
  uint64_t result = 0;
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    const formulas::PhiloxBlock block = stream.block(index, attempt);
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const uint64_t word = static_cast<uint64_t>(block.word[2 * half]) << 32 | block.word[2 * half + 1];
      if (range == 0) return word;
      result = __umul64hi(word, range);
      if (word * range >= surplus) return result;
    }
  }
  return result;
}

template <typename T>
__global__ void __launch_bounds__(kThreads) draw_integers(RandomInteger p, const int64_t* state, T* y) {
  const RandomStream stream(state);
  const int64_t step = int64_t{gridDim.x} * kThreads;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < p.count; i += step) {
    y[i] = static_cast<T>(static_cast<int64_t>(static_cast<uint64_t>(p.low) + draw_below(stream, i, p.range)));
  }
}

template <typename T>
void random_integers(const Stream& stream, const RandomInteger& p, int64_t* state, T* y) {
  if (p.count > 0) draw_integers<<<blocks_for(p.count), kThreads, 0, stream.handle>>>(p, state, y);
  next_stream(stream, state);
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    draw_choices(RandomChoice p, int64_t philox_blocks, bool aligned, const int64_t* state, T* y) {
  for_each_four(philox_blocks, RandomStream(state), [&](int64_t first, const uint32_t (&words)[4]) {
    Pack<T, 4> values;
#pragma unroll
    for (int k = 0; k < 4; ++k) values.at[k] = static_cast<T>(static_cast<int64_t>(words[k]) < p.threshold);
    if (aligned && first + 4 <= p.count) {
      *reinterpret_cast<Pack<T, 4>*>(y + first) = values;
    } else {
      for (int k = 0; k < 4 && first + k < p.count; ++k) y[first + k] = values.at[k];
    }
  });
}

template <typename T>
void random_choice(const Stream& stream, const RandomChoice& p, int64_t* state, T* y) {
  if (p.count > 0) {
    const int64_t blocks = philox_blocks(p.count, kWordsPerTile);
    draw_choices<<<blocks_for(blocks), kThreads, 0, stream.handle>>>(p, blocks, is_aligned(y, 4), state, y);
  }
  next_stream(stream, state);
}

// Fisher and Yates's shuffle, without its long chain of swaps. Step i, from n - 1 down to 0, swaps places i and j(i) <= i, and
// is the last to touch place i: it leaves there what j(i) held. A place p holds, when step i begins, what the latest step
// before it that drew p put there, namely what place i' held at that step i' = the smallest above i with j(i') = p, and p
// itself if there is none. So with next(i) = the smallest step above i that drew the same place as i, and
// above(i) = the smallest step above i that drew i,
//
//     y[i] = j(i) if there is no next(i), else the end of the chain next(i), above(next(i)), above(above(next(i))), ...
//
// Both are neighbours once the steps are sorted by the place that they drew. Chains are about log(n) long.
__global__ void __launch_bounds__(kThreads)
    draw_swaps(int64_t count, const int64_t* state, uint64_t* drawn, int64_t* steps, int64_t* begin) {
  const RandomStream stream(state);
  const int64_t stride = int64_t{gridDim.x} * kThreads;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < count; i += stride) {
    drawn[i] = i == 0 ? 0 : draw_below(stream, i, static_cast<uint64_t>(i) + 1);
    steps[i] = i;
    begin[i] = -1;
  }
}

// begin[p]: the first of the steps that drew p, in sorted order.
__global__ void __launch_bounds__(kThreads) find_groups(int64_t count, const uint64_t* drawn, int64_t* begin) {
  const int64_t stride = int64_t{gridDim.x} * kThreads;
  for (int64_t s = int64_t{blockIdx.x} * kThreads + threadIdx.x; s < count; s += stride) {
    if (s == 0 || drawn[s - 1] != drawn[s]) begin[drawn[s]] = s;
  }
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    follow_swaps(int64_t count, const uint64_t* drawn, const int64_t* steps, const int64_t* begin, T* y) {
  const int64_t stride = int64_t{gridDim.x} * kThreads;
  for (int64_t s = int64_t{blockIdx.x} * kThreads + threadIdx.x; s < count; s += stride) {
    const uint64_t place = drawn[s];
    int64_t at = static_cast<int64_t>(place);
    if (s + 1 < count && drawn[s + 1] == place) {
      at = steps[s + 1];
      for (int64_t group = begin[at]; group >= 0; group = begin[at]) {
        // A step that drew its own place comes first in that place's group.
        const uint64_t own = static_cast<uint64_t>(at);
        if (steps[group] == at && (++group == count || drawn[group] != own)) break;
        at = steps[group];
      }
    }
    y[steps[s]] = static_cast<T>(at);
  }
}

template <typename T>
void random_permutation(const Stream& stream, const RandomInteger& p, int64_t* state, T* y) {
  if (p.count > 0) {
    const unsigned blocks = blocks_for(p.count);
    SortedPairs pairs = pairs_to_sort(stream, p.count);
    int64_t* const begin = stream.scratch_of<int64_t>(p.count);
    draw_swaps<<<blocks, kThreads, 0, stream.handle>>>(p.count, state, pairs.keys, pairs.values, begin);
    pairs = sort_pairs(stream, pairs, static_cast<uint64_t>(p.count - 1));
    find_groups<<<blocks, kThreads, 0, stream.handle>>>(p.count, pairs.keys, begin);
    follow_swaps<<<blocks, kThreads, 0, stream.handle>>>(p.count, pairs.keys, pairs.values, begin, y);
  }
  next_stream(stream, state);
}

}  // namespace
DEFINE_KERNEL(random_uniform, FLOATING)
DEFINE_KERNEL(random_normal, FLOATING)
DEFINE_KERNEL(random_truncated_normal, FLOATING)
DEFINE_KERNEL(random_integers, NUMERIC)
DEFINE_KERNEL(random_choice, NUMERIC)
DEFINE_KERNEL(random_permutation, NUMERIC)
}  // namespace tilegrad::cuda
