// The door of this folder. Everything in csrc/cpu is compiled once per ISA,
// with that ISA's flags, into the namespace tilegrad::cpu::TILEGRAD_ISA
// (generic, avx2, avx512, neon).
//
// Rules, held by tools/check_isa_objects.py over the compiled objects: no weak
// symbols and no static initialisers. The linker keeps one copy of a weak
// symbol for the whole library, and that copy may be the AVX-512 one; a static
// initialiser runs before the CPU was asked what it can do. So: kernels and
// helpers live in an unnamed namespace inside the ISA's (or are
// TILEGRAD_INLINE), no std containers or algorithms, no statics, no allocation,
// no exceptions, no Python.
//
// A kernel file looks like this:
//
//     #include "cpu/isa.h"
//
//     namespace tilegrad::cpu::TILEGRAD_ISA {
//     namespace {
//     template <typename T>
//     void relu(const Team& team, const Unary& nest, const T* x, T* y) { ... }
//     }  // namespace
//     DEFINE_KERNEL(relu, FLOATING)
//     }
#pragma once

#include <type_traits>
#include <utility>

#include "kernel.h"

#ifndef TILEGRAD_ISA
#error "TILEGRAD_ISA must be defined by the build (generic, avx2, avx512, neon)"
#endif

namespace tilegrad::cpu::TILEGRAD_ISA {

namespace {

template <typename T>
TILEGRAD_INLINE constexpr T smaller(T a, T b) {
  return b < a ? b : a;
}
template <typename T>
TILEGRAD_INLINE constexpr T larger(T a, T b) {
  return a < b ? b : a;
}
TILEGRAD_INLINE constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
TILEGRAD_INLINE constexpr int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

// Unpacks a KernelCall into the arguments that the kernel Function declares
// (see kernels.h).
template <typename Argument, int kOperand>
TILEGRAD_INLINE Argument argument(const KernelCall& call) {
  if constexpr (std::is_reference_v<Argument>) {
    return *static_cast<std::remove_reference_t<Argument>*>(call.params);
  } else if constexpr (std::is_pointer_v<Argument>) {
    return static_cast<Argument>(call.operands.data[kOperand]);
  } else if constexpr (std::is_same_v<Argument, Workspace>) {
    return call.workspace;
  } else {
    static_assert(std::is_same_v<Argument, OperandList>, "a kernel takes params, pointers, Workspace or OperandList");
    return call.operands;
  }
}

template <typename Signature>
struct Invoke;
template <typename... A>
struct Invoke<void(A...)> {
  // How many of the arguments before number `position` are operands.
  static constexpr int operands_before(int position) {
    constexpr bool is_operand[] = {std::is_pointer_v<A>...};
    int count = 0;
    for (int i = 0; i < position; ++i) count += is_operand[i];
    return count;
  }
  template <void (*Function)(const Team&, A...), int... I>
  TILEGRAD_INLINE static void call(const Team& team, const KernelCall& call, std::integer_sequence<int, I...>) {
    Function(team, argument<A, operands_before(I)>(call)...);
  }
  template <void (*Function)(const Team&, A...)>
  static void run(const Team& team, const KernelCall& kernel_call) {
    call<Function>(team, kernel_call, std::make_integer_sequence<int, sizeof...(A)>{});
  }
};

// The signature of a kernel function: void(A...) for void(const Team&, A...).
template <typename Function>
struct SignatureOf;
template <typename... A>
struct SignatureOf<void (*)(const Team&, A...)> {
  using type = void(A...);
};

}  // namespace

// The symbol of a kernel's set spells out its signature and its dtypes.
#define DECLARE_KERNEL(name)                     \
  template <typename Signature, typename DTypes> \
  struct name##_kernels {                        \
    static const KernelSet set;                  \
  };

// Defines the KernelSet of function template `name` for the dtype set that
// kernels.inc gives it. If kernels.inc says something else, or names a kernel
// that no file defines, the table (table.cpp) does not link.
#define DEFINE_KERNEL(name, DTYPES)                                                                                   \
  namespace {                                                                                                         \
  template <typename... T>                                                                                            \
  constexpr KernelSet name##_set(Types<T...>) {                                                                       \
    KernelSet set{};                                                                                                  \
    ((set.by_dtype[static_cast<int>(DTypeOf<T>::value)] =                                                             \
          &Invoke<typename SignatureOf<decltype(&name<T>)>::type>::template run<&name<T>>),                           \
     ...);                                                                                                            \
    return set;                                                                                                       \
  }                                                                                                                   \
  }                                                                                                                   \
  DECLARE_KERNEL(name)                                                                                                \
  template <>                                                                                                         \
  constinit const KernelSet name##_kernels<typename SignatureOf<decltype(&name<float>)>::type, dtypes::DTYPES>::set = \
      name##_set(dtypes::DTYPES{});

}  // namespace tilegrad::cpu::TILEGRAD_ISA
