// Scalar mathematics for kernels, written without branches so that the loops around it vectorise. Each function has the
// same bits on every ISA and a bound on its error in ULPs, tested over its whole domain.
#pragma once

#include "cpu/fma.h"
#include "cpu/isa.h"
