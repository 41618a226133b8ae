// Running sums along one axis.
#include "cpu/sum_order.h"
#include "params/reduce.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

TILEGRAD_INLINE uint64_t as_unsigned(Bool value) { return value.value; }
template <typename T>
TILEGRAD_INLINE uint64_t as_unsigned(T value) {
  return static_cast<uint64_t>(static_cast<int64_t>(value));
}

// Where neighbours in memory are of different lines, blocks of lines are walked side by side: memory is read in its order, and
// sums do not wait for each other.
inline constexpr int64_t kFewLines = 4, kLines = 64;
template <typename Total, typename X, typename Y, typename Value>
TILEGRAD_INLINE void run_neighbours(const Team& team, const AxisBlocks& p, const X* x, Y* y, Value value) {
  const int64_t blocks = ceil_div(p.after, kLines);
  const Range mine = team.share(p.before * blocks);
  for (int64_t b = mine.begin; b < mine.end; ++b) {
    const int64_t first = b % blocks * kLines, lines = smaller(kLines, p.after - first);
    const int64_t base = b / blocks * p.length * p.after + first;
    Total totals[kLines];
    for (int64_t i = 0; i < p.length; ++i) {
      const int64_t at = base + (p.reverse ? p.length - 1 - i : i) * p.after;
#pragma omp simd
      for (int64_t l = 0; l < lines; ++l) {
        value(totals[l], x[at + l]);
        y[at + l] = static_cast<Y>(totals[l].value());
      }
    }
  }
}

// kTogether lines of `length` elements from number `line` on: lines are [before][after], elements `after` apart; from the end
// if `reverse`.
template <int kTogether, typename Total, typename X, typename Y, typename Value>
TILEGRAD_INLINE void run_together(const AxisBlocks& p, int64_t line, const X* x, Y* y, Value value) {
  const int64_t step = p.reverse ? -p.after : p.after, begin = p.reverse ? (p.length - 1) * p.after : 0;
  int64_t at[kTogether];
  for (int l = 0; l < kTogether; ++l) {
    at[l] = (line + l) / p.after * p.length * p.after + (line + l) % p.after + begin;
  }
  Total totals[kTogether];
  for (int64_t i = 0; i < p.length; ++i) {
#pragma GCC unroll 4
    for (int l = 0; l < kTogether; ++l) {
      value(totals[l], x[at[l] + i * step]);
      y[at[l] + i * step] = static_cast<Y>(totals[l].value());
    }
  }
}

// Four lines at a time, because a line's sums wait for each other.
template <typename Total, typename X, typename Y, typename Value>
TILEGRAD_INLINE void run_lines(const Team& team, const AxisBlocks& p, const X* x, Y* y, Value value) {
  if (p.after >= kFewLines) return run_neighbours<Total>(team, p, x, y, value);
  const Range mine = team.share(p.before * p.after);
  int64_t line = mine.begin;
  for (; line + 4 <= mine.end; line += 4) run_together<4, Total>(p, line, x, y, value);
  for (; line < mine.end; ++line) run_together<1, Total>(p, line, x, y, value);
}

// In double for float, compensated for double; x and y contiguous.
template <typename T>
void cumsum(const Team& team, const AxisBlocks& p, const T* x, T* y) {
  run_lines<SumTotal<T>>(team, p, x, y, [](SumTotal<T>& total, T value) { total.add(value); });
}

struct IntegerTotal {
  uint64_t sum = 0;
  TILEGRAD_INLINE uint64_t value() const { return sum; }
};

template <typename T>
void cumsum_integers(const Team& team, const AxisBlocks& p, const T* x, int64_t* y) {
  run_lines<IntegerTotal>(team, p, x, y, [](IntegerTotal& total, T value) { total.sum += as_unsigned(value); });
}

}  // namespace
DEFINE_KERNEL(cumsum, FLOATING)
DEFINE_KERNEL(cumsum_integers, INTEGRAL)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
