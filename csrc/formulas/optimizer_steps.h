// One step of each optimizer for one element. Everything that all elements share (rates, powers of betas) comes in
// ready, computed in double and rounded once.
#pragma once

#include "formulas/formula.h"

namespace tilegrad::formulas {
namespace {

TILEGRAD_FORMULA float square_root(float x) { return __builtin_sqrtf(x); }
TILEGRAD_FORMULA double square_root(double x) { return __builtin_sqrt(x); }

// x^n by repeated squaring: the same bits everywhere, and within n units in the last place.
TILEGRAD_FORMULA double integer_power(double x, int64_t n) {
  double result = 1;
  for (; n > 0; n >>= 1) {
    if (n & 1) result *= x;
    x *= x;
  }
  return result;
}

// v <- retain v + share g, p <- p - rate (v or, looking ahead, g + momentum v), where g is the gradient with weight
// decay.
template <typename T>
struct SgdFactors {
  T gradient_scale, weight_decay, rate;
  T retain, share;  // momentum and 1 - dampening; 0 and 1 in the first step, which only stores g
  T momentum;
};

template <typename T>
TILEGRAD_FORMULA T sgd_gradient(const SgdFactors<T>& f, T p, T g) {
  return f.gradient_scale * g + f.weight_decay * p;
}
template <typename T>
TILEGRAD_FORMULA void sgd_step(const SgdFactors<T>& f, T& p, T g) {
  p -= f.rate * sgd_gradient(f, p, g);
}
template <bool kNesterov, typename T>
TILEGRAD_FORMULA void sgd_momentum_step(const SgdFactors<T>& f, T& p, T& v, T g) {
  const T gradient = sgd_gradient(f, p, g);
  v = f.retain * v + f.share * gradient;
  p -= f.rate * (kNesterov ? gradient + f.momentum * v : v);
}

// m <- beta1 m + (1 - beta1) g, v <- beta2 v + (1 - beta2) g^2,
// p <- p - rate m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps).
//
// Sources: Kingma and Ba, "Adam", ICLR 2015; Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019.
template <typename T>
struct AdamFactors {
  T gradient_scale;
  T weight_decay;  // coupled: added to the gradient
  T shrink;        // decoupled: p is first multiplied by 1 - rate * weight decay; else 1
  T beta1, one_minus_beta1, beta2, one_minus_beta2;
  T rate;        // over 1 - beta1^t
  T root_scale;  // 1 / sqrt(1 - beta2^t)
  T eps;
};

template <typename T>
TILEGRAD_FORMULA void adam_step(const AdamFactors<T>& f, T& p, T& m, T& v, T g) {
  const T gradient = f.gradient_scale * g + f.weight_decay * p;
  m = f.beta1 * m + f.one_minus_beta1 * gradient;
  v = f.beta2 * v + f.one_minus_beta2 * (gradient * gradient);
  p = f.shrink * p - f.rate * m / (square_root(v) * f.root_scale + f.eps);
}

}  // namespace
}  // namespace tilegrad::formulas
