// RMSprop over all parameters in one launch.
#include "cuda/device/optimizer.cuh"

namespace tilegrad::cuda {
namespace {

struct RmsPropStep {
  static constexpr int kOperands = 3, kStates = 3;
  using Variants = std::integer_sequence<unsigned, 1, 3, 5, 7>;  // bit 1: centered, bit 2: momentum
  RmsProp p;

  template <typename T>
  using Factors = formulas::RmsPropFactors<T>;

  template <typename T>
  __device__ Factors<T> factors(void* const*, double rate, int64_t) const {
    return {static_cast<T>(rate), static_cast<T>(p.alpha), static_cast<T>(1 - p.alpha), static_cast<T>(p.eps),
            static_cast<T>(p.momentum)};
  }

  template <unsigned kPresent, typename T, bool kRare>
  __device__ __forceinline__ static void apply(const formulas::GradientFactors<T, kRare>& common, const Factors<T>& f,
                                               T& x, T (&state)[3], T g) {
    formulas::rmsprop_step<(kPresent & 2) != 0, (kPresent & 4) != 0>(common, f, x, state[0], state[1], state[2], g);
  }
};

template <typename T>
void rmsprop(const Stream& stream, const RmsProp& p, OperandList operands) {
  run_steps<T>(stream, p.gradient, RmsPropStep{p}, operands);
}

}  // namespace
DEFINE_KERNEL(rmsprop, FLOATING)
}  // namespace tilegrad::cuda
