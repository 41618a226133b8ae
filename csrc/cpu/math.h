// Scalar mathematics for kernels: csrc/formulas, whose functions have the same bits on every ISA, vectorise in the
// loops around them, and state a bound on their error in ULPs that is tested over their whole domain
// (docs/numerics.md).
#pragma once

#include "cpu/fma.h"
#include "cpu/isa.h"
#include "formulas/activation.h"
#include "formulas/arithmetic.h"
#include "formulas/error_function.h"
#include "formulas/exponential.h"
#include "formulas/logarithm.h"
