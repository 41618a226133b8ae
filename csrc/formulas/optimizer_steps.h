// One step of each optimizer for one element. Everything that all elements share (rates, powers of betas) comes in
// ready, computed in double and rounded once.
#pragma once

#include "formulas/formula.h"
#include "formulas/power.h"
#include "params/optimizer.h"

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

// x within [-bound, bound]; NaN stays.
template <typename T>
TILEGRAD_FORMULA T limited(T x, T bound) {
  const T upper = x > bound ? bound : x;
  return upper < -bound ? -bound : upper;
}

// What all optimizers share. Limiting single elements and the decay of |p| are rare, and cost as much as SGD's whole
// step: kRare says whether they are wanted.
template <typename T, bool kRare>
struct GradientFactors {
  T scale;                    // of clipping by the norm; negative to maximize
  T weight_decay;             // coupled: in the gradient
  T shrink;                   // decoupled: p is first multiplied by 1 - rate * weight decay; else 1
  T bound, l1_decay, l1_cut;  // largest element; coupled and decoupled decay of |p|, the latter times the rate
};

template <typename T>
TILEGRAD_FORMULA T sign_of(T x) {
  return x > T(0) ? T(1) : x < T(0) ? T(-1) : T(0);
}

// What the options come to in this step.
template <typename T, bool kRare>
TILEGRAD_FORMULA GradientFactors<T, kRare> gradient_factors(const GradientOptions& p, double rate, double clip_factor) {
  GradientFactors<T, kRare> f;
  f.scale = static_cast<T>(p.maximize ? -clip_factor : clip_factor);
  f.weight_decay = p.decoupled ? T(0) : static_cast<T>(p.weight_decay);
  f.shrink = p.decoupled ? static_cast<T>(1 - rate * p.weight_decay) : T(1);
  f.bound = static_cast<T>(p.clip_value);
  f.l1_decay = p.decoupled ? T(0) : static_cast<T>(p.l1_decay);
  f.l1_cut = p.decoupled ? static_cast<T>(rate * p.l1_decay) : T(0);
  return f;
}

// The gradient with its penalties.
template <typename T, bool kRare>
TILEGRAD_FORMULA T full_gradient(const GradientFactors<T, kRare>& f, T p, T g) {
  if constexpr (kRare) {
    return f.scale * limited(g, f.bound) + f.weight_decay * p + f.l1_decay * sign_of(p);
  } else {
    return f.scale * g + f.weight_decay * p;
  }
}

// The parameter after decoupled decay.
template <typename T, bool kRare>
TILEGRAD_FORMULA T decayed(const GradientFactors<T, kRare>& f, T p) {
  if constexpr (kRare) {
    return f.shrink * p - f.l1_cut * sign_of(p);
  } else {
    return f.shrink * p;
  }
}

// v <- retain v + share g, p <- p - rate (v or, looking ahead, g + momentum v).
template <typename T>
struct SgdFactors {
  T rate;
  T retain, share;  // momentum and 1 - dampening; 0 and 1 in the first step, which only stores g
  T momentum;
};

template <typename T, bool kRare>
TILEGRAD_FORMULA void sgd_step(const GradientFactors<T, kRare>& common, const SgdFactors<T>& f, T& p, T g) {
  p = decayed(common, p) - f.rate * full_gradient(common, p, g);
}
template <bool kNesterov, typename T, bool kRare>
TILEGRAD_FORMULA void sgd_momentum_step(const GradientFactors<T, kRare>& common, const SgdFactors<T>& f, T& p, T& v,
                                        T g) {
  const T gradient = full_gradient(common, p, g);
  v = f.retain * v + f.share * gradient;
  p = decayed(common, p) - f.rate * (kNesterov ? gradient + f.momentum * v : v);
}

// Running means of the gradient and its square: m <- beta1 m + (1 - beta1) g, v <- beta2 v + (1 - beta2) g^2.
template <typename T>
struct Moments {
  T beta1, one_minus_beta1, beta2, one_minus_beta2;
  T root_scale;  // 1 / sqrt(1 - beta2^t)
  T eps;
};

// The betas of a parameter in its step `now`.
template <typename T>
TILEGRAD_FORMULA Moments<T> moments_at(int64_t now, double beta1, double beta2, double eps) {
  Moments<T> f;
  f.beta1 = static_cast<T>(beta1);
  f.one_minus_beta1 = static_cast<T>(1 - beta1);
  f.beta2 = static_cast<T>(beta2);
  f.one_minus_beta2 = static_cast<T>(1 - beta2);
  f.root_scale = static_cast<T>(1 / square_root(1 - integer_power(beta2, now)));
  f.eps = static_cast<T>(eps);
  return f;
}

template <typename T>
TILEGRAD_FORMULA void move_moments(const Moments<T>& f, T& m, T& v, T g) {
  m = f.beta1 * m + f.one_minus_beta1 * g;
  v = f.beta2 * v + f.one_minus_beta2 * (g * g);
}
// sqrt(v / (1 - beta2^t)) + eps.
template <typename T>
TILEGRAD_FORMULA T root_of(const Moments<T>& f, T v) {
  return square_root(v) * f.root_scale + f.eps;
}

