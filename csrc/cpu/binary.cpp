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

// Formulas that cost less than filling a block with one element.
constexpr bool is_arithmetic(const char* name) {
  const std::string_view known(name);
  return known == "add" || known == "subtract" || known == "multiply" || known == "divide";
}

// Of floating numbers the general case of floor_divide and remainder is a loop, which few quotients need.
constexpr bool is_division(const char* name) {
  return std::string_view(name) == "floor_divide" || std::string_view(name) == "remainder";
}
template <bool kFloor>
struct DivisionInAStep {
  template <typename T>
  TILEGRAD_INLINE T operator()(T a, T b) const {
    const T modulo = formulas::modulo_in_a_step(formulas::magnitude(a), formulas::magnitude(b));
    return kFloor ? formulas::quotient_of_modulo(a, b, modulo) : formulas::remainder_of_modulo(a, b, modulo);
  }
};

}  // namespace

#define KERNEL(name, DTYPES, ...)
#define UNARY(name, DTYPES, formula)
#define PREDICATE(name, DTYPES, formula)
#define CAST(name, To)
#define TERNARY(name, DTYPES, formula)
#define BINARY(name, DTYPES, formula)                                                                        \
  namespace {                                                                                                \
  template <typename T>                                                                                      \
  void name(const Team& team, const LoopNest<3>& nest, const T* a_data, const T* b_data, T* y_data) {        \
    if (is_product_with_one(#name, nest, a_data, b_data, y_data)) return;                                    \
    const auto of_elements = [](T a, T b) { return T(formula); };                                            \
    if constexpr (is_division(#name) && std::is_floating_point_v<T>) {                                       \
      constexpr bool kFloor = std::string_view(#name) == "floor_divide";                                     \
      map_with_exceptions(                                                                                   \
          team, nest, [](T a, T b) { return formulas::divides_in_a_step(a, b); }, DivisionInAStep<kFloor>(), \
          of_elements, y_data, a_data, b_data);                                                              \
    } else if constexpr (is_arithmetic(#name) && std::is_floating_point_v<T>) {                              \
      for_each_block(team, nest, PairBody<decltype(of_elements)>{of_elements}, y_data, a_data, b_data);      \
    } else {                                                                                                 \
      map(team, nest, of_elements, y_data, a_data, b_data);                                                  \
    }                                                                                                        \
  }                                                                                                          \
  }                                                                                                          \
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
