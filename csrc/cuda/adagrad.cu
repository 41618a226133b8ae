// Adagrad over all parameters in one launch.
#include "cuda/device/optimizer.cuh"

namespace tilegrad::cuda {
namespace {

struct AdagradStep {
  static constexpr int kOperands = 1, kStates = 1;
  using Variants = std::integer_sequence<unsigned, 1>;
  Adagrad p;

  template <typename T>
  struct Factors {
    T rate, eps;
  };

  template <typename T>
  __device__ Factors<T> factors(void* const*, double rate, int64_t now) const {
    return {static_cast<T>(rate / (1 + static_cast<double>(now - 1) * p.lr_decay)), static_cast<T>(p.eps)};
  }

  template <unsigned kPresent, typename T, bool kRare>
  __device__ __forceinline__ static void apply(const formulas::GradientFactors<T, kRare>& common, const Factors<T>& f,
                                               T& x, T (&state)[1], T g) {
    formulas::adagrad_step(common, f.rate, f.eps, x, state[0], g);
  }
};

template <typename T>
void adagrad(const Stream& stream, const Adagrad& p, OperandList operands) {
  run_steps<T>(stream, p.gradient, AdagradStep{p}, operands);
}

}  // namespace
DEFINE_KERNEL(adagrad, FLOATING)
}  // namespace tilegrad::cuda
