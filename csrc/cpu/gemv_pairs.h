// One vector times a matrix whose rows lie along k, for 512-bit vectors and whole chunks: rows go through registers at
// nearly the speed of the last-level cache.
//
// A vector holds the sums of two chunks of half as many rows, side by side: A0 B0 A1 B1 ... of chunks A and B of rows 0, 1,
// ... So x is broadcast in pairs, and rows that lie 4 KB apart take half as many lines of a set of the L1 cache. (Where the
// number of chunks is odd, A and B are one chunk of different rows.) Two such
// vectors, half a chunk apart so that they do not want the same sets either, are worked on in turn. In every step a block
// of W is loaded and transposed while sums take what was transposed before: the half of the newest block and the rest of
// the one before. Otherwise multiply-adds that wait for each other (there are only two chains) would fill the scheduler
// and keep the loads behind them from starting.
#pragma once

#include "cpu/transpose.h"
#include "params/contraction.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// y[j] = sum over k of x[k * x_stride] w[j * j_stride + k], j < rows.
template <typename T>
struct PairedRows {
  int64_t rows, K;
  const T* x;
  int64_t x_stride;
  const T* w;
  int64_t j_stride;
  T* y;
};

template <typename T>
inline constexpr int kPairRows = kVectorBytes / 2 / static_cast<int>(sizeof(T));  // also values of k in a block
inline constexpr int64_t kPairChunk = 512;
inline constexpr int64_t kMostPairBytes = int64_t{64} << 10;  // of x

// Groups of 128 bits: the even ones of a and b, or the odd ones.
template <bool kOdd, typename V, int... kLane>
TILEGRAD_INLINE V alternate(V a, V b, std::integer_sequence<int, kLane...>) {
  constexpr int kCount = sizeof...(kLane), kGroup = kCount / 4;
  return __builtin_shufflevector(a, b, (kLane / kGroup * 2 * kGroup + kOdd * kGroup + kLane % kGroup)...);
}

// The row of every pair of lanes of a sum, as unpack and alternate leave them.
template <typename T>
TILEGRAD_INLINE constexpr int row_of_pair(int pair) {
  constexpr int kRows = kPairRows<T>, kTogether = kRows / 4;  // rows in 128 bits
  const int group = pair / kTogether;
  return (group & 1) * (kRows / 2) + group / 2 * kTogether + pair % kTogether;
}

// A block: for every k its elements in the lanes of their sums.
template <typename T>
struct PairBlock {
  Vec<T> at[kPairRows<T>];
};

// A vector of sums, and where it is: the next block of W, the x of its last one, the next line that is prefetched.
template <typename T>
struct PairTurn {
  const T *w, *x, *ahead;
  Vec<T> sum;
  PairBlock<T> last;
};

// x[k] of both chunks, in all pairs of lanes.
template <typename T>
TILEGRAD_INLINE Vec<T> broadcast_pair(const T* x) {
  if constexpr (sizeof(T) == 4) {
    typedef int64_t Integers __attribute__((vector_size(kVectorBytes)));
    int64_t both;
    __builtin_memcpy(&both, x, sizeof both);
    return __builtin_bit_cast(Vec<T>, both + Integers{});
  } else {
    typedef T Pair __attribute__((vector_size(16), aligned(sizeof(T)), may_alias));
    const Pair both = *reinterpret_cast<const Pair*>(x);
    return __builtin_shufflevector(both, both, 0, 1, 0, 1, 0, 1, 0, 1);
  }
}

// fma_lanes by name: beside this much code gcc 12 does not see that its loop over lanes is one instruction.
template <typename T>
TILEGRAD_INLINE Vec<T> fma_pairs(Vec<T> a, Vec<T> b, Vec<T> c) {
#if defined(__AVX512F__) && !defined(__clang__)
  constexpr int kCurrentRounding = 4;
  if constexpr (sizeof(T) == 4) {
    return __builtin_ia32_vfmaddps512_mask(a, b, c, -1, kCurrentRounding);
  } else {
    return __builtin_ia32_vfmaddpd512_mask(a, b, c, -1, kCurrentRounding);
  }
#else
  return fma_lanes(a, b, c);
#endif
}

