// Sizes of sorts: x [rows, length], each row on its own.
#pragma once

#include <cstdint>

namespace tilegrad {

struct Sort {
  int64_t rows;
  int64_t length;
  bool descending;
};

// Buckets that long rows are dealt out to, on the CPU: each member of a team counts its part of them.
inline constexpr int64_t kSortBuckets = 2048;

// The first `kept` of each row.
struct Top {
  int64_t rows;
  int64_t length;
  int64_t kept;
  bool descending;
};

}  // namespace tilegrad
