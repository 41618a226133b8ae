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

// y [ndim, found]: a row of coordinates for each axis.
template <typename T>
void mask_places(const Team& team, const MaskScan& p, const T* mask, const int64_t* starts, int64_t* y) {
  const Range mine = team.share(ceil_div(p.numel, kMaskChunk));
  for (int64_t chunk = mine.begin; chunk < mine.end; ++chunk) {
    const int64_t begin = chunk * kMaskChunk, end = smaller(p.numel, begin + kMaskChunk);
    int64_t slot = starts[chunk];
    for (int64_t i = begin; i < end; ++i) {
      if (!is_true(mask[i])) continue;
      int64_t rest = i;
      for (int d = p.ndim - 1; d > 0; --d) {
        y[d * p.found + slot] = rest % p.shape[d];
        rest /= p.shape[d];
      }
      y[slot++] = rest;
    }
  }
}

}  // namespace
DEFINE_KERNEL(mask_count, COMPARABLE)
DEFINE_KERNEL(mask_places, COMPARABLE)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
