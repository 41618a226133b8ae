// Stochastic gradient descent over all parameters in one launch.
#include "cuda/device/optimizer.cuh"

namespace tilegrad::cuda {
namespace {

struct SgdStep {
  static constexpr int kOperands = 1, kStates = 1;
  using Variants = std::integer_sequence<unsigned, 0, 1>;
  Sgd p;

  template <typename T>
  struct Factors {
    formulas::SgdFactors<T> sgd;
    bool nesterov;
  };

  template <typename T>
  __device__ Factors<T> factors(void* const*, double rate, int64_t now) const {
    const bool first = now == 1;
    const T momentum = static_cast<T>(p.momentum);
    return {{static_cast<T>(rate), first ? T(0) : momentum, first ? T(1) : static_cast<T>(1 - p.dampening), momentum},
            p.nesterov != 0};
  }

  template <unsigned kPresent, typename T, bool kRare>
  __device__ __forceinline__ static void apply(const formulas::GradientFactors<T, kRare>& common, const Factors<T>& f,
                                               T& x, T (&state)[1], T g) {
    if constexpr (kPresent == 0) {
      formulas::sgd_step(common, f.sgd, x, g);
    } else if (f.nesterov) {
      formulas::sgd_momentum_step<true>(common, f.sgd, x, state[0], g);
    } else {
      formulas::sgd_momentum_step<false>(common, f.sgd, x, state[0], g);
    }
  }
};

template <typename T>
void sgd(const Stream& stream, const Sgd& p, OperandList operands) {
  run_steps<T>(stream, p.gradient, SgdStep{p}, operands);
}

}  // namespace
DEFINE_KERNEL(sgd, FLOATING)
}  // namespace tilegrad::cuda
