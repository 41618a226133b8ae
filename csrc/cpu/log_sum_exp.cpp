// The logarithm of a sum of exponentials over any axes.
#include "cpu/math.h"
#include "cpu/sum_fold.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// log sum exp(x) = m + log sum exp(x - m), m being the largest x, or 0 where that is infinite.
template <typename T>
struct LogSumExpFold : SumFold<T> {
  const T* largest;
  TILEGRAD_INLINE T shift(int64_t o) const {
    return formulas::magnitude(largest[o]) == formulas::kInfinity<T> ? T(0) : largest[o];
  }
  TILEGRAD_INLINE T map(T x, int64_t o) const { return formulas::exp_of_negative(x - shift(o)); }
  TILEGRAD_INLINE void finish(int64_t o, const SumTotal<T>& total) const {
    const T top = largest[o];
    this->y[o] = top == formulas::kInfinity<T> ? top : shift(o) + formulas::log(total.value());
  }
};

template <typename T>
void log_sum_exp(const Team& team, const Reduce& p, const T* x, const T* largest, T* y, Workspace workspace) {
  fold_axes(team, p, x, workspace, LogSumExpFold<T>{{y, 1.0}, largest});
}

}  // namespace
DEFINE_KERNEL(log_sum_exp, FLOATING)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
