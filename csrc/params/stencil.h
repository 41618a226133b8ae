// A stencil: what a convolution's forward pass and its gradient with respect to the input have in common. Every output
// pixel is a sum over taps (r, s) of one input pixel times one matrix. Output row h meets at tap r the input row
//
//     (h * scale + r * dilation + origin) / period        if that is whole (and likewise for columns)
//
// Forward: scale = stride, origin = -padding, period = 1. Gradient with respect to the input: the input is dy, the taps
// are those of the filter turned by half a turn, scale = 1, origin = padding - (R - 1) * dilation, period = stride. So
// outputs whose row leaves the same remainder h % period use the same taps, and form a class.
#pragma once

#include "core/team.h"
#include "params/contraction.h"
#include "params/conv2d.h"

namespace tilegrad {

TILEGRAD_INLINE constexpr int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

struct StencilAxis {
  int64_t in, out, taps;
  int64_t scale, dilation, origin, period;

  // The first input position that outputs from `first` on (a multiple of period) can meet.
  TILEGRAD_INLINE int64_t begin(int64_t first) const { return first / period * scale + floor_div(origin, period); }
  // How many input positions `count` outputs, the first a multiple of period, can meet.
  TILEGRAD_INLINE int64_t extent(int64_t count) const {
    return floor_div((count - 1) * scale + (taps - 1) * dilation + origin, period) - floor_div(origin, period) + 1;
  }
  // Whether no output meets a position outside the input.
  TILEGRAD_INLINE bool inside() const { return begin(0) >= 0 && begin(0) + extent(out) <= in; }
  // Where the outputs of class `residue` meet tap `tap`, counted from begin(); -1 if they do not.
  TILEGRAD_INLINE int64_t tap_position(int64_t residue, int64_t tap) const {
    const int64_t numerator = residue * scale + tap * dilation + origin;
    const int64_t quotient = floor_div(numerator, period);
    return quotient * period == numerator ? quotient - floor_div(origin, period) : -1;
  }
  TILEGRAD_INLINE int64_t classes() const { return period < out ? period : out; }
  // Consecutive outputs of one class are this many input positions apart.
  TILEGRAD_INLINE int64_t step() const { return period == 1 ? scale : 1; }
};

struct Stencil {
  StencilAxis row, column;
  int64_t N, in_channels, out_channels, groups;
  int64_t group_in, group_out;  // channels of one group
  bool channelwise;             // depthwise: every output channel sees its own input channel and no other
  bool backward;

