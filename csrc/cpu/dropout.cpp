// Dropout, with a byte of mask for each element: reading it back costs a backward pass less than drawing the words
// again.
#include "cpu/elementwise.h"
#include "cpu/random_words.h"
#include "params/random.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// y = change(x) where an element is kept, else `dropped`. A word for each element, whatever its type: float and double
// share their masks.
template <typename T, typename Change>
TILEGRAD_INLINE void drop(const Team& team, const RandomChoice& p, int64_t* state, const T* x, uint8_t* mask, T* y,
                          T dropped, Change change) {
  const Stream stream = current_stream(state);
  const uint32_t last = static_cast<uint32_t>(p.threshold - 1);  // words up to it are kept, if any
  const uint8_t any = p.threshold > 0;
  const Range mine = team.share(p.count, kWordsPerTile);
  for (int64_t begin = mine.begin; begin < mine.end; begin += kWordsPerTile) {
    Words words;
    draw_tile(stream, begin / kWordsPerTile, 0, words);
    uint8_t kept[kWordsPerTile];
#pragma omp simd
    for (int i = 0; i < kWordsPerTile; ++i) kept[i] = static_cast<uint8_t>(words.at[i] <= last) & any;
    const int count = static_cast<int>(smaller<int64_t>(kWordsPerTile, mine.end - begin));
    const T* from = x + begin;
    uint8_t* keep = mask + begin;
    T* to = y + begin;
    if (count == kWordsPerTile) {
#pragma omp simd
      for (int i = 0; i < kWordsPerTile; ++i) {
        const T changed = change(from[i]);
        keep[i] = kept[i];
        to[i] = kept[i] ? changed : dropped;
      }
    } else {
      for (int i = 0; i < count; ++i) {
        keep[i] = kept[i];
        to[i] = kept[i] ? change(from[i]) : dropped;
      }
    }
  }
  next_stream(team, state);
}

template <typename T>
void dropout(const Team& team, const Dropout& p, int64_t* state, const T* x, uint8_t* mask, T* y) {
  const T scale = static_cast<T>(p.scale);
  drop(team, p.keep, state, x, mask, y, T(0), [scale](T v) { return v * scale; });
}

template <typename T>
void alpha_dropout(const Team& team, const AlphaDropout& p, int64_t* state, const T* x, uint8_t* mask, T* y) {
  const T scale = static_cast<T>(p.scale), shift = static_cast<T>(p.shift);
  drop(team, p.keep, state, x, mask, y, static_cast<T>(p.dropped), [=](T v) { return v * scale + shift; });
}

template <typename T>
void masked_scale(const Team& team, const MaskedScale& p, const T* x, const uint8_t* mask, T* y) {
  const T scale = static_cast<T>(p.scale);
  const int inner = p.nest.ndim - 1;
  const int64_t dx = p.nest.ndim ? p.nest.stride[0][inner] : 1, dm = p.nest.ndim ? p.nest.stride[1][inner] : 1,
                dy = p.nest.ndim ? p.nest.stride[2][inner] : 1;
  for_each_run(team, p.nest, [&](int64_t count, const int64_t* offsets) {
    const T* from = x + offsets[0];
    const uint8_t* keep = mask + offsets[1];
    T* to = y + offsets[2];
    if (dx == 1 && dm == 1 && dy == 1) {
#pragma omp simd
      for (int64_t i = 0; i < count; ++i) {
        const T scaled = from[i] * scale;
        to[i] = keep[i] ? scaled : T(0);
      }
    } else {
      for (int64_t i = 0; i < count; ++i) to[i * dy] = keep[i * dm] ? from[i * dx] * scale : T(0);
    }
  });
}

}  // namespace
DEFINE_KERNEL(dropout, FLOATING)
DEFINE_KERNEL(alpha_dropout, FLOATING)
DEFINE_KERNEL(masked_scale, FLOATING)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
