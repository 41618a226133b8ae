// Winograd's minimal filtering F(m, 3) along one axis: m neighbouring outputs of a filter of 3 taps from m + 2 inputs
// with m + 2 multiplications, one at each "point" of an interpolation (Lavin and Gray, "Fast algorithms for
// convolutional neural networks", 2016; Blahut, "Fast Algorithms for Signal Processing"):
//
//     y = A^T [(G g) * (B^T d)]        g: 3 taps, d: m + 2 inputs, *: element by element
//
// At stride 2 two outputs see every other input by F(2, 2), and those between by one tap (params/winograd.h).
//
// In two dimensions each transform runs along columns, then along rows. They are written out here with a fixed order of
// operations, on vectors of channels.
#pragma once

#include "cpu/vec.h"
#include "params/winograd.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// c * a + b.
template <typename T>
TILEGRAD_INLINE Vec<T> multiply_add(T c, Vec<T> a, Vec<T> b) {
  return fma_lanes(broadcast(c), a, b);
}

template <typename T, int kTile, int kStep>
struct Transform;

template <typename T>
using LaneMask = decltype(Vec<T>{} < Vec<T>{});

// F(2, 3), points 0, 1, -1 and infinity: additions only, but for halves in the weights.
template <typename T>
struct Transform<T, 2, 2> {
  using V = Vec<T>;
  TILEGRAD_INLINE static void weights(const V (&g)[3], V (&u)[4]) {
    const V even = g[0] + g[2];
    u[0] = g[0];
    u[1] = broadcast(T(0.5)) * (even + g[1]);
    u[2] = broadcast(T(0.5)) * (even - g[1]);
    u[3] = g[2];
  }
  TILEGRAD_INLINE static void input(const V (&d)[4], V (&v)[4]) {
    v[0] = d[0] - d[2];
    v[1] = d[2] + d[1];
    v[2] = d[2] - d[1];
    v[3] = d[3] - d[1];
  }
  TILEGRAD_INLINE static void output(const V (&m)[4], V (&y)[2]) {
    y[0] = m[0] + (m[1] + m[2]);
    y[1] = (m[1] - m[2]) + m[3];
  }
};

// Stride 2, points 0, 1 and infinity: additions only.
template <typename T>
struct Transform<T, 2, 4> {
  using V = Vec<T>;
  TILEGRAD_INLINE static void weights(const V (&g)[3], V (&u)[5]) {
    u[0] = g[0];
    u[1] = g[1];
    u[2] = g[0] + g[2];
    u[3] = g[2];
    u[4] = g[1];
  }
  TILEGRAD_INLINE static void input(const V (&d)[5], V (&v)[5]) {
    v[0] = d[0] - d[2];
    v[1] = d[1];
    v[2] = d[2];
    v[3] = d[4] - d[2];
    v[4] = d[3];
  }
  TILEGRAD_INLINE static void output(const V (&m)[3], V (&y)[2]) {
    y[0] = m[0] + m[1];
    y[1] = m[1] + m[2];
  }
  TILEGRAD_INLINE static void gradient(const V (&y)[2], V (&d)[3]) {
    d[0] = y[0];
    d[1] = y[0] + y[1];
    d[2] = y[1];
  }
  TILEGRAD_INLINE static void weights_gradient(const V (&u)[5], V (&g)[3]) {
    g[0] = u[0] + u[2];
    g[1] = u[1] + u[4];
    g[2] = u[2] + u[3];
  }
};

// The gradient of its input. Outputs are in the order 0, 1, 2, 3 or, swapped, 1, 0, 3, 2: the even of these are F(2, 2).
template <typename T>
struct Transform<T, 4, 2> {
  using V = Vec<T>;
  TILEGRAD_INLINE static void weights(const V (&g)[3], V (&u)[5]) {
    u[0] = g[0];
    u[1] = g[0] + g[2];
    u[2] = g[2];
    u[3] = g[1];
    u[4] = g[1];
  }
  TILEGRAD_INLINE static void input(const V (&d)[3], V (&v)[5], LaneMask<T> swapped) {
    v[0] = d[0] - d[1];
    v[1] = d[1];
    v[2] = d[2] - d[1];
    v[3] = swapped ? d[0] : d[1];
    v[4] = swapped ? d[1] : d[2];
  }
  TILEGRAD_INLINE static void output(const V (&m)[5], V (&y)[4]) {
    y[0] = m[0] + m[1];
    y[1] = m[3];
    y[2] = m[1] + m[2];
    y[3] = m[4];
  }
};

