// Where the pixels of an augmented image come from: the maps of its geometric steps, folded where no border lies between.
#pragma once

#include "formulas/arithmetic.h"
#include "formulas/augment_draws.h"
#include "formulas/exponential.h"
#include "formulas/logarithm.h"
#include "formulas/trigonometric.h"

namespace tilegrad::formulas {
namespace {

struct Position {
  double row, column;
};

// row = rr * row + rc * column + r0, and column alike.
struct AffineMap {
  double rr, rc, r0, cr, cc, c0;
};

TILEGRAD_FORMULA AffineMap same_place() { return {1, 0, 0, 0, 1, 0}; }

TILEGRAD_FORMULA Position apply(const AffineMap& m, Position at) {
  return {(m.rr * at.row + m.rc * at.column) + m.r0, (m.cr * at.row + m.cc * at.column) + m.c0};
}

// First `inner`, then `outer`.
TILEGRAD_FORMULA AffineMap compose(const AffineMap& outer, const AffineMap& inner) {
  return {outer.rr * inner.rr + outer.rc * inner.cr,
          outer.rr * inner.rc + outer.rc * inner.cc,
          (outer.rr * inner.r0 + outer.rc * inner.c0) + outer.r0,
          outer.cr * inner.rr + outer.cc * inner.cr,
          outer.cr * inner.rc + outer.cc * inner.cc,
          (outer.cr * inner.r0 + outer.cc * inner.c0) + outer.c0};
}

// A map into an image of H x W, and what is done with positions outside of it.
struct Stage {
  AffineMap map;
  int64_t H, W;
  AugmentBorder border;
  bool nearest;
  float fill;
};

inline constexpr int kInside = kMaxAugmentSteps + 1;

struct Path {
  Stage stages[kMaxAugmentSteps + 1];  // from the output back to the input
  int count;
  bool separable;  // rows come from rows and columns from columns
};

TILEGRAD_FORMULA double radians(double degrees) { return degrees * 0x1.1df46a2529d39p-6; }
TILEGRAD_APART double sine(double angle) { return sin_within(angle); }
TILEGRAD_APART double cosine(double angle) { return cos_within(angle); }

// p' = centre + shift + factor R S (p - centre), inverted: R turns counter-clockwise as one sees it, with rows downwards; S
// shears rows along columns, then columns along rows.
TILEGRAD_APART AffineMap affine_map(const AugmentStep& step, const Draws& draws, int64_t H, int64_t W) {
  const double* const v = step.values;
  const double angle = radians(draws.between(0, v));
  const double rows = draws.between(1, v + 2), columns = draws.between(2, v + 4), factor = draws.between(3, v + 6);
  const double along = radians(draws.between(4, v + 8)), down = radians(draws.between(5, v + 10));
  const double turn_x = cosine(angle), turn_y = sine(angle);
  const double shear_x = -(sine(along) / cosine(along));
  const double shear_y = -(sine(down) / cosine(down));
  // factor R S = [xx xy; yx yy] on (column, row); both R and S have determinant 1.
  const double xx = factor * (turn_x + turn_y * shear_y);
  const double xy = factor * (turn_x * shear_x + turn_y * (1 + shear_x * shear_y));
  const double yx = factor * (turn_x * shear_y - turn_y);
  const double yy = factor * (turn_x * (1 + shear_x * shear_y) - turn_y * shear_x);
  const double square = factor * factor;
  AffineMap map = {xx / square, -yx / square, 0, -xy / square, yy / square, 0};
  const double row = static_cast<double>(H - 1) * 0.5, column = static_cast<double>(W - 1) * 0.5;
  map.r0 = row - (map.rr * (row + rows) + map.rc * (column + columns));
  map.c0 = column - (map.cr * (row + rows) + map.cc * (column + columns));
  return map;
}

// A box of `box` pixels from `first` on, in `out` pixels.
TILEGRAD_FORMULA void stretch(double first, double box, int64_t out, double& factor, double& offset) {
  factor = box / static_cast<double>(out);
  offset = (first + 0.5 * factor) - 0.5;
}

TILEGRAD_FORMULA AffineMap resized(double row, double column, double height, double width, const AugmentStep& step) {
  AffineMap map = same_place();
  stretch(row, height, step.rows, map.rr, map.r0);
  stretch(column, width, step.columns, map.cc, map.c0);
  return map;
}

// A box of a share of the area and a ratio of width to height, whose logarithm is uniform; where ten draws do not fit, the
// largest box in the middle whose ratio is allowed.
TILEGRAD_APART AffineMap resized_crop_map(const AugmentStep& step, const Draws& draws, int64_t H, int64_t W) {
  const double* const v = step.values;
  const double rows = static_cast<double>(H), columns = static_cast<double>(W);
  const double ratios[2] = {log(v[2]), log(v[3])};
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double area = draws.between(4 * attempt, v) * (rows * columns);
    const double ratio = exp(draws.between(4 * attempt + 1, ratios));
    const double width = round(square_root(area * ratio));
    const double height = round(square_root(area / ratio));
    if (!(width >= 1 && width <= columns && height >= 1 && height <= rows)) continue;
    const double row = static_cast<double>(draws.whole(4 * attempt + 2, 0, H - static_cast<int64_t>(height)));
    const double column = static_cast<double>(draws.whole(4 * attempt + 3, 0, W - static_cast<int64_t>(width)));
    return resized(row, column, height, width, step);
  }
  double width = columns, height = rows;
  if (columns / rows < v[2]) height = round(columns / v[2]);
  if (columns / rows > v[3]) width = round(rows * v[3]);
  height = height > 1 ? height : 1.0;
  width = width > 1 ? width : 1.0;
  return resized(floor((rows - height) * 0.5), floor((columns - width) * 0.5), height, width, step);
}

TILEGRAD_FORMULA AffineMap map_of(const AugmentStep& step, const Draws& draws, int64_t H, int64_t W) {
  AffineMap map = same_place();
  const double* const v = step.values;
  switch (step.kind) {
    case AugmentKind::crop:
      map.r0 = static_cast<double>(draws.whole(0, static_cast<int64_t>(v[0]), static_cast<int64_t>(v[1])));
      map.c0 = static_cast<double>(draws.whole(1, static_cast<int64_t>(v[2]), static_cast<int64_t>(v[3])));
      return map;
    case AugmentKind::flip:
      if (v[0] == 0) {
        map.rr = -1;
        map.r0 = static_cast<double>(H - 1);
      } else {
        map.cc = -1;
        map.c0 = static_cast<double>(W - 1);
      }
      return map;
    case AugmentKind::affine:
      return affine_map(step, draws, H, W);
    case AugmentKind::resize:
      return resized(0, 0, static_cast<double>(H), static_cast<double>(W), step);
    case AugmentKind::resized_crop:
      return resized_crop_map(step, draws, H, W);
    default:
      return map;
  }
}

TILEGRAD_FORMULA bool is_geometric(AugmentKind kind) { return kind <= AugmentKind::resized_crop; }

// The path of one sample.
TILEGRAD_APART void find_path(const Augment& p, const int64_t* key, int64_t sample, Path& path) {
  path.count = 0;
  path.separable = true;
  AffineMap map = same_place();
  for (int s = p.count - 1; s >= 0; --s) {
    const AugmentStep& step = p.steps[s];
    if (!is_geometric(step.kind)) continue;
    const Draws draws = draws_of(key, sample, step);
    if (!is_taken(step, draws)) continue;
    const int64_t H = s == 0 ? p.H : p.steps[s - 1].rows, W = s == 0 ? p.W : p.steps[s - 1].columns;
    const AffineMap own = map_of(step, draws, H, W);
    map = compose(own, map);
    path.separable &= own.rc == 0 && own.cr == 0;
    if (step.border == AugmentBorder::none && !step.nearest) continue;
    path.stages[path.count++] = {map, H, W, step.border, step.nearest, step.fill};
    map = same_place();
  }
  path.stages[path.count++] = {map, p.H, p.W, AugmentBorder::edge, false, 0.0f};
}

// Two pixels are equally near where rounding would decide: then it is the second one.
inline constexpr double kTie = 0x1p-20;

// Brings a coordinate into [0, size - 1]; false: it is outside.
TILEGRAD_FORMULA bool resolve(double& at, int64_t size, const Stage& stage) {
  const double last = static_cast<double>(size - 1);
  if (stage.nearest) at = floor(at + (0.5 + kTie));
  if (stage.border == AugmentBorder::none) return true;
  if (stage.border == AugmentBorder::fill && !(at >= -0.5 && at < last + 0.5)) return false;
  if (stage.border == AugmentBorder::reflect && !(at >= 0 && at <= last)) {
    const double period = 2 * last;
    if (last == 0) {
      at = 0;
    } else {
      at = magnitude(at);
      at = at - period * floor(at / period);
      at = at > last ? period - at : at;
    }
  }
  at = at > 0 ? at : 0.0;  // also NaN
  at = at < last ? at : last;
  return true;
}

TILEGRAD_FORMULA AugmentTap tap_at(double at, int64_t size, int outside) {
  const int32_t low = static_cast<int32_t>(at), last = static_cast<int32_t>(size - 1);
  return {low, low < last ? low + 1 : last, static_cast<float>(at - static_cast<double>(low)), outside};
}

// Where a position of the output lies in the input. The last stage brings both taps into the image.
TILEGRAD_APART void trace(const Path& path, Position at, AugmentTap& row, AugmentTap& column) {
  int row_outside = kInside, column_outside = kInside;
  for (int s = 0; s < path.count; ++s) {
    const Stage& stage = path.stages[s];
    at = apply(stage.map, at);
    if (!resolve(at.row, stage.H, stage) && row_outside == kInside) row_outside = s;
    if (!resolve(at.column, stage.W, stage) && column_outside == kInside) column_outside = s;
  }
  const Stage& source = path.stages[path.count - 1];
  row = tap_at(at.row, source.H, row_outside);
  column = tap_at(at.column, source.W, column_outside);
}

}  // namespace
}  // namespace tilegrad::formulas