// Elements from a in the lower half and from b in the upper.
template <typename T>
TILEGRAD_INLINE Vec<T> load_halves(const T* a, const T* b) {
  typedef double Half __attribute__((vector_size(32), aligned(sizeof(T)), may_alias));
  typedef double Aligned __attribute__((vector_size(32)));
  typedef double Whole __attribute__((vector_size(64)));
  const Aligned low = *reinterpret_cast<const Half*>(a), high = *reinterpret_cast<const Half*>(b);
#if defined(__AVX512F__) && !defined(__clang__)
  // One instruction that loads and inserts; of the shuffle gcc makes a load and a shuffle.
  const Whole both = __builtin_ia32_insertf64x4_mask(__builtin_ia32_pd512_256pd(low), high, 1, Whole{}, -1);
#else
  const Whole both = __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7);
#endif
  Vec<T> v = __builtin_bit_cast(Vec<T>, both);
  keep_whole(v);
  return v;
}

// One step: the block at turn.w becomes `fresh`; meanwhile the turn's sums take the second half of its last block, and the
// other's sums the first half of its newest. One line is prefetched with every multiply-add: of a bunch most would be
// dropped.
template <typename T>
TILEGRAD_INLINE void pair_step(PairTurn<T>& turn, PairTurn<T>& other, int64_t j_stride, int64_t to_b,
                               PairBlock<T>& fresh) {
  constexpr int kHalf = kPairRows<T> / 2;
  constexpr auto lanes = std::make_integer_sequence<int, kLanes<T>>{};
  const T *const low_rows = turn.w, *const high_rows = turn.w + kHalf * j_stride;
  const T* const high_ahead = turn.ahead + kHalf * j_stride;
  const auto add_own = [&](int k, Vec<T>& fence) __attribute__((always_inline)) {
    turn.sum = fma_pairs<T>(broadcast_pair(turn.x + 2 * (kHalf + k)), turn.last.at[kHalf + k], turn.sum);
    asm volatile("" : "+v"(turn.sum), "+v"(fence));  // here, not later
    __builtin_prefetch(turn.ahead + k * j_stride, 0, 3);
  };
  const auto add_other = [&](int k, Vec<T>& fence) __attribute__((always_inline)) {
    other.sum = fma_pairs<T>(broadcast_pair(other.x + 2 * k), other.last.at[k], other.sum);
    asm volatile("" : "+v"(other.sum), "+v"(fence));
    __builtin_prefetch(high_ahead + k * j_stride, 0, 3);
  };
  // Elements of both chunks side by side, of rows r and r + kHalf in the vector's halves. Arrays would go through memory.
  const auto load_row = [&](int r, Vec<T>& low, Vec<T>& high) __attribute__((always_inline)) {
    const Vec<T> of_a = load_halves(low_rows + r * j_stride, high_rows + r * j_stride);
    const Vec<T> of_b = load_halves(low_rows + r * j_stride + to_b, high_rows + r * j_stride + to_b);
    low = unpack<1, false>(of_a, of_b, lanes);
    high = unpack<1, true>(of_a, of_b, lanes);
  };
  Vec<T> low0, high0, low1, high1;
  load_row(0, low0, high0);
  add_own(0, high0);
  load_row(1, low1, high1);
  add_other(0, high1);
  if constexpr (sizeof(T) == 4) {
    Vec<T> e0 = unpack<2, false>(low0, low1, lanes), e1 = unpack<2, true>(low0, low1, lanes);
    Vec<T> e2 = unpack<2, false>(high0, high1, lanes), e3 = unpack<2, true>(high0, high1, lanes);
    add_own(1, e3);
    Vec<T> low2, high2, low3, high3;
    load_row(2, low2, high2);
    add_other(1, high2);
    load_row(3, low3, high3);
    add_own(2, high3);
    Vec<T> o0 = unpack<2, false>(low2, low3, lanes), o1 = unpack<2, true>(low2, low3, lanes);
    Vec<T> o2 = unpack<2, false>(high2, high3, lanes), o3 = unpack<2, true>(high2, high3, lanes);
    add_other(2, o3);
    Vec<T> v3 = alternate<false>(e3, o3, lanes), v7 = alternate<true>(e3, o3, lanes);
    fresh.at[0] = alternate<false>(e0, o0, lanes);
    fresh.at[1] = alternate<false>(e1, o1, lanes);
    fresh.at[2] = alternate<false>(e2, o2, lanes);
    add_own(3, v3);
    fresh.at[4] = alternate<true>(e0, o0, lanes);
    fresh.at[5] = alternate<true>(e1, o1, lanes);
    fresh.at[6] = alternate<true>(e2, o2, lanes);
    add_other(3, v7);
    fresh.at[3] = v3;
    fresh.at[7] = v7;
  } else {
    Vec<T> v1 = alternate<false>(high0, high1, lanes), v3 = alternate<true>(high0, high1, lanes);
    fresh.at[0] = alternate<false>(low0, low1, lanes);
    add_own(1, v1);
    fresh.at[2] = alternate<true>(low0, low1, lanes);
    add_other(1, v3);
    fresh.at[1] = v1;
    fresh.at[3] = v3;
  }
}

