// Many tensors in one launch: their addresses travel as the kernel's parameters, and every block finds the part of a tensor
// that is its own.
#pragma once

#include "cuda/kernel.cuh"

namespace tilegrad::cuda {
namespace {

// kPointers arrays of as many elements.
template <int kPointers>
struct ListedTensor {
  void* at[kPointers];
  int64_t numel;
};

// What one block takes of a tensor: elements [begin, end).
struct TensorPart {
  int tensor;
  int64_t begin, end;
};

// As many tensors as fit in kBytes of parameters.
template <int kPointers, int kBytes>
struct TensorList {
  static constexpr int kMost = (kBytes - 24) / static_cast<int>(sizeof(ListedTensor<kPointers>) + sizeof(int));
  int count;
  int first_block[kMost + 1];  // of each tensor; behind the last, the number of blocks
  ListedTensor<kPointers> tensor[kMost];

  // Tensors without elements have no blocks: the last one that begins here is meant.
  __device__ __forceinline__ TensorPart part(int block, int64_t chunk) const {
    int low = 0, high = count;
    while (high - low > 1) {
      const int middle = (low + high) / 2;
      (first_block[middle] <= block ? low : high) = middle;
    }
    const int64_t begin = (block - first_block[low]) * chunk, end = begin + chunk, numel = tensor[low].numel;
    return {low, begin, end < numel ? end : numel};
  }
};

// Launches are quicker the fewer parameters they have: most networks fit in the small list. 32764 bytes is the limit.
inline constexpr int kFewBytes = 3000, kManyBytes = 32000;

template <typename List, int kPointers, typename Run>
void run_lists(OperandList operands, int first, int64_t chunk, Run run) {
  const int tensors = (operands.count - first) / kPointers;
  for (int begin = 0; begin < tensors; begin += List::kMost) {
    List list;
    list.count = tensors - begin < List::kMost ? tensors - begin : List::kMost;
    list.first_block[0] = 0;
    for (int t = 0; t < list.count; ++t) {
      const int operand = first + (begin + t) * kPointers;
      ListedTensor<kPointers>& tensor = list.tensor[t];
      for (int k = 0; k < kPointers; ++k) tensor.at[k] = operands.data[operand + k];
      tensor.numel = operands.numel[operand];
      list.first_block[t + 1] = list.first_block[t] + static_cast<int>(ceil_div(tensor.numel, chunk));
    }
    run(list);
  }
}

// Calls run(list) for the tensors, kPointers operands each, that follow the first `first` operands, cut in chunks of `chunk`
// elements: one list after the other where they are too many for one. run must launch list.first_block[list.count] blocks.
template <int kPointers, typename Run>
void for_each_list(OperandList operands, int first, int64_t chunk, Run run) {
  using Few = TensorList<kPointers, kFewBytes>;
  using Many = TensorList<kPointers, kManyBytes>;
  if ((operands.count - first) / kPointers <= Few::kMost) {
    run_lists<Few, kPointers>(operands, first, chunk, run);
  } else {
    run_lists<Many, kPointers>(operands, first, chunk, run);
  }
}

}  // namespace
}  // namespace tilegrad::cuda
