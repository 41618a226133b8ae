// The tables of kernels that kernels.inc expands to, and the names that
// csrc/ops launches.
#pragma once

#include <type_traits>

#include "kernel.h"
#include "params/params.h"

namespace tilegrad {

// signature::name<T> is the function type of kernel `name` on elements T,
// without its team.
namespace signature {
#define KERNEL(name, DTYPES, ...) \
  template <typename T>           \
  using name = __VA_ARGS__;
#include "kernels.inc"
#undef KERNEL
}  // namespace signature

// The kernels of one device and ISA. Every entry is there: a table with a hole
// does not link.
struct KernelTable {
#define KERNEL(name, DTYPES, ...) const KernelSet* name;
#include "kernels.inc"
#undef KERNEL
};

// The params struct in a signature, or void.
template <typename Signature>
struct ParamsOf;
template <typename R, typename... A>
struct ParamsOf<R(A...)> {
  template <typename... B>
  struct Find {
    using type = void;
  };
  template <typename First, typename... Rest>
  struct Find<First, Rest...> {
    using type =
        std::conditional_t<std::is_reference_v<First>, std::remove_cvref_t<First>, typename Find<Rest...>::type>;
  };
  using type = typename Find<A...>::type;
};

// What csrc/ops names when it launches: the table's entry, with its params type
// checked at compile time.
template <typename P>
struct KernelName {
  const KernelSet* KernelTable::* entry;
  const char* name;
};
namespace kernels {
#define KERNEL(name, DTYPES, ...) \
  inline constexpr KernelName<ParamsOf<signature::name<float>>::type> name{&KernelTable::name, #name};
#include "kernels.inc"
#undef KERNEL
}  // namespace kernels

}  // namespace tilegrad
