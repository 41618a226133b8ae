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
  return y > T(0) ? g : T(0);
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

// x Phi(x) with the normal distribution's Phi(x) = (1 + erf(x / sqrt(2))) / 2.
template <typename T>
TILEGRAD_FORMULA T gelu(T x) {
  return (T(0.5) * x) * (T(1) + erf(x * T(0.70710678118654752440)));
}
// Phi(x) + x phi(x), phi(x) = exp(-x^2 / 2) / sqrt(2 pi).
template <typename T>
TILEGRAD_FORMULA T gelu_backward(T g, T x) {
  const T distribution = T(0.5) * (T(1) + erf(x * T(0.70710678118654752440)));
  const T density = T(0.39894228040143267794) * exp(T(-0.5) * (x * x));
  // x * density is 0 at infinity, where the product would be NaN.
  return g * (distribution + (density == T(0) ? T(0) : x * density));
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
