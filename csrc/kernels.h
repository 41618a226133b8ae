// What a kernel is, and the tables of kernels that kernels.inc expands to.
//
// A kernel is a function template over the element type,
//
//     template <typename T>
//     void name(const Team& team, const Params& params, const T* x, T* y);
//
// whose parameters after the team are, in any order: at most one reference to a trivially copyable struct (its sizes
// and options, from csrc/params), pointers (one per operand of the launch, in the launch's order), at most one
// Workspace (scratch memory whose size the launch states) and at most one OperandList (all operands, for kernels
// that take any number of them). invoke() unpacks a KernelCall into that list, so that every kernel can be stored,
// launched, recorded and replayed in one form.
#pragma once

#include <type_traits>
#include <utility>

#include "core/dtype.h"
#include "core/team.h"
#include "params/params.h"

namespace tilegrad {

// Scratch memory for the whole team: 64-byte aligned, uninitialised, gone when the kernel returns.
struct Workspace {
  void* data;
};

// All operands of a launch: for kernels whose number of operands is known only at run time.
struct OperandList {
  void* const* data;
  const int64_t* numel;
  int count;
};

struct KernelCall {
  const void* params;
  OperandList operands;
  Workspace workspace;
};

using Kernel = void (*)(const Team&, const KernelCall&);

// One kernel for each element type it supports, null for the others.
struct KernelSet {
  Kernel by_dtype[kDTypeCount];
};

// The dtype sets that kernels.inc names.
template <typename... T>
struct Types {};
namespace dtypes {
using FLOATING = Types<float, double>;
using NUMERIC = Types<float, double, int64_t, int32_t, uint8_t>;
using SIGNED = Types<float, double, int64_t, int32_t>;
using INTEGRAL = Types<int64_t, int32_t, uint8_t, Bool>;
using COMPARABLE = Types<float, double, int64_t, int32_t, uint8_t, Bool>;
using ALL = Types<float, double, BFloat16, Float16, int64_t, int32_t, uint8_t, Bool>;
using BOOLEAN = Types<Bool>;
}  // namespace dtypes

// signature::name<T> is the function type of kernel `name` on elements T, without its team.
namespace signature {
#define KERNEL(name, DTYPES, ...) \
  template <typename T>           \
  using name = __VA_ARGS__;
#include "kernels.inc"
#undef KERNEL
}  // namespace signature

// kernel_dtypes::name is the set of element types that kernel `name` supports.
namespace kernel_dtypes {
#define KERNEL(name, DTYPES, ...) using name = dtypes::DTYPES;
#include "kernels.inc"
#undef KERNEL
}  // namespace kernel_dtypes

// The kernels of one device and ISA. Every entry is there: a table with a hole does not link.
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
    using type = std::conditional_t<std::is_reference_v<First>, std::remove_cvref_t<First>, typename Find<Rest...>::type>;
  };
  using type = typename Find<A...>::type;
};

// What csrc/ops names when it launches: the table's entry, with its params type checked at compile time.
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
