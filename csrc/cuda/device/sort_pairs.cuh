// A stable sort of pairs by their keys, for all kernels that need one: they make keys of 64 bits, so that one instantiation
// of CUB's sort does for all types.
#pragma once

#include "cuda/kernel.cuh"

namespace tilegrad::cuda {

struct SortedPairs {
  uint64_t* keys;
  int64_t* values;
  int64_t count;
  // Where they go to and come from.
  uint64_t* other_keys;
  int64_t* other_values;
};

// Scratch memory for `count` pairs; keys and values are to be filled in.
SortedPairs pairs_to_sort(const Stream& stream, int64_t count);

// The pairs in ascending order of their keys, none of which is above `most`; equal ones stay in order. May return the
// arrays exchanged.
SortedPairs sort_pairs(const Stream& stream, const SortedPairs& pairs, uint64_t most);

}  // namespace tilegrad::cuda
