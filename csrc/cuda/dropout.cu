// Dropout, with a byte of mask for each element: reading it back costs a backward pass less than drawing the words again.
#include "cuda/device/elementwise.cuh"
#include "cuda/device/random_words.cuh"
#include "params/random.h"

namespace tilegrad::cuda {
namespace {

// y = change(x) where an element is kept, else `dropped`. A word for each element, whatever its type: float and double
// share their masks.
template <typename T, typename Change>
__global__ void __launch_bounds__(kThreads)
    drop_elements(RandomChoice p, int64_t philox_blocks, bool aligned, const int64_t* state, const T* x, uint8_t* mask,
                  T* y, T dropped, Change change) {
  for_each_four(philox_blocks, RandomStream(state), [&](int64_t first, const uint32_t (&words)[4]) {
    const auto is_kept = [&](int k) { return static_cast<int64_t>(words[k]) < p.threshold; };
    if (aligned && first + 4 <= p.count) {
      Pack<T, 4> values = *reinterpret_cast<const Pack<T, 4>*>(x + first);
      Pack<uint8_t, 4> kept;
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        kept.at[k] = is_kept(k);
        values.at[k] = is_kept(k) ? change(values.at[k]) : dropped;
      }
      *reinterpret_cast<Pack<uint8_t, 4>*>(mask + first) = kept;
      *reinterpret_cast<Pack<T, 4>*>(y + first) = values;
    } else {
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        if (first + k >= p.count) continue;
        const T value = x[first + k];
        mask[first + k] = is_kept(k);
        y[first + k] = is_kept(k) ? change(value) : dropped;
      }
    }
  });
}

template <typename T, typename Change>
void drop(const Stream& stream, const RandomChoice& p, int64_t* state, const T* x, uint8_t* mask, T* y, double dropped,
          Change change) {
  if (p.count > 0) {
    const int64_t blocks = philox_blocks(p.count, kWordsPerTile);
    const bool aligned = is_aligned(x, 4) && is_aligned(mask, 4) && is_aligned(y, 4);
    drop_elements<<<blocks_for(blocks), kThreads, 0, stream.handle>>>(p, blocks, aligned, state, x, mask, y,
                                                                      static_cast<T>(dropped), change);
  }
  next_stream(stream, state);
}

template <typename T>
struct Scaled {
  T scale;
  __device__ __forceinline__ T operator()(T value) const { return value * scale; }
};
template <typename T>
void dropout(const Stream& stream, const Dropout& p, int64_t* state, const T* x, uint8_t* mask, T* y) {
  drop(stream, p.keep, state, x, mask, y, 0.0, Scaled<T>{static_cast<T>(p.scale)});
}

template <typename T>
struct ScaledAndShifted {
  T scale, shift;
  __device__ __forceinline__ T operator()(T value) const { return value * scale + shift; }
};
template <typename T>
void alpha_dropout(const Stream& stream, const AlphaDropout& p, int64_t* state, const T* x, uint8_t* mask, T* y) {
  drop(stream, p.keep, state, x, mask, y, p.dropped,
       ScaledAndShifted<T>{static_cast<T>(p.scale), static_cast<T>(p.shift)});
}

template <typename T>
struct ScaledWhereKept {
  T scale;
  __device__ __forceinline__ T operator()(T value, uint8_t kept) const { return kept ? value * scale : T(0); }
};
template <typename T>
void masked_scale(const Stream& stream, const MaskedScale& p, const T* x, const uint8_t* mask, T* y) {
  map(stream, p.nest, ScaledWhereKept<T>{static_cast<T>(p.scale)}, y, x, mask);
}

}  // namespace
DEFINE_KERNEL(dropout, FLOATING)
DEFINE_KERNEL(alpha_dropout, FLOATING)
DEFINE_KERNEL(masked_scale, FLOATING)
}  // namespace tilegrad::cuda
