// Arrays that are functions of their indices.
#pragma once

#include <cstdint>

namespace tilegrad {

// y[i] = start + i * step; integers use the whole numbers.
struct Sequence {
  int64_t count;
  double start, step;
  int64_t whole_start, whole_step;
};

// x [batch, rows, columns] with zeros where column - row lies outside [least, most].
struct Band {
  int64_t batch, rows, columns;
  int64_t least, most;
};

}  // namespace tilegrad
