// The loops under every elementwise kernel: a formula of scalars over a LoopNest, shared out to the team.
//
// An output may be exactly one of the inputs (the same memory with the same strides): every element is read before it
// is written, and nothing is read again. Any other overlap is csrc/ops's to prevent.
#pragma once

#include "cpu/isa.h"
#include "cpu/math.h"
#include "cpu/stream.h"
#include "cpu/word.h"
#include "formulas/arithmetic.h"
#include "params/loop_nest.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// An element as plain bits: what only moves elements about sees nothing but their size.
template <size_t kBytes>
struct [[gnu::may_alias]] BitsOf {
  typename WordOf<kBytes>::type word;
};
template <typename X>
using Bits = BitsOf<sizeof(X)>;

// Elements a member takes at least: two cache lines of the narrowest type, so that members do not share lines.
inline constexpr int64_t kElementGrain = 128;

// Strided and broadcast runs are gathered into blocks of this many elements on the stack: in L1, and long enough that
// the call of a vectorised loop over them pays.
inline constexpr int64_t kBlock = 512;

// In place of the number of an input.
inline constexpr int kNone = -1;

// Calls run(count, offsets) for runs along the innermost loop; offsets[o] is where operand o's run begins. Each member
// takes an even share of all elements, so that a nest of few long rows is shared out too.
template <int kOperands, typename Run>
TILEGRAD_INLINE void for_each_run(const Team& team, const LoopNest<kOperands>& nest, Run run) {
  if (nest.numel == 0) return;
  const Range mine = team.share(nest.numel, kElementGrain);
  int64_t left = mine.end - mine.begin;
  if (left <= 0) return;
  int64_t offsets[kOperands] = {};
  if (nest.ndim <= 1) {
    for (int o = 0; o < kOperands; ++o) offsets[o] = nest.ndim == 0 ? 0 : mine.begin * nest.stride[o][0];
    run(left, offsets);
    return;
  }
  const int inner = nest.ndim - 1;
  const int64_t length = nest.shape[inner];
  int64_t index[kMaxRank];
  int64_t rest = mine.begin;
  for (int d = inner; d >= 0; --d) {
    index[d] = rest % nest.shape[d];
    rest /= nest.shape[d];
    for (int o = 0; o < kOperands; ++o) offsets[o] += index[d] * nest.stride[o][d];
  }
  int64_t first = index[inner];  // a share may begin and end within a row
  while (true) {
    const int64_t count = smaller(length - first, left);
    run(count, offsets);
    left -= count;
    if (left == 0) return;
    for (int o = 0; o < kOperands; ++o) offsets[o] -= first * nest.stride[o][inner];
    first = 0;
    for (int d = inner - 1; d >= 0; --d) {
      for (int o = 0; o < kOperands; ++o) offsets[o] += nest.stride[o][d];
      if (++index[d] < nest.shape[d]) break;
      for (int o = 0; o < kOperands; ++o) offsets[o] -= nest.shape[d] * nest.stride[o][d];
      index[d] = 0;
    }
  }
}

// gathered[i] = from[i * stride]. Not inlined: one copy for all kernels on this type. Strides that vectors can do have loops of
// their own.
template <typename X>
[[gnu::noinline]] void gather_run(const X* from, int64_t stride, int64_t count, X* gathered) {
  if (stride == 0) {
    const auto value = from->word;
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) gathered[i].word = value;
  } else if (stride == 2) {
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) gathered[i].word = from[2 * i].word;
  } else {
    for (int64_t i = 0; i < count; ++i) gathered[i].word = from[i * stride].word;
  }
}
template <typename X>
[[gnu::noinline]] void scatter_run(const X* values, int64_t stride, int64_t count, X* to) {
  for (int64_t i = 0; i < count; ++i) to[i * stride].word = values[i].word;
}

// One input's part of a run, made contiguous.
template <typename X>
struct Input {
  const X* from;
  int64_t stride;
  X gathered[kBlock];

  Input() {}  // not {}, which would clear the block

  TILEGRAD_INLINE void begin(const X* start, int64_t step, int64_t count) {
    from = start;
    stride = step;
    if (stride == 0) gather_run(from, 0, smaller(count, kBlock), gathered);
  }
  TILEGRAD_INLINE const X* block(int64_t first, int64_t count) {
    if (stride == 1) return from + first;
    if (stride != 0) gather_run(from + first * stride, stride, count, gathered);
    return gathered;
  }
};

// One Input (or RowInput) for each operand: a tuple, without std.
template <template <typename> typename Kind, typename... X>
struct ListOf {};
template <template <typename> typename Kind, typename First, typename... Rest>
struct ListOf<Kind, First, Rest...> {
  Kind<First> first;
  ListOf<Kind, Rest...> rest;
};
template <int kIndex, template <typename> typename Kind, typename... X>
TILEGRAD_INLINE auto& get(ListOf<Kind, X...>& list) {
  if constexpr (kIndex == 0) {
    return list.first;
  } else {
    return get<kIndex - 1>(list.rest);
  }
}

