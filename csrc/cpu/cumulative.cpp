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

// Every line of `length` elements on its own: lines are [before][after], elements `after` apart; from the end if `reverse`.
template <typename Total, typename X, typename Y, typename Value>
TILEGRAD_INLINE void run_lines(const Team& team, const AxisBlocks& p, const X* x, Y* y, Value value) {
  if (p.after >= kFewLines) return run_neighbours<Total>(team, p, x, y, value);
  const Range mine = team.share(p.before * p.after);
  const int64_t step = p.reverse ? -p.after : p.after;
  for (int64_t line = mine.begin; line < mine.end; ++line) {
    int64_t at = line / p.after * p.length * p.after + line % p.after + (p.reverse ? (p.length - 1) * p.after : 0);
    Total total;
    for (int64_t i = 0; i < p.length; ++i, at += step) {
      value(total, x[at]);
      y[at] = static_cast<Y>(total.value());
    }
  }
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