// Which products can be had so, with 512-bit vectors: whole chunks, and not too many x for the stack. With an odd number of
// chunks B is not another chunk but the next rows, unless all of them want the same sets of the cache.
enum class Paired { none, chunks, rows };
template <typename T>
TILEGRAD_INLINE Paired pairing_of(const PairedRows<T>& p) {
  if (p.K == 0 || p.K % kPairChunk != 0 || contraction_chunk(p.K) != kPairChunk || p.rows < 4 * kPairRows<T> ||
      p.K * static_cast<int64_t>(sizeof(T)) > kMostPairBytes) {
    return Paired::none;
  }
  if (p.K % (2 * kPairChunk) == 0) return Paired::chunks;
  return p.j_stride * static_cast<int64_t>(sizeof(T)) % 4096 == 0 ? Paired::none : Paired::rows;
}

// Computes the sums of whole groups of rows: of how many rows.
template <Paired kPaired, typename T>
[[gnu::noinline]] int64_t sum_paired_rows(const PairedRows<T>& p) {
  constexpr int H = kPairRows<T>;
  constexpr bool kChunks = kPaired == Paired::chunks;
  constexpr int64_t kStep = kChunks ? 2 * kPairChunk : kPairChunk, kRows = kChunks ? H : 2 * H;  // of a unit
  const int64_t to_b = kChunks ? kPairChunk : H * p.j_stride;
  constexpr int64_t kLine = kCacheLine / static_cast<int64_t>(sizeof(T)), kAhead = 6;  // lines
  const int64_t steps = p.K / kStep;
  // Where rows begin in the middle of 32 bytes, half of all loads would cross a cache line. Then blocks begin half of one
  // earlier, and of the first and the last of a chunk one half counts. The other is -0 times 0, which changes no sum.
  const auto aligned = [](int64_t bytes) { return bytes % 32 == 0; };
  const bool shifted =
      aligned(reinterpret_cast<intptr_t>(p.w) + 16) && aligned(p.j_stride * static_cast<int64_t>(sizeof(T)));
  const int64_t edge = shifted ? H / 2 : 0, blocks = kPairChunk / H + shifted;

  alignas(64) T table[kMostPairBytes / sizeof(T) + 512];  // x as blocks take it: for A and B in turn
  T* entry = table;
  for (int64_t c = 0; c < steps; ++c) {
    for (int64_t i = 0; i < blocks; ++i) {
      const int64_t begin = i * H - edge, first = larger<int64_t>(0, smaller(begin, kPairChunk - H));
      for (int64_t k = first; k < first + H; ++k, entry += 2) {
        const T* x = p.x + (c * kStep + k) * p.x_stride;
        const bool counts = k >= begin && k < begin + H;
        entry[0] = counts ? x[0] : -T(0);
        entry[1] = counts ? x[kChunks ? kPairChunk * p.x_stride : 0] : -T(0);
      }
    }
  }

  // A unit is one step along k of a group of rows; each turn takes every other one.
  const int64_t units = p.rows / kRows * steps;
  int64_t unit = 0;  // the next to be begun
  const auto next_w = [&] {
    const int64_t u = smaller(unit, units - 1);  // behind the last it is worked on for nothing
    return p.w + u / steps * kRows * p.j_stride + u % steps * kStep;
  };
  // After a turn's first step in a new unit: the sums of the one before are complete. Whether it was the last.
  const auto finish = [&](PairTurn<T>& turn) __attribute__((always_inline)) {
    const int64_t finished = unit - 2;
    if (finished >= 0) {
      T sums[2 * H];
      store(sums, turn.sum);
      T* const y = p.y + finished / steps * kRows;
      const bool begun = finished % steps != 0;
#pragma GCC unroll 1
      for (int i = 0; i < H; ++i) {
        const int j = row_of_pair<T>(i);
        const T of_a = sums[2 * i], of_b = sums[2 * i + 1];
        if (kChunks) {
          y[j] = (begun ? y[j] + of_a : of_a) + of_b;
        } else {
          y[j] = begun ? y[j] + of_a : of_a;
          y[H + j] = begun ? y[H + j] + of_b : of_b;
        }
      }
    }
    turn.sum = Vec<T>{};
    turn.x = table + smaller(unit, units - 1) % steps * blocks * 2 * H;
    turn.w -= edge;
    ++unit;
    return finished == units - 1;
  };
  const auto drop_half = [&](PairTurn<T>& turn, int from) __attribute__((always_inline)) {
#pragma GCC unroll 4
    for (int k = 0; k < H / 2; ++k) turn.last.at[from + k] = Vec<T>{};
  };
  int64_t hop = 0;  // of the prefetches, between A and B
  const auto step = [&](PairTurn<T>& turn, PairTurn<T>& other) __attribute__((always_inline)) {
    PairBlock<T> fresh;
    pair_step(turn, other, p.j_stride, to_b, fresh);
#pragma GCC unroll 8
    for (int k = 0; k < H; ++k) turn.last.at[k] = fresh.at[k];
    turn.w += H;
    turn.x += 2 * H;
    turn.ahead += hop;
  };
  // Before a turn's last blocks: prefetches go on in its next unit, and the last block ends with the chunk.
  const auto approach_end = [&](PairTurn<T>& turn, int64_t left) __attribute__((always_inline)) {
    if (left == 2 * kAhead) turn.ahead = next_w();
    if (left == 1) turn.w -= edge;
  };
  PairTurn<T> even, odd;
  even.w = odd.w = p.w;
  even.x = odd.x = table;
  even.sum = odd.sum = Vec<T>{};
#pragma GCC unroll 8
  for (int k = 0; k < H; ++k) even.last.at[k] = odd.last.at[k] = Vec<T>{};
  // Half a unit at a time: in its first step one of the two begins a unit, while its sums take the last of the unit before;
  // in its last step the other ends one.
  for (int64_t half = 0;; ++half) {
    const bool even_begins = half % 2 == 0;
    const int64_t count = even_begins ? blocks - blocks / 2 : blocks / 2;
    if (even_begins) {  // a reference to either would put both into memory
      even.w = next_w();
    } else {
      odd.w = next_w();
    }
    even.ahead = even.w + kAhead * kLine;
    odd.ahead = odd.w + kAhead * kLine;
    hop = to_b;
    for (int64_t left = count; left > 0; --left) {
      const bool first = left == count, last = left == 1, ordinary = !first && left > 1 && left != 2 * kAhead;
      if (!__builtin_expect(ordinary, 1)) {
        if (even_begins) {
          approach_end(odd, left);
        } else {
          approach_end(even, left);
        }
      }
      step(even, odd);
      if (!__builtin_expect(ordinary, 1)) {
        if (first && even_begins) {
          if (finish(even)) return units / steps * kRows;
          if (shifted) drop_half(even, H / 2);
        }
        if (last && shifted && !even_begins) drop_half(even, 0);
      }
      step(odd, even);
      if (!__builtin_expect(ordinary, 1)) {
        if (first && !even_begins) {
          if (finish(odd)) return units / steps * kRows;
          if (shifted) drop_half(odd, H / 2);
        }
        if (last && shifted && even_begins) drop_half(odd, 0);
      }
      hop = kLine - hop;
    }
  }
}

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