// p <- p - rate m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps); `rate` comes divided by 1 - beta1^t. AMSGrad takes
// the largest v so far.
//
// Sources: Kingma and Ba, "Adam", ICLR 2015; Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019;
// Reddi, Kale and Kumar, "On the convergence of Adam and beyond", ICLR 2018.
template <typename T, bool kRare>
TILEGRAD_FORMULA void adam_step(const GradientFactors<T, kRare>& common, const Moments<T>& f, T rate, T& p, T& m, T& v,
                                T g) {
  move_moments(f, m, v, full_gradient(common, p, g));
  p = decayed(common, p) - rate * m / root_of(f, v);
}
template <typename T, bool kRare>
TILEGRAD_FORMULA void amsgrad_step(const GradientFactors<T, kRare>& common, const Moments<T>& f, T rate, T& p, T& m,
                                   T& v, T& largest, T g) {
  move_moments(f, m, v, full_gradient(common, p, g));
  largest = v <= largest ? largest : v;  // NaN gets in
  p = decayed(common, p) - rate * m / root_of(f, largest);
}

// The momentum of step `now`, which grows from beta1 / 2 to beta1.
TILEGRAD_FORMULA double nadam_momentum(const Nadam& p, int64_t now) {
  return p.beta1 * (1 - 0.5 * power(0.96, static_cast<double>(now) * p.momentum_decay));
}

// p <- p - (gradient_rate g + moment_rate m) / (sqrt(v / (1 - beta2^t)) + eps), where the rates hold this and the next
// step's momentum.
//
// Source: Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016.
template <typename T, bool kRare>
TILEGRAD_FORMULA void nadam_step(const GradientFactors<T, kRare>& common, const Moments<T>& f, T gradient_rate,
                                 T moment_rate, T& p, T& m, T& v, T g) {
  const T gradient = full_gradient(common, p, g);
  move_moments(f, m, v, gradient);
  p = decayed(common, p) - (gradient_rate * gradient + moment_rate * m) / root_of(f, v);
}

// s <- s + g^2, p <- p - rate g / (sqrt(s) + eps).
//
// Source: Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic optimization", JMLR
// 2011.
template <typename T, bool kRare>
TILEGRAD_FORMULA void adagrad_step(const GradientFactors<T, kRare>& common, T rate, T eps, T& p, T& s, T g) {
  const T gradient = full_gradient(common, p, g);
  s = s + gradient * gradient;
  p = decayed(common, p) - rate * gradient / (square_root(s) + eps);
}

// s <- alpha s + (1 - alpha) g^2, centered also a <- alpha a + (1 - alpha) g; then the step d = g / (sqrt(s - a^2) +
// eps), with momentum v <- momentum v + d, and p <- p - rate (d or v).
//
// Sources: Tieleman and Hinton, "Lecture 6.5: RMSprop", 2012; centered: Graves, "Generating sequences with recurrent
// neural networks", 2013.
template <typename T>
struct RmsPropFactors {
  T rate, alpha, one_minus_alpha, eps, momentum;
};

template <bool kCentered, bool kMomentum, typename T, bool kRare>
TILEGRAD_FORMULA void rmsprop_step(const GradientFactors<T, kRare>& common, const RmsPropFactors<T>& f, T& p, T& s,
                                   T& a, T& v, T g) {
  const T gradient = full_gradient(common, p, g);
  s = f.alpha * s + f.one_minus_alpha * (gradient * gradient);
  T variance = s;
  if constexpr (kCentered) {
    a = f.alpha * a + f.one_minus_alpha * gradient;
    variance = s - a * a;
    variance = variance < T(0) ? T(0) : variance;  // by rounding
  }
  T step = gradient / (square_root(variance) + f.eps);
  if constexpr (kMomentum) {
    v = f.momentum * v + step;
    step = v;
  }
  p = decayed(common, p) - f.rate * step;
}

// s <- rho s + (1 - rho) g^2, d = sqrt(u + eps) / sqrt(s + eps) g, u <- rho u + (1 - rho) d^2, p <- p - rate d.
//
// Source: Zeiler, "ADADELTA: an adaptive learning rate method", 2012.
template <typename T>
struct AdadeltaFactors {
  T rate, rho, one_minus_rho, eps;
};

template <typename T, bool kRare>
TILEGRAD_FORMULA void adadelta_step(const GradientFactors<T, kRare>& common, const AdadeltaFactors<T>& f, T& p, T& s,
                                    T& u, T g) {
  const T gradient = full_gradient(common, p, g);
  s = f.rho * s + f.one_minus_rho * (gradient * gradient);
  const T step = square_root(u + f.eps) / square_root(s + f.eps) * gradient;
  u = f.rho * u + f.one_minus_rho * (step * step);
  p = decayed(common, p) - f.rate * step;
}

// LAMB's step before its layer's rate: Adam's, and decay. `moment_scale` is 1 / (1 - beta1^t).
//
// Source: You et al., "Large batch optimization for deep learning: training BERT in 76 minutes", ICLR 2020.
template <typename T, bool kRare>
TILEGRAD_FORMULA T lamb_direction(const GradientFactors<T, kRare>& penalties, const Moments<T>& f, T moment_scale, T p,
                                  T m, T v) {
  return full_gradient(penalties, p, moment_scale * m / root_of(f, v));
}

}  // namespace
}  // namespace tilegrad::formulas
