// The tiles of Winograd's algorithm over a batch of images, and their transforms to planes.
#pragma once

#include "cpu/prefetch.h"
#include "cpu/winograd_transforms.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// The pixels of a tile that lies inside its image: no table is needed, and most tiles are of this kind.
template <typename T>
struct WholeTile {
  const T* first;
  int64_t line, C;
  TILEGRAD_INLINE const T* at(int row, int column) const { return first + row * line + column * C; }
};

// The pixels of a tile of which some lie outside the image.
template <typename T, int kSide>
struct CutTile {
  const T* pixels[kSide * kSide];
  TILEGRAD_INLINE const T* at(int row, int column) const { return pixels[row * kSide + column]; }
};

// A tile's place among down x across for each image, in row-major order.
struct TileWalk {
  int64_t image, row, column;
  int64_t down, across;
  TILEGRAD_INLINE TileWalk(int64_t tile, int64_t down, int64_t across)
      : image(tile / (down * across)), row(tile / across % down), column(tile % across), down(down), across(across) {}
  TILEGRAD_INLINE void next() {
    if (++column < across) return;
    column = 0;
    if (++row == down) row = 0, ++image;
  }
};

// Tiles of some images [N, H, W, C], in row-major order: down x across for each image, `step` pixels apart, the first
// `top` and `left` pixels outside the image. zeros is a pixel of zeros, for all that is outside.
template <typename T>
struct TiledImages {
  const T* images;
  int64_t H, W, C;
  int64_t down, across, step, top, left;
  const T* zeros;

  // Calls f(the pixels of a tile), a WholeTile or a CutTile of kSide x kSide pixels.
  template <int kSide, typename F>
  TILEGRAD_INLINE void with_tile(const TileWalk& tile, F f) const {
    const int64_t row = tile.row * step - top, column = tile.column * step - left;
    const T* const first = images + ((tile.image * H + row) * W + column) * C;
    if (row >= 0 && row + kSide <= H && column >= 0 && column + kSide <= W) return f(WholeTile<T>{first, W * C, C});
    CutTile<T, kSide> cut;
    bool exists[kSide];
    for (int s = 0; s < kSide; ++s) exists[s] = column + s >= 0 && column + s < W;
#pragma GCC unroll 6
    for (int r = 0; r < kSide; ++r) {
      const bool row_exists = row + r >= 0 && row + r < H;
      const T* const line = row_exists ? first + r * W * C : zeros;
      const int64_t step_to_next = row_exists ? C : 0;
#pragma GCC unroll 6
      for (int s = 0; s < kSide; ++s) cut.pixels[r * kSide + s] = exists[s] ? line + s * step_to_next : zeros;
    }
    f(cut);
  }

  // The lines of images that tiles [begin, end) are made of, but for those that they share with the tiles above and below.
  TILEGRAD_INLINE LinesAhead lines_ahead(int64_t begin, int64_t end, int64_t parts) const {
    const auto line = [&](int64_t row) { return row / down * H + smaller(row % down * step, H); };  // of a row of tiles
    const int64_t first = line(begin / across), last = line(ceil_div(end, across));
    return LinesAhead::of(images + first * W * C, images + last * W * C, parts);
  }
};

// Applies `transform`, from kFrom to kTo elements, along the columns and then along the rows of the kFrom x kFrom pixels,
// in vectors of channels of which the last overlaps the one before. Element (i, j) goes to `to` + place(i, j).
template <int kFrom, int kTo, typename T, typename Pixels, typename F, typename Place>
TILEGRAD_INLINE void transform_pixels(const Pixels& pixels, int64_t channels, T* to, F transform, Place place) {
  const int64_t last = channels - kLanes<T>;
  for (int64_t first = 0; first < channels; first += kLanes<T>) {
    const int64_t c = smaller(first, last);
    Vec<T> half[kTo][kFrom];
#pragma GCC unroll 6
    for (int j = 0; j < kFrom; ++j) {
      Vec<T> from[kFrom], column[kTo];
#pragma GCC unroll 6
      for (int i = 0; i < kFrom; ++i) from[i] = load(pixels.at(i, j) + c);
      transform(from, column);
#pragma GCC unroll 6
      for (int i = 0; i < kTo; ++i) half[i][j] = column[i];
    }
#pragma GCC unroll 6
    for (int i = 0; i < kTo; ++i) {
      Vec<T> row[kTo];
      transform(half[i], row);
#pragma GCC unroll 6
      for (int j = 0; j < kTo; ++j) store(to + place(i, j) + c, row[j]);
    }
  }
}

// v = B^T d B of a tile's inputs.
template <typename T, int kTile, int kStep, typename Pixels>
[[gnu::noinline]] void transform_input(const Pixels& pixels, int64_t channels, T* v, int64_t plane, int64_t swapped) {
  constexpr WinogradAxis axis = winograd_axis(kTile, kStep);
  const LaneMask<T> is_swapped = broadcast(static_cast<T>(swapped)) > Vec<T>{};
  transform_pixels<axis.inputs, axis.parts>(
      pixels, channels, v,
      [&](const auto& d, auto& to) __attribute__((always_inline)) {
        if constexpr (kStep < kTile) {
          Transform<T, kTile, kStep>::input(d, to, is_swapped);
        } else {
          Transform<T, kTile, kStep>::input(d, to);
        }
      },
      [&](int i, int j) __attribute__((always_inline)) { return winograd_place(axis, i, j, plane, channels); });
}

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