// The same for large outputs where all operands are one contiguous run: a block at a time is made in the L1 cache and streamed to memory.
// Outputs that are written where an input was read are in the cache already.
template <typename Body, int kOperands, typename Y, typename... X>
TILEGRAD_INLINE void stream_blocks(const Team& team, const LoopNest<kOperands>& nest, Body body, Y* y, const X*... x) {
  constexpr int64_t kStreamed = 2 * kBlock;
  alignas(64) Y result[kStreamed];
  for_each_run(team, nest, [&](int64_t count, const int64_t* offsets) {
    Y* const to = y + offsets[kOperands - 1];
    const int64_t misaligned = static_cast<int64_t>(reinterpret_cast<uintptr_t>(to) % 64 / sizeof(Y));
    int64_t first = 0;
    for (int64_t n = misaligned ? 64 / static_cast<int64_t>(sizeof(Y)) - misaligned : kStreamed; first < count;
         first += n, n = kStreamed) {
      n = smaller(n, count - first);
      body(n, result, (x + offsets[kOperands - 1] + first)...);
      stream_bytes(result, to + first, n * static_cast<int64_t>(sizeof(Y)));
    }
  });
  end_streaming();
}

// One input of rows of `length`: rows that follow each other, or one row that is met again and again.
template <typename X>
struct RowInput {
  const X* from;
  bool repeats;
  X repeated[2 * kBlock];

  RowInput() {}

  TILEGRAD_INLINE void begin(const X* start, int64_t row_stride, int64_t length, int64_t rows) {
    from = start;
    repeats = row_stride == 0;
    for (int64_t r = 0; repeats && r < rows; ++r) {
      for (int64_t i = 0; i < length; ++i) repeated[r * length + i].word = from[i].word;
    }
  }
  TILEGRAD_INLINE const X* block(int64_t first) const { return repeats ? repeated : from + first; }
};

// Whether all operands are contiguous rows, short ones, of which inputs may have one for all: a bias, say. Their rows are
// worked on many at a time, because each by itself is hardly worth a loop.
template <int kOperands>
TILEGRAD_INLINE bool has_short_rows(const LoopNest<kOperands>& nest) {
  if (nest.ndim != 2 || nest.shape[1] > kBlock / 2) return false;
  for (int o = 0; o < kOperands; ++o) {
    const bool follow = nest.stride[o][0] == nest.shape[1], repeats = nest.stride[o][0] == 0 && o < kOperands - 1;
    if (nest.stride[o][1] != 1 || !(follow || repeats)) return false;
  }
  return true;
}

template <typename Body, typename Y, typename... X, int... I>
TILEGRAD_INLINE void for_short_rows(const Team& team, const LoopNest<sizeof...(X) + 1>& nest, Body body,
                                    std::integer_sequence<int, I...>, Y* y, const X*... x) {
  const int64_t length = nest.shape[1], at_once = 2 * kBlock / length;
  ListOf<RowInput, X...> inputs;
  (get<I>(inputs).begin(x, nest.stride[I][0], length, smaller(at_once, nest.shape[0])), ...);
  const Range mine = team.share(nest.shape[0], kElementGrain);
  for (int64_t row = mine.begin; row < mine.end; row += at_once) {
    const int64_t first = row * length;
    body(smaller(at_once, mine.end - row) * length, y + first, get<I>(inputs).block(first)...);
  }
}

template <typename Body, typename Y, typename... X, int... I>
TILEGRAD_INLINE void for_each_piece(const Team& team, const LoopNest<sizeof...(X) + 1>& nest, Body body,
                                    std::integer_sequence<int, I...> numbers, Y* y, const X*... x) {
  if (has_short_rows(nest)) return for_short_rows(team, nest, body, numbers, y, x...);
  constexpr int kOutput = sizeof...(X);
  int64_t step[kOutput + 1];
  // The input that is one element along a run, and how many operands are neither that nor contiguous.
  int one = kNone, others = 0;
  for (int o = 0; o <= kOutput; ++o) {
    step[o] = nest.ndim ? nest.stride[o][nest.ndim - 1] : 1;
    if (step[o] == 0 && one == kNone && o < kOutput && body.takes_one) {
      one = o;
    } else {
      others += step[o] != 1;
    }
  }
  const bool contiguous = others == 0;
  if (!contiguous) one = kNone;
  if (contiguous && one == kNone && nest.ndim == 1 && nest.numel * static_cast<int64_t>(sizeof(Y)) >= kStreamedBytes &&
      ((static_cast<const void*>(x) != static_cast<const void*>(y)) && ...)) {
    return stream_blocks(team, nest, body, y, x...);
  }
  ListOf<Input, X...> inputs;
  Y result[kBlock];
  for_each_run(team, nest, [&](int64_t count, const int64_t* offsets) {
    Y* to = y + offsets[kOutput];
    if (contiguous) return body.run(body.body, count, one, to, (x + offsets[I])...);
    (get<I>(inputs).begin(x + offsets[I], step[I], count), ...);
    for (int64_t first = 0; first < count; first += kBlock) {
      const int64_t n = smaller(count - first, kBlock);
      Y* out = step[kOutput] == 1 ? to + first : result;
      body(n, out, get<I>(inputs).block(first, n)...);
      if (out == result) scatter_run(result, step[kOutput], n, to + first * step[kOutput]);
    }
  });
}

