// Where the temporaries of a program lie in one block: two of them overlap in memory only if their lifetimes do not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tilegrad {

struct Lifetime {
  size_t bytes;
  int first, last;  // the first and last item that uses it
  int64_t offset;   // set by plan_buffers
};

// Sets the offsets, 64-byte aligned, and returns the size of the block.
size_t plan_buffers(std::vector<Lifetime>& buffers);

}  // namespace tilegrad
