// Adadelta over all parameters in one launch.
#include "cuda/device/optimizer.cuh"

namespace tilegrad::cuda {
namespace {

struct AdadeltaStep {
  static constexpr int kOperands = 2, kStates = 2;
  using Variants = std::integer_sequence<unsigned, 3>;
  Adadelta p;

  template <typename T>
  using Factors = formulas::AdadeltaFactors<T>;

  template <typename T>
  __device__ Factors<T> factors(void* const*, double rate, int64_t) const {
    return {static_cast<T>(rate), static_cast<T>(p.rho), static_cast<T>(1 - p.rho), static_cast<T>(p.eps)};
  }

  template <unsigned kPresent, typename T, bool kRare>
  __device__ __forceinline__ static void apply(const formulas::GradientFactors<T, kRare>& common, const Factors<T>& f,
                                               T& x, T (&state)[2], T g) {
    formulas::adadelta_step(common, f, x, state[0], state[1], g);
  }
};

template <typename T>
void adadelta(const Stream& stream, const Adadelta& p, OperandList operands) {
  run_steps<T>(stream, p.gradient, AdadeltaStep{p}, operands);
}

}  // namespace
DEFINE_KERNEL(adadelta, FLOATING)
}  // namespace tilegrad::cuda
