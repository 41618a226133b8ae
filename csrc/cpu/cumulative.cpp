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

// Every line of `length` elements on its own: lines are [before][after], elements `after` apart; from the end if `reverse`.
template <typename Total, typename X, typename Y, typename Value>
TILEGRAD_INLINE void run_lines(const Team& team, const AxisBlocks& p, const X* x, Y* y, Value value) {
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
