// The door of this folder: scalar formulas, each written once for every device and ISA.
//
// A formula is a function of scalars without branches, memory, tables or library calls, always inlined, so that a loop
// around it vectorises. It lives in an unnamed namespace because the fma below it differs from one ISA to the next:
// each translation unit must keep its own.
#pragma once

#include <cstdint>

#if defined(__CUDACC__)
#define TILEGRAD_FORMULA __host__ __device__ __forceinline__
#else
#define TILEGRAD_FORMULA [[gnu::always_inline]] inline
#endif
