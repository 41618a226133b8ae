// Sizes of a 3x3 convolution by Winograd's algorithm, and where things lie in its operands and workspace: what csrc/ops and
// the kernels of every ISA must agree on.
//
// Both passes take the same kernels. "x" is what a pass reads, [N, H, W, C], and "y" what it writes, [N, P, Q, K]:
// forward x and y; backward-data dy and dx, with the filter turned and its channels swapped. Groups are convolutions of
// their own: C and K are the channels of one, and pixels of x and y are `groups` times as many elements apart.
#pragma once

#include <cstdint>

#include "core/team.h"
#include "params/contraction.h"
#include "params/gemm.h"
#include "params/stencil.h"

namespace tilegrad {

// Along one axis, tiles of `tile` outputs are `step` inputs apart and see `inputs` of them. Inputs and weights are
// transformed to `parts`, which are multiplied one by one and make up `planes` sums, from which the outputs come.
//
// Stride 1: F(m, 3), m = 2 or 4, has a plane for each of m + 2 parts. Stride 2: two outputs see the taps 0 and 2 as F(2, 2)
// over every other input, parts 0, 2 and 3, and tap 1 alone over the inputs between, parts 1 and 4. The first and the last
// of F(2, 2)'s three products go into one output each, which are those of the two lone ones: so they share a plane. The
// gradient of its input is what has stride 1/2: of four neighbours two are F(2, 2) of three inputs, parts 0 to 2, and two
// between them, parts 3 and 4, see one input by one tap; none share a plane.
struct WinogradAxis {
  int inputs, outputs, parts, planes;
  bool strided;

  TILEGRAD_INLINE constexpr int plane(int part) const { return strided ? (part + part / 3) / 2 : part; }
  TILEGRAD_INLINE constexpr int index(int part) const { return strided && part % 3 == 1; }         // in its plane
  TILEGRAD_INLINE constexpr int length(int plane) const { return strided && plane != 1 ? 2 : 1; }  // parts of it
  // The same of plane (row, column), number row * planes + column.
  TILEGRAD_INLINE constexpr int64_t parts_of(int64_t number) const {
    return length(static_cast<int>(number / planes)) * length(static_cast<int>(number % planes));
  }
};

TILEGRAD_INLINE constexpr WinogradAxis winograd_axis(int64_t tile, int64_t step) {
  const int outputs = static_cast<int>(tile);
  if (step > tile) return {5, outputs, 5, 3, true};
  if (step < tile) return {3, outputs, 5, 5, false};
  return {outputs + 2, outputs, outputs + 2, outputs + 2, false};
}

// In two dimensions: so many planes, of so many parts at most.
TILEGRAD_INLINE constexpr int64_t winograd_planes(int64_t tile, int64_t step) {
  const int64_t planes = winograd_axis(tile, step).planes;
  return planes * planes;
}
TILEGRAD_INLINE constexpr int64_t winograd_multiplications(int64_t tile, int64_t step) {
  const int64_t parts = winograd_axis(tile, step).parts;
  return parts * parts;
}
TILEGRAD_INLINE constexpr int64_t winograd_most_parts(int64_t tile, int64_t step) { return step > tile ? 4 : 1; }

// Where part (i, j) of two axes begins, if planes are `plane` elements apart and the parts of one `part`.
TILEGRAD_INLINE constexpr int64_t winograd_place(WinogradAxis axis, int i, int j, int64_t plane, int64_t part) {
  return (axis.plane(i) * axis.planes + axis.plane(j)) * plane +
         (axis.index(i) * axis.length(axis.plane(j)) + axis.index(j)) * part;
}

// The transformed weights u: [plane][panel of columns][part][channel][column of the panel], with room for as many parts in
// every plane. Panels are kWinogradPanel columns wide, the last one round_up(rest, kWinogradColumns), zeros behind its end.
// No width here depends on the ISA, so that transformed weights could be kept and used by any.
inline constexpr int64_t kWinogradPanel = 32;
inline constexpr int64_t kWinogradColumns = 16;

// Elements between planes that would otherwise start at the same place of the L1 cache.
inline constexpr int64_t kPlaneGap = 16;

TILEGRAD_INLINE constexpr int64_t winograd_columns(int64_t K) {
  return (K + kWinogradColumns - 1) / kWinogradColumns * kWinogradColumns;
}
TILEGRAD_INLINE constexpr int64_t winograd_weights_plane(int64_t C, int64_t K) {
  return C * winograd_columns(K) + kPlaneGap;
}

// Those of one group; the next group's follow.
TILEGRAD_INLINE constexpr int64_t winograd_weights_group(int64_t tile, int64_t step, int64_t C, int64_t K) {
  return winograd_planes(tile, step) * winograd_weights_plane(winograd_most_parts(tile, step) * C, K);
}

// Element (group, tap, channel, column) of the weights is at first + group * group_step + tap * tap_step + channel *
// channel_step + column * column_step.
struct WinogradWeights {
  int64_t groups, C, K;
  int64_t first, group_step, tap_step, channel_step, column_step;
  int64_t tile, step;

