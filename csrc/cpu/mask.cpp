// The places of a mask's true elements, in row-major order: counted chunk by chunk, then written from each chunk's start.
#include "cpu/isa.h"
#include "params/gather.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

template <typename T>
TILEGRAD_INLINE bool is_true(T value) {
  if constexpr (std::is_same_v<T, Bool>) {
    return value.value != 0;
  } else {
    return value != T(0);
  }
}

template <typename T>
void mask_count(const Team& team, const MaskScan& p, const T* mask, int64_t* counts) {
  const Range mine = team.share(ceil_div(p.numel, kMaskChunk));
  for (int64_t chunk = mine.begin; chunk < mine.end; ++chunk) {
    const int64_t begin = chunk * kMaskChunk, end = smaller(p.numel, begin + kMaskChunk);
    int64_t count = 0;
    for (int64_t i = begin; i < end; ++i) count += is_true(mask[i]);
    counts[chunk] = count;
  }
}

// y [ndim, found]: a row of coordinates for each axis. A chunk's places are collected without a branch on what can't be
// foreseen; coordinates but the last change once a row.
template <typename T>
void mask_places(const Team& team, const MaskScan& p, const T* mask, const int64_t* starts, int64_t* y) {
  const Range mine = team.share(ceil_div(p.numel, kMaskChunk));
  int64_t places[kMaskChunk + 1];
  for (int64_t chunk = mine.begin; chunk < mine.end; ++chunk) {
    const int64_t begin = chunk * kMaskChunk, end = smaller(p.numel, begin + kMaskChunk);
    int64_t count = 0;
    for (int64_t i = begin; i < end; ++i) {
      places[count] = i;
      count += is_true(mask[i]);
    }
    const int last = p.ndim - 1;
    const int64_t length = last > 0 ? p.shape[last] : p.numel;
    int64_t row_begin = 0, row_end = 0;
    int64_t coordinate[kMaxRank] = {};
    for (int64_t k = 0; k < count; ++k) {
      if (places[k] >= row_end) {
        int64_t rest = places[k] / length;
        row_begin = rest * length, row_end = row_begin + length;
        for (int d = last - 1; d > 0; --d) {
          coordinate[d] = rest % p.shape[d];
          rest /= p.shape[d];
        }
        coordinate[0] = rest;
      }
      const int64_t slot = starts[chunk] + k;
      for (int d = 0; d < last; ++d) y[d * p.found + slot] = coordinate[d];
      y[last * p.found + slot] = places[k] - row_begin;
    }
  }
}

}  // namespace
DEFINE_KERNEL(mask_count, COMPARABLE)
DEFINE_KERNEL(mask_places, COMPARABLE)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
