// How rows of an image come into the rings of depthwise convolution (stencil_depthwise.h, weights_depthwise.h) and into windows of
// some channels (weights_blocks.h).
#pragma once

#include "cpu/prefetch.h"
#include "cpu/vec.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// Lines that come next are fetched ahead if so many elements are read and written: half of the last-level cache on the
// machines of bench/, or `bytes`. What is in that cache comes early enough, and then every prefetch is one load more.
template <typename T>
TILEGRAD_INLINE bool fetched_ahead(int64_t elements, int64_t bytes = int64_t{16} << 20) {
  return elements * static_cast<int64_t>(sizeof(T)) >= bytes;
}

// `channels` channels of `columns` pixels, from `column` on, of a row of `size` pixels at a distance of `pixel` elements:
// zeros where that is beside the row. The line `ahead` elements behind each is prefetched if that is not 0.
template <typename T>
[[gnu::noinline]] void fill_ring_row(const T* row, int64_t size, int64_t pixel, int64_t column, int64_t channels, T* to,
                                     int64_t columns, int64_t width, int64_t ahead = 0) {
  constexpr int64_t L = kLanes<T>;
  const int64_t left = smaller(larger<int64_t>(-column, 0), columns);
  const int64_t inside = larger<int64_t>(smaller(size - column, columns) - left, 0);
  T* const line = to;
  for (int64_t i = 0; i < left * width; ++i) to[i] = 0;
  to += left * width;
  const T* from = row + (column + left) * pixel;
  const int64_t right = (columns - left - inside) * width;
  int64_t pieces = inside;
  if (channels == pixel && channels == width) channels *= inside, pieces = inside > 0;  // pixels touch
  for (int64_t i = 0; i < pieces; ++i, from += pixel, to += width) {
    int64_t c = 0;
    for (; c + 2 * L <= channels; c += 2 * L) {
      const Vec<T> first = load(from + c), second = load(from + c + L);
      if (ahead) prefetch(from + c + ahead), prefetch(from + c + L + ahead);
      store(to + c, first);
      store(to + c + L, second);
    }
    for (; c < channels; c += L) store(to + c, load_partial(from + c, channels - c));
  }
  to = line + (left + inside) * width;
  for (int64_t i = 0; i < right; ++i) to[i] = 0;
}

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
