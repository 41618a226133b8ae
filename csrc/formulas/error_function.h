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

// The derivative of erf, 2 / sqrt(pi) exp(-x^2).
template <typename T>
TILEGRAD_FORMULA T erf_slope(T x) {
  return T(1.12837916709551257390) * exp(-(x * x));
}

}  // namespace
}  // namespace tilegrad::formulas