  TILEGRAD_INLINE int64_t panel_channels() const { return winograd_most_parts(tile, step) * C; }
};

struct Winograd {
  int64_t N, H, W, C;
  int64_t P, Q, K;
  int64_t groups;
  int64_t pad_top, pad_left;  // of x; negative if its first rows or columns are not seen
  int64_t swapped;            // stride 1/2: 1 if a tile's first row and column are of those that see one input, else 0
  int64_t tile, step;
  Activation activation;

  // How the tiles are shared out; no result depends on it. csrc/ops chooses, because the workspace depends on it.
  int64_t block;    // tiles that are transformed, multiplied and transformed back at once
  int64_t members;  // members of the team that work on blocks of their own; 0: all work on each block together

  TILEGRAD_INLINE int64_t tile_rows() const { return (P + tile - 1) / tile; }
  TILEGRAD_INLINE int64_t tile_columns() const { return (Q + tile - 1) / tile; }
  TILEGRAD_INLINE int64_t tiles() const { return N * tile_rows() * tile_columns(); }
  TILEGRAD_INLINE int64_t planes() const { return winograd_planes(tile, step); }
  TILEGRAD_INLINE int64_t most_channels() const { return winograd_most_parts(tile, step) * C; }  // of a plane
};

// The workspace of one block, in elements: transformed inputs v, [plane][tile][part][channel], products m,
// [plane][tile][column], and a pixel of zeros that stands for all pixels outside the image.
struct WinogradWorkspace {
  int64_t v_row, v_plane, m_row, m_plane;
  int64_t v, m, zeros, end;
};

// Rows whose distance is a multiple of 1 KB would share few places of the L1 cache.
TILEGRAD_INLINE constexpr int64_t winograd_row(int64_t elements, int64_t item_size) {
  const int64_t row = winograd_columns(elements);
  return row * item_size % 1024 == 0 ? row + kPlaneGap : row;
}

TILEGRAD_INLINE WinogradWorkspace winograd_workspace(const Winograd& p, int64_t item_size) {
  const int64_t rows = p.block + 1;  // register tiles have an even number of rows
  WinogradWorkspace at;
  at.v_row = winograd_row(p.most_channels(), item_size);
  at.m_row = winograd_row(p.K, item_size);
  at.v_plane = rows * at.v_row + kPlaneGap;
  at.m_plane = rows * at.m_row + kPlaneGap;
  at.v = 0;
  at.m = at.v + p.planes() * at.v_plane;
  at.zeros = at.m + p.planes() * at.m_plane;
  at.end = at.zeros + winograd_columns(p.C) + kApart / item_size;
  return at;
}

// The workspace of the weights' gradient, in elements: sums over the tiles of a chunk, [group][plane][part][channel][column]; for each
// member that works alone the transformed inputs v and gradients d of a block; and a pixel of zeros.
struct WinogradSums {
  int64_t v_row, v_plane, d_row, d_plane, sum_row, sum_plane, sum_group;
  int64_t sums, chunk_sums, blocks, zeros, end;
  int64_t d, block;  // in a member's part, which starts with v
};

TILEGRAD_INLINE WinogradSums winograd_sums(const Winograd& p, int64_t item_size) {
  const int64_t planes = p.planes(), tiles = p.tiles(), chunk = contraction_chunk(tiles);
  const int64_t chunks = (tiles + chunk - 1) / chunk;
  WinogradSums at;
  at.v_row = winograd_row(p.most_channels(), item_size);
  at.d_row = winograd_row(p.K, item_size);
  at.sum_row = winograd_row(p.K, item_size);
  at.v_plane = p.block * at.v_row + kPlaneGap;
  at.d_plane = p.block * at.d_row + kPlaneGap;
  at.sum_plane = (p.most_channels() + 1) * at.sum_row + kPlaneGap;  // register tiles have an even number of rows
  at.d = planes * at.v_plane;
  at.block = at.d + planes * at.d_plane + kApart / item_size;
  at.sum_group = planes * at.sum_plane;
  at.chunk_sums = p.groups * at.sum_group;
  at.sums = 0;
  // Members that work alone keep every chunk's sums; together, a chunk's sums are added to the first's at once.
  at.blocks = at.sums + (p.members > 0 || chunks == 1 ? chunks : 2) * at.chunk_sums;
  at.zeros = at.blocks + (p.members > 0 ? p.members : 1) * at.block;
  at.end = at.zeros + winograd_columns(p.C > p.K ? p.C : p.K);
  return at;
}

}  // namespace tilegrad
