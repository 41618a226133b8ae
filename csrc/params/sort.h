// Sizes of a sort: x [rows, length], each row on its own.
#pragma once

#include <cstdint>

namespace tilegrad {

struct Sort {
  int64_t rows;
  int64_t length;
  bool descending;
};

}  // namespace tilegrad
