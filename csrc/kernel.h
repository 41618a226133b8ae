// What a kernel is. This header knows no kernel by name: those are in
// kernels.inc and kernels.h, which only csrc/ops and the tables read, so that a
// new line there does not recompile the kernels.
//
// A kernel is a function template over the element type,
//
//     template <typename T>
//     void name(const Team& team, const Params& params, const T* x, T* y);
//
// whose parameters after the team are, in any order: at most one reference to a
// trivially copyable struct (its sizes and options, from csrc/params), pointers
// (one per operand of the launch, in the launch's order), at most one Workspace
// (scratch memory whose size the launch states) and at most one OperandList
// (all operands, for kernels that take any number of them). invoke() unpacks a
// KernelCall into that list, so that every kernel can be stored, launched,
// recorded and replayed in one form.
#pragma once

#include "core/dtype.h"
#include "core/team.h"

namespace tilegrad {

// Scratch memory for the whole team: 64-byte aligned, uninitialised, gone when
// the kernel returns.
struct Workspace {
  void* data;
};

// All operands of a launch: for kernels whose number of operands is known only
// at run time.
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
using SINGLE = Types<float>;
using NUMERIC = Types<float, double, int64_t, int32_t, uint8_t>;
using SIGNED = Types<float, double, int64_t, int32_t>;
using INTEGRAL = Types<int64_t, int32_t, uint8_t, Bool>;
using COMPARABLE = Types<float, double, int64_t, int32_t, uint8_t, Bool>;
using ALL = Types<float, double, BFloat16, Float16, int64_t, int32_t, uint8_t, Bool>;
using BOOLEAN = Types<Bool>;
using INDEX = Types<int64_t, int32_t, uint8_t>;
}  // namespace dtypes

}  // namespace tilegrad
