// Normal numbers from uniform ones, by Box and Muller's transform: independent of threads and ISA like the words below
// it (formulas/philox.h).
#pragma once

#include "formulas/logarithm.h"
#include "formulas/philox.h"

namespace tilegrad::formulas {
namespace {

template <typename T>
struct Pair {
  T first, second;
};

// (cos, sin) of 2 pi u for 0 <= u < 1. In quarter turns the reduction is exact; what is left, at most an eighth of a
// turn, goes into Taylor's series, which end where the next term is below half a unit in the last place.
TILEGRAD_FORMULA float sine_series(float z) {
  return polynomial(z, 1.0f, -1.0f / 6, 1.0f / 120, -1.0f / 5040, 1.0f / 362880);
}
TILEGRAD_FORMULA float cosine_series(float z) {
  return polynomial(z, 1.0f, -1.0f / 2, 1.0f / 24, -1.0f / 720, 1.0f / 40320, -1.0f / 3628800);
}
TILEGRAD_FORMULA double sine_series(double z) {
  return polynomial(z, 1.0, -1.0 / 6, 1.0 / 120, -1.0 / 5040, 1.0 / 362880, -1.0 / 39916800, 1.0 / 6227020800,
                    -1.0 / 1307674368000, 1.0 / 355687428096000);
}
TILEGRAD_FORMULA double cosine_series(double z) {
  return polynomial(z, 1.0, -1.0 / 2, 1.0 / 24, -1.0 / 720, 1.0 / 40320, -1.0 / 3628800, 1.0 / 479001600,
                    -1.0 / 87178291200, 1.0 / 20922789888000, -1.0 / 6402373705728000);
}

template <typename T>
TILEGRAD_FORMULA Pair<T> point_on_circle(T turns) {
  const T quarters = T(4) * turns;
  const T quadrant = round_small(quarters);  // 0 to 4
  const T angle = (quarters - quadrant) * T(1.57079632679489661923);
  const T z = angle * angle;
  const T sine = angle * sine_series(z), cosine = cosine_series(z);
  const bool odd = (quadrant == T(1)) | (quadrant == T(3));
  const T x = odd ? sine : cosine, y = odd ? cosine : sine;
  return {((quadrant == T(1)) | (quadrant == T(2))) ? -x : x, ((quadrant == T(2)) | (quadrant == T(3))) ? -y : y};
}

// Two independent standard normal numbers from two uniform ones in [0, 1).
//
// Source: Box and Muller, "A note on the generation of random normal deviates", Ann. Math. Stat. 29, 1958.
template <typename T>
TILEGRAD_FORMULA Pair<T> normal_pair(T u, T v) {
  const T distance = log(T(1) - u) * T(-2);  // of (0, 1]: finite, and not negative
  const T radius = sizeof(T) == 4 ? T(__builtin_sqrtf(static_cast<float>(distance)))
                                  : T(__builtin_sqrt(static_cast<double>(distance)));
  const Pair<T> direction = point_on_circle(v);
  return {radius * direction.first, radius * direction.second};
}

}  // namespace
}  // namespace tilegrad::formulas
