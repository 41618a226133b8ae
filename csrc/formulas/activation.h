// Activation functions and their gradients. A gradient is written in terms of whichever of the input x and the output y
// makes it cheap: that is what autograd keeps.
#pragma once

#include "formulas/error_function.h"
#include "formulas/logarithm.h"

namespace tilegrad::formulas {
namespace {

// NaN and -0 pass through.
template <typename T>
TILEGRAD_FORMULA T relu(T x) {
  return x < T(0) ? T(0) : x;
}
template <typename T>
TILEGRAD_FORMULA T relu_backward(T g, T y) {
  if constexpr (sizeof(T) == 4) {
    // The same by integers. Of a selection gcc makes loads of g under a mask, which wait for y: from memory that takes a third
    // longer. What is left by the maximum is positive as an integer; NaN is above infinity. And y is used once: gcc would read
    // it at every use, which takes twice as long where lines are crossed.
    const int32_t bits = static_cast<int32_t>(bits_of(y)), positive = bits > 0 ? bits : 0;
    const int32_t dropped = ((positive - 1) | (0x7f800000 - positive)) >> 31;
    return from_bits<T>(bits_of(g) & ~static_cast<uint32_t>(dropped));
  } else {
    return y > T(0) ? g : T(0);
  }
}

// 0 below 0, 1 from 0 on. NaN passes through.
template <typename T>
TILEGRAD_FORMULA T step(T x) {
  return x < T(0) ? T(0) : x >= T(0) ? T(1) : x;
}

// min(max(x, 0), 6). NaN and -0 pass through.
template <typename T>
TILEGRAD_FORMULA T relu6(T x) {
  return x < T(0) ? T(0) : x > T(6) ? T(6) : x;
}
template <typename T>
TILEGRAD_FORMULA T relu6_backward(T g, T y) {
  return ((y > T(0)) & (y < T(6))) ? g : T(0);
}

template <typename T>
TILEGRAD_FORMULA T leaky_relu(T x, T slope) {
  return x > T(0) ? x : slope * x;
}
template <typename T>
TILEGRAD_FORMULA T leaky_relu_backward(T g, T x, T slope) {
  return x > T(0) ? g : slope * g;
}
// By the slope.
template <typename T>
TILEGRAD_FORMULA T leaky_relu_backward_slope(T g, T x) {
  return x > T(0) ? T(0) : g * x;
}

template <typename T>
TILEGRAD_FORMULA T elu(T x, T alpha) {
  return x > T(0) ? x : alpha * expm1(x);
}
template <typename T>
TILEGRAD_FORMULA T elu_backward(T g, T x, T alpha) {
  return x > T(0) ? g : g * (alpha * exp(x));
}

// The factor and the factor times alpha for which a standard normal input gives an output of mean 0 and variance 1. With
// F = erfc(1 / sqrt(2)) sqrt(e), alpha = sqrt(2 / pi) / (1 - F), and the factor makes the second moment 1.
template <typename T>
inline constexpr T kSeluScale = T(1.05070098735548049342);
template <typename T>
inline constexpr T kSeluSaturation = T(1.75809934084737685994);
template <typename T>
TILEGRAD_FORMULA T selu(T x) {
  return x > T(0) ? kSeluScale<T> * x : kSeluSaturation<T> * expm1(x);
}
template <typename T>
TILEGRAD_FORMULA T selu_backward(T g, T x) {
  return g * (x > T(0) ? kSeluScale<T> : kSeluSaturation<T> * exp(x));
}

// relu6(x + 3) / 6.
template <typename T>
TILEGRAD_FORMULA T hard_sigmoid(T x) {
  return relu6(x + T(3)) / T(6);
}
template <typename T>
TILEGRAD_FORMULA T hard_sigmoid_backward(T g, T x) {
  return ((x > T(-3)) & (x < T(3))) ? g / T(6) : T(0);
}

// x hard_sigmoid(x), with its limits at infinity.
template <typename T>
TILEGRAD_FORMULA T hard_swish(T x) {
  return x <= T(-3) ? T(0) : x >= T(3) ? x : x * (x + T(3)) / T(6);
}
template <typename T>
TILEGRAD_FORMULA T hard_swish_backward(T g, T x) {
  return x <= T(-3) ? T(0) : x >= T(3) ? g : g * (x / T(3) + T(0.5));
}

template <typename T>
TILEGRAD_FORMULA T sigmoid_backward(T g, T y) {
  return g * (y * (T(1) - y));
}

template <typename T>
TILEGRAD_FORMULA T tanh_backward(T g, T y) {
  return g * (T(1) - y * y);
}

// x sigmoid(x).
template <typename T>
TILEGRAD_FORMULA T silu(T x) {
  return x * sigmoid(x);
}
template <typename T>
TILEGRAD_FORMULA T silu_backward(T g, T x) {
  const T s = sigmoid(x);
  return g * (s + (x * s) * (T(1) - s));
}

template <typename T>
TILEGRAD_FORMULA T softplus_backward(T g, T x) {
  return g * sigmoid(x);
}

// log(sigmoid(x)) = min(x, 0) - log1p(exp(-|x|)).
template <typename T>
TILEGRAD_FORMULA T log_sigmoid(T x) {
  return -softplus(-x);
}
template <typename T>
TILEGRAD_FORMULA T log_sigmoid_backward(T g, T x) {
  return g * sigmoid(-x);
}

// x tanh(softplus(x)) = x n / (n + 2) with n = e (e + 2), e = exp(x). From 22 on the quotient is 1 in both types.
template <typename T>
TILEGRAD_FORMULA T mish(T x) {
  const T e = exp(x > T(22) ? T(22) : x);
  const T n = e * (e + T(2));
  return x * (n / (n + T(2)));
}
// n / (n + 2) + 4 x e (e + 1) / (n + 2)^2.
template <typename T>
TILEGRAD_FORMULA T mish_backward(T g, T x) {
  const T e = exp(x > T(22) ? T(22) : x);
  const T n = e * (e + T(2)), inverse = T(1) / (n + T(2));
  const T rest = T(4) * x * ((e * inverse) * ((e + T(1)) * inverse));
  return g * (x > T(22) ? T(1) : n * inverse + rest);
}

// x Phi(x) with the normal distribution's Phi(x) = (1 + erf(x / sqrt(2))) / 2.
template <typename T>
TILEGRAD_FORMULA T gelu(T x) {
  return x * (T(0.5) + normal_above_half(x));
}
// Phi(x) + x phi(x).
template <typename T>
TILEGRAD_FORMULA T gelu_backward(T g, T x) {
  return g * gelu_slope(x);
}

// The usual approximation of gelu, x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2.
template <typename T>
TILEGRAD_FORMULA T gelu_tanh(T x) {
  const T inner = T(0.79788456080286535588) * (x + T(0.044715) * (x * x * x));
  return (T(0.5) * x) * (T(1) + tanh(inner));
}
template <typename T>
TILEGRAD_FORMULA T gelu_tanh_backward(T g, T x) {
  const T square = x * x;
  const T t = tanh(T(0.79788456080286535588) * (x + T(0.044715) * (square * x)));
  const T slope = T(0.79788456080286535588) * (T(1) + T(0.134145) * square);
  const T flat = T(1) - t * t;
  return g * (T(0.5) * (T(1) + t) + (flat == T(0) ? T(0) : (T(0.5) * x) * (flat * slope)));
}

}  // namespace
}  // namespace tilegrad::formulas
