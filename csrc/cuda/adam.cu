// Adam, AMSGrad and NAdam over all parameters in one launch.
#include "cuda/device/optimizer.cuh"

namespace tilegrad::cuda {
namespace {

struct AdamStep {
  static constexpr int kOperands = 3, kStates = 3;
  using Variants = std::integer_sequence<unsigned, 3, 7>;
  Adam p;

  template <typename T>
  struct Factors {
    formulas::Moments<T> moments;
    T rate;
  };

  template <typename T>
  __device__ Factors<T> factors(void* const*, double rate, int64_t now) const {
    return {formulas::moments_at<T>(now, p.beta1, p.beta2, p.eps),
            static_cast<T>(rate / (1 - formulas::integer_power(p.beta1, now)))};
  }

  template <unsigned kPresent, typename T, bool kRare>
  __device__ __forceinline__ static void apply(const formulas::GradientFactors<T, kRare>& common, const Factors<T>& f,
                                               T& x, T (&state)[3], T g) {
    if constexpr (kPresent == 3) {
      formulas::adam_step(common, f.moments, f.rate, x, state[0], state[1], g);
    } else {
      formulas::amsgrad_step(common, f.moments, f.rate, x, state[0], state[1], state[2], g);
    }
  }
};

template <typename T>
void adam(const Stream& stream, const Adam& p, OperandList operands) {
  run_steps<T>(stream, p.gradient, AdamStep{p}, operands);
}

struct NadamStep {
  static constexpr int kOperands = 3, kStates = 2;  // the third is the product of all momenta so far
  using Variants = std::integer_sequence<unsigned, 3>;
  Nadam p;

  template <typename T>
  struct Factors {
    formulas::Moments<T> moments;
    T gradient_rate, moment_rate;
  };

  template <typename T>
  __device__ Factors<T> factors(void* const* states, double rate, int64_t now) const {
    double& product_before = *static_cast<double*>(states[2]);
    const double momentum = formulas::nadam_momentum(p, now), next = formulas::nadam_momentum(p, now + 1);
    const double product = product_before * momentum;
    product_before = product;
    return {formulas::moments_at<T>(now, p.beta1, p.beta2, p.eps),
            static_cast<T>(rate * (1 - momentum) / (1 - product)), static_cast<T>(rate * next / (1 - product * next))};
  }

  template <unsigned kPresent, typename T, bool kRare>
  __device__ __forceinline__ static void apply(const formulas::GradientFactors<T, kRare>& common, const Factors<T>& f,
                                               T& x, T (&state)[2], T g) {
    formulas::nadam_step(common, f.moments, f.gradient_rate, f.moment_rate, x, state[0], state[1], g);
  }
};

template <typename T>
void nadam(const Stream& stream, const Nadam& p, OperandList operands) {
  run_steps<T>(stream, p.gradient, NadamStep{p}, operands);
}

}  // namespace
DEFINE_KERNEL(adam, FLOATING)
DEFINE_KERNEL(nadam, FLOATING)
}  // namespace tilegrad::cuda