// F(4, 3), points 0, +-a, +-b and infinity. a = 11/16 and b = 3/2 have about the smallest error of all pairs of
// sixteenths, half of that of the usual 1 and 2 (docs/performance/winograd.md).
template <typename T>
struct Transform<T, 4, 4> {
  using V = Vec<T>;
  static constexpr double a = 11. / 16, b = 3. / 2, aa = a * a, bb = b * b;

  TILEGRAD_INLINE static void weights(const V (&g)[3], V (&u)[6]) {
    const V near = multiply_add(T(aa), g[2], g[0]), far = multiply_add(T(bb), g[2], g[0]);
    u[0] = broadcast(T(1 / (aa * bb))) * g[0];
    u[1] = broadcast(T(1 / (2 * aa * (aa - bb)))) * multiply_add(T(a), g[1], near);
    u[2] = broadcast(T(1 / (2 * aa * (aa - bb)))) * multiply_add(T(-a), g[1], near);
    u[3] = broadcast(T(1 / (2 * bb * (bb - aa)))) * multiply_add(T(b), g[1], far);
    u[4] = broadcast(T(1 / (2 * bb * (bb - aa)))) * multiply_add(T(-b), g[1], far);
    u[5] = g[2];
  }
  TILEGRAD_INLINE static void input(const V (&d)[6], V (&v)[6]) {
    const V near_even = multiply_add(T(-bb), d[2], d[4]), near_odd = multiply_add(T(-bb), d[1], d[3]);
    const V far_even = multiply_add(T(-aa), d[2], d[4]), far_odd = multiply_add(T(-aa), d[1], d[3]);
    v[0] = multiply_add(T(aa * bb), d[0], multiply_add(T(-(aa + bb)), d[2], d[4]));
    v[1] = multiply_add(T(a), near_odd, near_even);
    v[2] = multiply_add(T(-a), near_odd, near_even);
    v[3] = multiply_add(T(b), far_odd, far_even);
    v[4] = multiply_add(T(-b), far_odd, far_even);
    v[5] = multiply_add(T(aa * bb), d[1], multiply_add(T(-(aa + bb)), d[3], d[5]));
  }
  TILEGRAD_INLINE static void output(const V (&m)[6], V (&y)[4]) {
    const V near_even = m[1] + m[2], near_odd = m[1] - m[2];
    const V far_even = m[3] + m[4], far_odd = m[3] - m[4];
    y[0] = m[0] + (near_even + far_even);
    y[1] = multiply_add(T(b), far_odd, broadcast(T(a)) * near_odd);
    y[2] = multiply_add(T(bb), far_even, broadcast(T(aa)) * near_even);
    y[3] = multiply_add(T(b * bb), far_odd, multiply_add(T(a * aa), near_odd, m[5]));
  }
  // The transposes of output() and weights(): what the gradients go through.
  TILEGRAD_INLINE static void gradient(const V (&y)[4], V (&d)[6]) {
    const V near_even = multiply_add(T(aa), y[2], y[0]), near_odd = multiply_add(T(aa), y[3], y[1]);
    const V far_even = multiply_add(T(bb), y[2], y[0]), far_odd = multiply_add(T(bb), y[3], y[1]);
    d[0] = y[0];
    d[1] = multiply_add(T(a), near_odd, near_even);
    d[2] = multiply_add(T(-a), near_odd, near_even);
    d[3] = multiply_add(T(b), far_odd, far_even);
    d[4] = multiply_add(T(-b), far_odd, far_even);
    d[5] = y[3];
  }
  TILEGRAD_INLINE static void weights_gradient(const V (&u)[6], V (&g)[3]) {
    const V near_even = broadcast(T(1 / (2 * aa * (aa - bb)))) * (u[1] + u[2]);
    const V near_odd = broadcast(T(1 / (2 * aa * (aa - bb)))) * (u[1] - u[2]);
    const V far_even = broadcast(T(1 / (2 * bb * (bb - aa)))) * (u[3] + u[4]);
    const V far_odd = broadcast(T(1 / (2 * bb * (bb - aa)))) * (u[3] - u[4]);
    g[0] = multiply_add(T(1 / (aa * bb)), u[0], near_even + far_even);
    g[1] = multiply_add(T(b), far_odd, broadcast(T(a)) * near_odd);
    g[2] = multiply_add(T(bb), far_even, multiply_add(T(aa), near_even, u[5]));
  }
};

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
