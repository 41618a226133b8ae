// The door of this folder: scalar formulas, each written once for every device and ISA.
//
// A formula is a function of scalars without branches, memory, tables or library calls, always inlined, so that a loop
// around it vectorises. It lives in an unnamed namespace because the fma below it differs from one ISA to the next:
// each translation unit must keep its own.
#pragma once

#include <cstdint>

// The rare part of a formula, with branches and tables, is a TILEGRAD_FORMULA_CALL: inlined or not.
#if defined(__CUDACC__)
#define TILEGRAD_FORMULA __host__ __device__ __forceinline__
#define TILEGRAD_FORMULA_CALL __host__ __device__ inline
#else
#define TILEGRAD_FORMULA [[gnu::always_inline]] inline
#define TILEGRAD_FORMULA_CALL inline
#endif
