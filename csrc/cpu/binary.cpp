// Every BINARY and COMPARISON line of elementwise.inc as a kernel.
#include <string_view>

#include "cpu/elementwise.h"
#include "formulas/power.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// Whether y, which is a, is to become a times one number that is 1: so begins many a backward pass, with the gradient of a loss.
template <typename T>
TILEGRAD_INLINE bool is_product_with_one(const char* name, const LoopNest<3>& nest, const T* a, const T* b,
                                         const T* y) {
  if (__builtin_strcmp(name, "multiply") != 0 || a != y || nest.numel == 0) return false;
  bool one = *b == T(1);
  for (int d = 0; d < nest.ndim; ++d) one &= nest.stride[1][d] == 0 && nest.stride[0][d] == nest.stride[2][d];
  return one;
}

// Of floating floor_divide and remainder, whose general case is a loop: blocks of which all is simple are computed in vectors.
constexpr bool is_division(const char* name) {
  return std::string_view(name) == "floor_divide" || std::string_view(name) == "remainder";
}
template <bool kFloor, typename T>
void divide(const Team& team, const LoopNest<3>& nest, const T* a_data, const T* b_data, T* y_data) {
  constexpr int64_t kAtOnce = 256;
  for_each_block(
      team, nest,
      [](int64_t count, T* y, const T* a, const T* b) {
        for (int64_t first = 0; first < count; first += kAtOnce) {
          const int64_t end = smaller(first + kAtOnce, count);
          uint8_t simple = 1;
#pragma omp simd reduction(& : simple)
          for (int64_t i = first; i < end; ++i) simple &= static_cast<uint8_t>(formulas::divides_in_a_step(a[i], b[i]));
          if (simple) {
#pragma omp simd
            for (int64_t i = first; i < end; ++i) {
              const T modulo = formulas::modulo_in_a_step(formulas::magnitude(a[i]), formulas::magnitude(b[i]));
              y[i] = kFloor ? formulas::quotient_of_modulo(a[i], b[i], modulo)
                            : formulas::remainder_of_modulo(a[i], b[i], modulo);
            }
          } else {
            for (int64_t i = first; i < end; ++i) {
              y[i] = kFloor ? formulas::floor_divide(a[i], b[i]) : formulas::remainder(a[i], b[i]);
            }
          }
        }
      },
      y_data, a_data, b_data);
}

}  // namespace

#define KERNEL(name, DTYPES, ...)
#define UNARY(name, DTYPES, formula)
#define PREDICATE(name, DTYPES, formula)
#define CAST(name, To)
#define TERNARY(name, DTYPES, formula)
#define BINARY(name, DTYPES, formula)                                                                 \
  namespace {                                                                                         \
  template <typename T>                                                                               \
  void name(const Team& team, const LoopNest<3>& nest, const T* a_data, const T* b_data, T* y_data) { \
    if (is_product_with_one(#name, nest, a_data, b_data, y_data)) return;                             \
    if constexpr (is_division(#name) && std::is_floating_point_v<T>) {                                \
      divide<std::string_view(#name) == "floor_divide">(team, nest, a_data, b_data, y_data);          \
    } else {                                                                                          \
      map(team, nest, [](T a, T b) { return T(formula); }, y_data, a_data, b_data);                   \
    }                                                                                                 \
  }                                                                                                   \
  }                                                                                                   \
  DEFINE_KERNEL(name, DTYPES)
#define COMPARISON(name, DTYPES, formula)                                                                  \
  namespace {                                                                                              \
  template <typename T>                                                                                    \
  void name(const Team& team, const LoopNest<3>& nest, const T* a_data, const T* b_data, Bool* y_data) {   \
    map(team, nest, [](T a, T b) { return Bool{static_cast<uint8_t>(formula)}; }, y_data, a_data, b_data); \
  }                                                                                                        \
  }                                                                                                        \
  DEFINE_KERNEL(name, DTYPES)
#include "elementwise.inc"

}  // namespace tilegrad::cpu::TILEGRAD_ISA