  // Terms of one output's sum.
  TILEGRAD_INLINE int64_t terms() const { return row.taps * column.taps * group_in; }
};

TILEGRAD_INLINE Stencil forward_stencil(const Conv2d& p) {
  return {{p.H, p.P, p.R, p.stride_h, p.dilation_h, -p.pad_top, 1},
          {p.W, p.Q, p.S, p.stride_w, p.dilation_w, -p.pad_left, 1},
          p.N,
          p.C,
          p.K,
          p.groups,
          p.C / p.groups,
          p.K / p.groups,
          p.groups > 1 && p.groups == p.C && p.groups == p.K,
          false};
}

TILEGRAD_INLINE Stencil backward_stencil(const Conv2d& p) {
  return {{p.P, p.H, p.R, 1, p.dilation_h, p.pad_top - (p.R - 1) * p.dilation_h, p.stride_h},
          {p.Q, p.W, p.S, 1, p.dilation_w, p.pad_left - (p.S - 1) * p.dilation_w, p.stride_w},
          p.N,
          p.K,
          p.C,
          p.groups,
          p.K / p.groups,
          p.C / p.groups,
          p.groups > 1 && p.groups == p.C && p.groups == p.K,
          true};
}

// Rounded up to whole cache lines.
TILEGRAD_INLINE constexpr int64_t whole_lines(int64_t bytes) { return (bytes + 63) / 64 * 64; }

// Where things lie in the workspace of a stencil kernel, in bytes. The packed weights have room for panels of any ISA's
// width.
struct StencilWorkspace {
  int64_t offsets, weights, windows, end;
};

inline constexpr int64_t kWidestPanel = 64;

TILEGRAD_INLINE StencilWorkspace stencil_workspace(const Stencil& s, const ConvPlan& plan, int64_t item_size) {
  const int64_t terms = s.channelwise ? s.row.taps * s.column.taps : s.terms();
  const int64_t columns = s.channelwise ? s.out_channels : s.group_out;
  const int64_t panels = (columns + kWidestPanel - 1) / kWidestPanel * (s.channelwise ? 1 : s.groups);
  StencilWorkspace at;
  at.offsets = 0;
  at.weights = whole_lines(terms * static_cast<int64_t>(sizeof(int64_t)));
  at.windows = at.weights + whole_lines(terms * panels * kWidestPanel * item_size);
  at.end = at.windows + plan.members * whole_lines(plan.window * item_size);
  return at;
}

// Depthwise filters of up to so many taps have kernels of their own (cpu/stencil_depthwise.h), most in a ring of rows of some
// channels; larger ones run as other stencils do. A chunk of a contraction holds all of them.
inline constexpr int kDepthwiseTaps = 256;

TILEGRAD_INLINE bool runs_depthwise(const Stencil& s) { return s.channelwise && s.terms() <= kDepthwiseTaps; }

// Whether x is read where it lies instead: with few uses of every element, moving it once more costs more than it saves.
TILEGRAD_INLINE bool reads_without_ring(const Stencil& s, int64_t item_size) {
  return s.row.period == 1 && s.column.period == 1 && s.terms() < 4 * s.row.scale * s.column.scale &&
         s.in_channels * item_size % 64 == 0;
}

// Whether output rows are taken two at a time where registers hold the weights of all taps.
TILEGRAD_INLINE bool runs_in_pairs(const Stencil& s) {
  const auto fits = [](const StencilAxis& axis) {
    return axis.taps == 3 && axis.dilation == 1 && axis.scale == 1 && axis.period == 1;
  };
  return fits(s.row) && fits(s.column);
}

// The ring of a member: `rows` x `columns` pixels of `width` channels. It takes plan.columns output columns at a time, and
// the channels in plan.parts parts of whole cache lines.
struct DepthwiseRing {
  int64_t rows, columns, width;
};

TILEGRAD_INLINE DepthwiseRing depthwise_ring(const Stencil& s, const ConvPlan& plan, int64_t item_size) {
  const int64_t line = 64 / item_size, share = (s.in_channels + plan.parts - 1) / plan.parts;
  const int64_t rows = s.row.extent(s.row.classes());
  return {rows < s.row.in ? rows : (s.row.in > 0 ? s.row.in : 1), s.column.extent(plan.columns),
          (share + line - 1) / line * line};
}

// Members that write to the same few KB make each other's prefetches wait: of depthwise 3x3 at 7 x 7 two took as long as one.
inline constexpr int64_t kApart = 64 * 1024;

// Elements of a member's own part: weights and bias of a part of the channels, and the ring, with room behind it for
// pixels of a tile that are computed and not stored. Two output rows at a time meet four, or need the weights of all
// channels.
TILEGRAD_INLINE int64_t depthwise_elements(const Stencil& s, const DepthwiseRing& ring, int64_t item_size) {
  const bool pairs = runs_in_pairs(s);
  const int64_t taps = s.row.taps * s.column.taps;
  const int64_t pixels = taps + 1 + (pairs ? 4 : ring.rows) * ring.columns + 8 * s.column.step();
  const int64_t in_ring = pixels * ring.width, in_place = pairs ? (s.in_channels * taps + 15) / 16 * 16 : 0;
  return (in_ring > in_place ? in_ring : in_place) + kApart / item_size;
}

// Where things lie for kernels whose lanes run along images: kBatchLanes of them, the lanes of the widest vector of float32.
// per_member is the size of a member's part, block where its output begins in it.
struct BatchWorkspace {
  int64_t offsets, weights, members, per_member, block, end;
};

inline constexpr int64_t kBatchLanes = 16;

TILEGRAD_INLINE BatchWorkspace batch_workspace(const Stencil& s, const ConvPlan& plan, int64_t item_size) {
  BatchWorkspace at;
  at.offsets = 0;
  at.weights = whole_lines(s.terms() * static_cast<int64_t>(sizeof(int64_t)));
  at.members = at.weights + whole_lines(s.terms() * s.out_channels * item_size);
  at.block = whole_lines(plan.window * item_size);
  at.per_member = at.block + whole_lines(plan.block * item_size);
  at.end = at.members + plan.members * at.per_member;
  return at;
}

// The ring of depthwise backward-weights: it serves `together` output rows at a time, or one pixel beside the image where x is
// read in place.
struct DepthwiseWeightsRing {
  int64_t rows, columns, width, together;
};

inline constexpr int64_t kMostPixelRuns = 16;  // at a time

// plan.together output rows at a time, plan.block channels.
TILEGRAD_INLINE DepthwiseWeightsRing depthwise_weights_ring(const Conv2d& p, const Stencil& s, int64_t item_size) {
  if (reads_without_ring(s, item_size)) return {p.R, s.column.extent(1), p.C, 1};
  const int64_t rows = s.row.extent(p.plan.together);
  return {rows < p.H ? rows : (p.H > 0 ? p.H : 1), s.column.extent(p.Q), p.plan.block, p.plan.together};
}

// Elements of a member's own part: the sums, a row of zeros, the ring, and dy's pixels where these are no whole vectors.
TILEGRAD_INLINE int64_t depthwise_weights_elements(const Conv2d& p, const Stencil& s, const DepthwiseWeightsRing& ring,
                                                   int64_t item_size) {
  const bool whole = p.C * item_size % 64 == 0;
  const int64_t pixels =
      p.R * p.S + s.column.extent(p.Q) + ring.rows * ring.columns + (whole ? 0 : ring.together * p.Q);
  return pixels * ring.width + kApart / item_size;
}

// How wide panels of lanes along runs of dw are at most.
inline constexpr int64_t kSpreadBytes = 128;

// What backward-weights keeps in its workspace, in bytes; a block is plan.band pixels.
struct WeightsWorkspace {
  int64_t partials, members, end;
  int64_t k_offsets, panel, line, window, sums, places, per_member;  // counted from the member's own part
};

TILEGRAD_INLINE WeightsWorkspace weights_workspace(const Conv2d& p, int64_t item_size) {
  WeightsWorkspace at;
  at.k_offsets = 0;
  at.panel = whole_lines(p.plan.band * static_cast<int64_t>(sizeof(int64_t)));
  at.line = at.panel + whole_lines(p.plan.band * kWidestPanel * item_size);
  at.window = at.line + whole_lines(p.plan.block * item_size);
  at.sums = at.window + whole_lines(p.plan.window * item_size);
  const bool spread = p.plan.block && !runs_depthwise(forward_stencil(p));
  const int64_t lanes = spread ? p.R * p.S * (p.C / p.groups * p.K + kWidestPanel) : 0;
  at.places = at.sums + whole_lines(lanes * item_size);
  at.per_member = at.places + lanes * 64;  // at least sizeof(PanelPlaces) per panel of any ISA
  at.partials = 0;
  at.members = whole_lines(p.plan.partials * p.R * p.S * (p.C / p.groups) * p.K * item_size);
  at.end = at.members + p.plan.members * at.per_member;
  return at;
}

// Backward-weights with lanes along runs of dw (cpu/weights_spread.h): whether a run is all (s, c, k) of a filter row, which
// are neighbours in x, or all (c, k) of a tap.
TILEGRAD_INLINE bool spreads_rows(const Conv2d& p) { return p.groups == 1 && p.dilation_w == 1; }

// What its ring of rows may take of the L1 cache.
inline constexpr int64_t kSpreadWindowBytes = 24 * 1024;

// Whether lanes of backward-weights run along dw rather than output channels, where vectors have so many. In multiply-adds of
// vectors a pixel: along channels, each group's need whole vectors; along dw, x and dy must be spread, at the cost of about 4
// multiply-adds for every vector of an input pixel and 2 of an output pixel (measured in bench/conv2d.py).
TILEGRAD_INLINE bool runs_along_weights(const Conv2d& p, int64_t lanes) {
  const auto vectors = [&](int64_t count) { return (count + lanes - 1) / lanes; };
  const int64_t filter = p.R * p.S * (p.C / p.groups), taps = spreads_rows(p) ? p.R : p.R * p.S;
  const int64_t seen = p.stride_h * (spreads_rows(p) ? 1 : p.stride_w);
  const int64_t along_channels = p.groups * filter * vectors(p.K / p.groups);
  return 10 * vectors(filter * p.K / taps) * (taps + 4 * seen + 2) < 12 * along_channels;
}

}  // namespace tilegrad