// A body behind a pointer, and the way over a nest to it: one copy of that way for all kernels on elements of the same
// sizes. It is 2 KB of code, and there are hundreds of kernels. A body that takes one is told which input is one element for all
// of a piece.
template <typename Y, typename... X>
struct BodyOf {
  void (*run)(const void* body, int64_t count, int one, Y* y, const X*... x);
  const void* body;
  bool takes_one;
  TILEGRAD_INLINE void operator()(int64_t count, Y* y, const X*... x) const { run(body, count, kNone, y, x...); }
};
template <typename Y, typename... X>
[[gnu::noinline]] void walk(const Team& team, const LoopNest<sizeof...(X) + 1>& nest, BodyOf<Y, X...> body, Y* y,
                            const X*... x) {
  for_each_piece(team, nest, body, std::make_integer_sequence<int, sizeof...(X)>{}, y, x...);
}

// y = formula(a, b) of contiguous pieces, where a or b may be one element: a column or a number. Filling a block with it costs
// about as much as a simple formula.
template <typename Formula>
struct PairBody {
  Formula formula;
  template <typename Y, typename X>
  TILEGRAD_INLINE void operator()(int64_t count, Y* y, const X* a, const X* b) const {
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) y[i] = formula(a[i], b[i]);
  }
  template <typename Y, typename X>
  TILEGRAD_INLINE void with_one(int one, int64_t count, Y* y, const X* a, const X* b) const {
    const X value = one == 0 ? *a : *b;
    if (one == 0) {
#pragma omp simd
      for (int64_t i = 0; i < count; ++i) y[i] = formula(value, b[i]);
    } else {
#pragma omp simd
      for (int64_t i = 0; i < count; ++i) y[i] = formula(a[i], value);
    }
  }
};
template <typename Body>
inline constexpr bool kTakesOne = false;
template <typename Formula>
inline constexpr bool kTakesOne<PairBody<Formula>> = true;

// Calls body(count, y, x...) with contiguous pieces of every operand; in the nest the inputs come first, y last.
template <typename Body, typename Y, typename... X>
TILEGRAD_INLINE void for_each_block(const Team& team, const LoopNest<sizeof...(X) + 1>& nest, const Body& body, Y* y,
                                    const X*... x) {
  const BodyOf<Bits<Y>, Bits<X>...> raw{
      [](const void* b, int64_t count, [[maybe_unused]] int one, Bits<Y>* to, const Bits<X>*... from) {
        const Body& own = *static_cast<const Body*>(b);
        if constexpr (kTakesOne<Body>) {
          if (one != kNone) {
            return own.with_one(one, count, reinterpret_cast<Y*>(to), reinterpret_cast<const X*>(from)...);
          }
        }
        own(count, reinterpret_cast<Y*>(to), reinterpret_cast<const X*>(from)...);
      },
      &body, kTakesOne<Body>};
  walk(team, nest, raw, reinterpret_cast<Bits<Y>*>(y), reinterpret_cast<const Bits<X>*>(x)...);
}

// y = formula(x...), element by element.
template <typename Formula, typename Y, typename... X>
TILEGRAD_INLINE void map(const Team& team, const LoopNest<sizeof...(X) + 1>& nest, Formula formula, Y* y,
                         const X*... x) {
  for_each_block(
      team, nest,
      [formula](int64_t count, Y* out, const X*... in) {
#pragma omp simd
        for (int64_t i = 0; i < count; ++i) out[i] = formula(in[i]...);
      },
      y, x...);
}

// y = within(x...) of all elements, in vectors, and then beyond(x...) of the few for which is_within(x...) does not hold.
template <typename IsWithin, typename Within, typename Beyond, typename Y, typename... X>
TILEGRAD_INLINE void map_with_exceptions(const Team& team, const LoopNest<sizeof...(X) + 1>& nest, IsWithin is_within,
                                         Within within, Beyond beyond, Y* y, const X*... x) {
  for_each_block(
      team, nest,
      [=](int64_t count, Y* out, const X*... in) {
        Y made[kBlock];  // the output may be an input
        for (int64_t first = 0; first < count; first += kBlock) {
          const int64_t n = smaller(count - first, kBlock);
          uint8_t all_within = 1;
#pragma omp simd reduction(& : all_within)
          for (int64_t i = 0; i < n; ++i) all_within &= static_cast<uint8_t>(is_within(in[first + i]...));
#pragma omp simd
          for (int64_t i = 0; i < n; ++i) made[i] = within(in[first + i]...);
          for (int64_t i = 0; !all_within && i < n; ++i) {
            if (!is_within(in[first + i]...)) made[i] = beyond(in[first + i]...);
          }
          for (int64_t i = 0; i < n; ++i) out[first + i] = made[i];
        }
      },
      y, x...);
}

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
