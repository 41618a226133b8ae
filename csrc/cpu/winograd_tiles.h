// The tiles of Winograd's algorithm over a batch of images, and their transforms to planes.
#pragma once

#include "cpu/winograd_transforms.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// Tiles of some images [N, H, W, C], in row-major order: down x across for each image, `step` pixels apart, the first
// `top` and `left` pixels outside the image. zeros is a pixel of zeros, for all that is outside.
template <typename T>
struct TiledImages {
  const T* images;
  int64_t H, W, C;
  int64_t down, across, step, top, left;
  const T* zeros;

  // Where the kSide x kSide pixels of a tile are.
  template <int kSide>
  TILEGRAD_INLINE void find(int64_t tile, const T* (&pixels)[kSide * kSide]) const {
    const int64_t row = tile / across % down * step - top, column = tile % across * step - left;
    const T* const image = images + tile / (across * down) * H * W * C;
    for (int64_t r = 0; r < kSide; ++r) {
      const bool row_exists = row + r >= 0 && row + r < H;
      const T* const first = image + ((row + r) * W + column) * C;
      for (int64_t s = 0; s < kSide; ++s) {
        const bool exists = row_exists && column + s >= 0 && column + s < W;
        pixels[r * kSide + s] = exists ? first + s * C : zeros;
      }
    }
  }
};

// Fetches pixels that are transformed soon: rows of a tile are too short for the hardware to see a stream.
template <typename T, int kCount>
TILEGRAD_INLINE void prefetch_pixels(const T* const (&pixels)[kCount], int64_t channels) {
  constexpr int64_t kLine = 64 / sizeof(T);
  for (const T* pixel : pixels) {
    for (int64_t c = 0; c < channels; c += kLine) __builtin_prefetch(pixel + c);
  }
}

// Applies `transform`, from kFrom to kTo elements, along the columns and then along the rows of the kFrom x kFrom pixels,
// in vectors of channels of which the last overlaps the one before. Element (i, j) goes to plane i * kTo + j.
template <int kFrom, int kTo, typename T, typename F>
TILEGRAD_INLINE void transform_pixels(const T* const* pixels, int64_t channels, T* planes, int64_t plane, F transform) {
  const int64_t last = channels - kLanes<T>;
  for (int64_t first = 0; first < channels; first += kLanes<T>) {
    const int64_t c = smaller(first, last);
    Vec<T> half[kTo][kFrom];
#pragma GCC unroll 6
    for (int j = 0; j < kFrom; ++j) {
      Vec<T> from[kFrom], to[kTo];
#pragma GCC unroll 6
      for (int i = 0; i < kFrom; ++i) from[i] = load(pixels[i * kFrom + j] + c);
      transform(from, to);
#pragma GCC unroll 6
      for (int i = 0; i < kTo; ++i) half[i][j] = to[i];
    }
#pragma GCC unroll 6
    for (int i = 0; i < kTo; ++i) {
      Vec<T> to[kTo];
      transform(half[i], to);
      T* const row = planes + i * kTo * plane + c;
#pragma GCC unroll 6
      for (int j = 0; j < kTo; ++j) store(row + j * plane, to[j]);
    }
  }
}

// v = B^T d B of a tile's inputs.
template <typename T, int kTile>
[[gnu::noinline]] void transform_input(const T* const* pixels, int64_t channels, T* v, int64_t plane) {
  transform_pixels<kTile + 2, kTile + 2>(pixels, channels, v, plane,
                                         [](const auto& d, auto& to) { Transform<T, kTile>::input(d, to); });
}

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
