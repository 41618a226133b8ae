// Random numbers. `state` is a generator: int64 [seed, stream]. Every draw reads it and moves it to the next stream
// inside its launch, so that a replayed launch draws anew.
#pragma once

#include "core/array.h"

namespace tilegrad::ops {

struct Bounds {
  double first, second;
};

// Each writes into y, whose elements count row-major whatever its strides are.
void random_uniform(const Array& y, const Array& state, Bounds low_high);
void random_normal(const Array& y, const Array& state, Bounds mean_deviation);
void random_truncated_normal(const Array& y, const Array& state, Bounds mean_deviation);  // within two deviations
void random_integers(const Array& y, const Array& state, int64_t low, int64_t high);      // low <= y < high
void random_choice(const Array& y, const Array& state, double probability);               // of a one, else zero

// 0, 1, ..., n - 1 in random order, int64.
Array random_permutation(int64_t n, const Array& state);

// A generator's seed for the purpose `key`, independent of this seed's own draws and of other keys.
int64_t derived_seed(int64_t seed, int64_t key);

}  // namespace tilegrad::ops
