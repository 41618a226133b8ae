// fma(a, b, c) for kernels: of scalars (formulas/fma.h), and of whole vectors where the hardware has it not.
#pragma once

#include "cpu/isa.h"
#include "formulas/fma.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

inline constexpr bool kHasFma = TILEGRAD_HAS_FMA;  // one instruction

using formulas::fma;

#if !TILEGRAD_HAS_FMA

// The emulations of formulas/fma.h on vectors, which gcc would otherwise take apart into scalars. One double register
// at a time: of comparisons between longer vectors gcc 12 makes scalar ones.
typedef double EmulatedDoubles __attribute__((vector_size(16)));
typedef uint64_t EmulatedIntegers __attribute__((vector_size(16)));
typedef float EmulatedFloats __attribute__((vector_size(16)));

TILEGRAD_INLINE EmulatedDoubles emulated_fma(EmulatedDoubles a, EmulatedDoubles b, EmulatedDoubles c) {
  using D = EmulatedDoubles;
  using I = EmulatedIntegers;
  const auto magnitude = [](D v) { return __builtin_bit_cast(D, __builtin_bit_cast(I, v) & 0x7fffffffffffffff); };
  const D product = magnitude(a * b);
  const auto safe = (magnitude(a) < 0x1p995) & (magnitude(b) < 0x1p995) & (magnitude(c) < 0x1p1021) &
                    (product < 0x1p1021) & ((product >= 0x1p-967) | (a == 0) | (b == 0));  // formulas::fma_is_safe
  if (__builtin_expect((safe[0] & safe[1]) != 0, 1)) return formulas::fma_in_range<D, I>(a, b, c);
  return D{fma(a[0], b[0], c[0]), fma(a[1], b[1], c[1])};
}

TILEGRAD_INLINE EmulatedFloats emulated_fma(EmulatedFloats a, EmulatedFloats b, EmulatedFloats c) {
  typedef double FourDoubles __attribute__((vector_size(32)));
  const FourDoubles product = __builtin_convertvector(a, FourDoubles) * __builtin_convertvector(b, FourDoubles);
  const auto sum = formulas::two_sum(product, __builtin_convertvector(c, FourDoubles));
  const auto low = formulas::round_to_odd<EmulatedDoubles, EmulatedIntegers>(
      {__builtin_shufflevector(sum.sum, sum.sum, 0, 1), __builtin_shufflevector(sum.error, sum.error, 0, 1)});
  const auto high = formulas::round_to_odd<EmulatedDoubles, EmulatedIntegers>(
      {__builtin_shufflevector(sum.sum, sum.sum, 2, 3), __builtin_shufflevector(sum.error, sum.error, 2, 3)});
  return __builtin_convertvector(__builtin_shufflevector(low, high, 0, 1, 2, 3), EmulatedFloats);
}

#endif

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
