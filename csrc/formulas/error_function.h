// erf, and the Gaussian error linear unit. Bounds on their errors are in docs/numerics.md.
#pragma once

#include "formulas/exponential.h"

namespace tilegrad::formulas {
namespace {

// erf(a) / a - 1 as a function of a^2, for 0 <= a <= 1: tools/fit_formulas.py erf_small32, erf_small64.
TILEGRAD_FORMULA float erf_small(float z) {
  return polynomial(z, 0x1.06eba8p-3f, -0x1.81273ep-2f, 0x1.ce2d2p-4f, -0x1.b7fbb4p-6f, 0x1.5419f6p-8f,
                    -0x1.a485ecp-11f, 0x1.4ae4dp-14f);
}
TILEGRAD_FORMULA double erf_small(double z) {
  return polynomial(z, 0x1.06eba8214db69p-3, -0x1.812746b0379e7p-2, 0x1.ce2f21a042bdep-4, -0x1.b82ce312889c2p-6,
                    0x1.565bcd0e65192p-8, -0x1.c02db3fef016p-11, 0x1.f9a326c2d8aadp-14, -0x1.f4d2562a0ab8bp-17,
                    0x1.b9e6518d8d12ap-20, -0x1.5f6d9cba86d82p-23, 0x1.fc43f0113d7fbp-27, -0x1.4e635a21021b6p-30,
                    0x1.7f171ad656dc6p-34, -0x1.29e142a30b5cdp-38);
}

// log(1 - erf(a)) for 1 <= a, up to where erf(a) rounds to 1: tools/fit_formulas.py erf_large32, erf_large64.
TILEGRAD_FORMULA float log_erfc(float a) {
  const float bounded = a > 4.0f ? 4.0f : a;
  return polynomial(bounded, 0x1.9c6e24p-13f, -0x1.212eeap+0f, -0x1.4428f8p-1f, -0x1.bc8e76p-4f, 0x1.9e6e4ep-6f,
                    -0x1.163756p-8f, 0x1.db0e1ap-12f, -0x1.8b87bap-16f, 0x1.1869fp-23f);
}
TILEGRAD_FORMULA double log_erfc(double a) {
  const double bounded = a > 6.0 ? 6.0 : a;
  return polynomial(bounded, -0x1.51a260b1ed446p-21, -0x1.20dd0b192886ap+0, -0x1.45f6e4063b7cdp-1,
                    -0x1.a49bd0f3e69e9p-4, 0x1.36a26520b05e3p-6, 0x1.dc0959544fae1p-12, -0x1.013d4409b8abfp-9,
                    0x1.a86805a93125ep-11, -0x1.506a6170b307dp-13, -0x1.e3ffa3c7a6f43p-18, 0x1.260eb6849478ap-16,
                    -0x1.d4b0ecdd3b1c5p-18, 0x1.ce252999bed91p-20, -0x1.3df6941a8825fp-22, 0x1.345afd166df1ep-25,
                    -0x1.94b0354280ecp-29, 0x1.43b1af6293df4p-33, -0x1.dd3fff163beacp-39);
}

template <typename T>
TILEGRAD_FORMULA T erf(T x) {
  const T a = magnitude(x);
  const T near = mul_add(a, erf_small(a * a), a);
  const T far = T(1) - exp(log_erfc(a));
  return with_sign_of(a < T(1) ? near : far, x);
}

// Phi(x) - 1/2 = erf(x / sqrt(2)) / 2 of the normal distribution's Phi. In float an odd rational function, which is within
// 1.9 * 2^-23: a third of erf's instructions, and what is added to 1/2 needs no more. Beyond 5.4 it exceeds the limits and is cut.
// tools/fit_formulas.py gelu32.
TILEGRAD_FORMULA float normal_above_half(float x) {
  const float square = x * x, z = square > 29.16f ? 29.16f : square;
  const float p =
      polynomial(z, 0x1.988454p-2f, 0x1.1162d2p-5f, 0x1.30cc6cp-8f, 0x1.589bfep-13f, 0x1.aad08p-18f, 0x1.91c7bcp-26f);
  const float q =
      polynomial(z, 1.0f, 0x1.005366p-2f, 0x1.d0f504p-6f, 0x1.e7527ep-10f, 0x1.2fab68p-14f, 0x1.469384p-20f);
  const float half = x * (p / q), below = half > 0.5f ? 0.5f : half;
  return below < -0.5f ? -0.5f : below;
}
TILEGRAD_FORMULA double normal_above_half(double x) { return 0.5 * erf(x * 0.70710678118654752440); }

// Phi(x) + x phi(x), the derivative of x Phi(x), the same way: phi(x) = exp(-x^2 / 2) / sqrt(2 pi). From 6 on it is 1, as the
// rational function at 6 is 1/2 exactly. tools/fit_formulas.py gelu_slope32.
TILEGRAD_FORMULA float gelu_slope(float x) {
  const float below = x > 6.0f ? 6.0f : x, t = below < -6.0f ? -6.0f : below, z = t * t;
  const float p = polynomial(z, 0x1.988452p-1f, -0x1.6e81c8p-6f, 0x1.c61356p-7f, 0x1.a9362cp-13f, 0x1.1dfbe8p-15f,
                             0x1.ef4f96p-21f, 0x1.24db18p-26f);
  const float q = polynomial(z, 1.0f, 0x1.389faap-2f, 0x1.698bfcp-5f, 0x1.044818p-8f, 0x1.013f56p-12f, 0x1.59e1cp-17f,
                             0x1.6bfd0ap-22f, 0x1.69650cp-30f);
  return 0.5f + t * (p / q);
}
TILEGRAD_FORMULA double gelu_slope(double x) {
  const double density = 0.39894228040143267794 * exp(-0.5 * (x * x));
  // x * density is 0 at infinity, where the product would be NaN.
  return (0.5 + normal_above_half(x)) + (density == 0.0 ? 0.0 : x * density);
}

// The derivative of erf, 2 / sqrt(pi) exp(-x^2).
template <typename T>
TILEGRAD_FORMULA T erf_slope(T x) {
  return T(1.12837916709551257390) * exp(-(x * x));
}

}  // namespace
}  // namespace tilegrad::formulas
