#include "ops/views.h"

#include <algorithm>

#include "core/launch.h"
#include "core/size.h"
#include "ops/loop_nest.h"

namespace tilegrad::ops {
namespace {

// The shape with its -1 filled in, checked against the number of elements.
Dims resolve(const Array& x, Dims shape) {
  int inferred = -1;
  int64_t known = 1;
  for (int d = 0; d < shape.size(); ++d) {
    if (shape[d] == -1 && inferred < 0) {
      inferred = d;
    } else if (shape[d] < 0) {
      fail(ErrorKind::shape, "reshape: shape %s has a negative size (only one size may be -1, to be inferred)",
           shape.str().c_str());
    } else {
      known = checked_multiply(known, shape[d], "reshape");
    }
  }
  if (inferred >= 0 && known > 0 && x.numel() % known == 0) {
    shape[inferred] = x.numel() / known;
    known *= shape[inferred];
  }
  if (known != x.numel() || (inferred >= 0 && shape[inferred] < 0)) {
    fail(ErrorKind::shape, "reshape: %s has %lld elements and cannot take shape %s", x.str().c_str(),
         static_cast<long long>(x.numel()), shape.str().c_str());
  }
  return shape;
}

// The strides that make `shape` a view of x, if there are any: every group of old dimensions that a new one cuts
// across must be evenly spaced. Returns false when a copy is needed.
bool view_strides(const Array& x, const Dims& shape, Dims& strides) {
  Dims old_shape, old_strides;
  for (int d = 0; d < x.ndim(); ++d) {
    if (x.size(d) == 1) continue;
    old_shape.push_back(x.size(d));
    old_strides.push_back(x.stride(d));
  }
  strides = Dims::filled(shape.size(), 0);
  int from = 0, to = 0;
  while (from < old_shape.size() && to < shape.size()) {
    int from_end = from + 1, to_end = to + 1;
    int64_t from_numel = old_shape[from], to_numel = shape[to];
    while (from_numel != to_numel) {
      if (from_numel < to_numel) {
        if (from_end == old_shape.size()) return false;
        if (old_strides[from_end - 1] != old_shape[from_end] * old_strides[from_end]) return false;
        from_numel *= old_shape[from_end++];
      } else {
        if (to_end == shape.size()) return false;
        to_numel *= shape[to_end++];
      }
    }
    int64_t step = old_strides[from_end - 1];
    for (int d = to_end - 1; d >= to; --d) {
      strides[d] = step;
      step *= shape[d];
    }
    from = from_end;
    to = to_end;
  }
  for (; to < shape.size(); ++to) strides[to] = 1;  // the rest has size 1
  return true;
}

}  // namespace

int normalize_axis(const char* op, int64_t axis, int ndim) {
  if (axis < -ndim || axis >= ndim) {
    fail(ErrorKind::index, "%s: axis %lld is out of range for a tensor of %d dimensions", op,
         static_cast<long long>(axis), ndim);
  }
  return static_cast<int>(axis < 0 ? axis + ndim : axis);
}

Array reshape(const Array& x, const Dims& asked) {
  const Dims shape = resolve(x, asked);
  Dims strides;
  if (x.numel() == 0 || x.is_contiguous()) {
    strides = contiguous_strides(shape);
  } else if (!view_strides(x, shape, strides)) {
    return reshape(contiguous(x), shape);
  }
  return Array(x.storage_ref(), x.offset(), shape, strides, x.dtype());
}

Array permute(const Array& x, const Dims& axes) {
  if (axes.size() != x.ndim()) {
    fail(ErrorKind::shape, "permute: axes %s must name each of the %d axes of %s once", axes.str().c_str(), x.ndim(),
         x.str().c_str());
  }
  Dims shape, strides;
  uint64_t seen = 0;
  for (int64_t axis : axes) {
    const int d = normalize_axis("permute", axis, x.ndim());
    if (seen >> d & 1) fail(ErrorKind::shape, "permute: axis %d comes twice in %s", d, axes.str().c_str());
    seen |= uint64_t{1} << d;
    shape.push_back(x.size(d));
    strides.push_back(x.stride(d));
  }
  return Array(x.storage_ref(), x.offset(), shape, strides, x.dtype());
}

Array expand_dims(const Array& x, int64_t axis) {
  const int d = normalize_axis("expand_dims", axis, x.ndim() + 1);
  Dims shape = x.shape(), strides = x.strides();
  shape.insert(d, 1);
  strides.insert(d, 1);
  return Array(x.storage_ref(), x.offset(), shape, strides, x.dtype());
}

Array squeeze(const Array& x) {
  Dims shape, strides;
  for (int d = 0; d < x.ndim(); ++d) {
    if (x.size(d) == 1) continue;
    shape.push_back(x.size(d));
    strides.push_back(x.stride(d));
  }
  return Array(x.storage_ref(), x.offset(), shape, strides, x.dtype());
}

Array squeeze(const Array& x, int64_t axis) {
  const int d = normalize_axis("squeeze", axis, x.ndim());
  if (x.size(d) != 1) {
    fail(ErrorKind::shape, "squeeze: axis %d of %s has size %lld, not 1", d, x.str().c_str(),
         static_cast<long long>(x.size(d)));
  }
  return select(x, d, 0);
}

Array broadcast_to(const Array& x, const Dims& shape) {
  for (int64_t extent : shape) {
    if (extent < 0) fail(ErrorKind::shape, "broadcast_to: negative dimension in shape %s", shape.str().c_str());
  }
  if (x.ndim() > shape.size() || !(broadcast_shapes("broadcast_to", x.shape(), shape) == shape)) {
    fail(ErrorKind::shape, "broadcast_to: %s does not broadcast to %s", x.str().c_str(), shape.str().c_str());
  }
  int64_t elements = 1;
  for (int64_t extent : shape) elements = checked_multiply(elements, extent, "broadcast_to");
  return Array(x.storage_ref(), x.offset(), shape, broadcast_strides(x, shape), x.dtype());
}

Array slice(const Array& x, int64_t axis, int64_t start, int64_t count, int64_t step) {
  const int d = normalize_axis("slice", axis, x.ndim());
  if (step == 0) fail(ErrorKind::argument, "slice: step must not be zero");
  const int64_t last = count > 0 ? checked_add(start, checked_multiply(count - 1, step, "slice"), "slice") : start;
  if (count < 0 || (count > 0 && (start < 0 || start >= x.size(d) || last < 0 || last >= x.size(d)))) {
    fail(ErrorKind::index, "slice: %lld elements from %lld in steps of %lld leave axis %d of %s",
         static_cast<long long>(count), static_cast<long long>(start), static_cast<long long>(step), d,
         x.str().c_str());
  }
  Dims shape = x.shape(), strides = x.strides();
  shape[d] = count;
  strides[d] = count > 1 ? strides[d] * step : strides[d];
  const int64_t offset = count > 0 ? x.offset() + start * x.stride(d) : x.offset();
  return Array(x.storage_ref(), offset, shape, strides, x.dtype());
}

Array diagonal(const Array& x, int64_t offset, int64_t a, int64_t b) {
  if (x.ndim() < 2) {
    fail(ErrorKind::shape, "diagonal: x must have at least two axes, found %s", x.shape().str().c_str());
  }
  const int rows = normalize_axis("diagonal", a, x.ndim()), columns = normalize_axis("diagonal", b, x.ndim());
  if (rows == columns) {
    fail(ErrorKind::argument, "diagonal: the two axes must differ, found %lld and %lld", static_cast<long long>(a),
         static_cast<long long>(b));
  }
  const int64_t above = std::clamp<int64_t>(offset, 0, x.size(columns));
  const int64_t below = offset < -x.size(rows) ? x.size(rows) : std::max<int64_t>(-offset, 0);
  const int64_t length = std::max<int64_t>(std::min(x.size(rows) - below, x.size(columns) - above), 0);
  Dims shape, strides;
  for (int axis = 0; axis < x.ndim(); ++axis) {
    if (axis == rows || axis == columns) continue;
    shape.push_back(x.size(axis));
    strides.push_back(x.stride(axis));
  }
  shape.push_back(length);
  strides.push_back(x.stride(rows) + x.stride(columns));
  const int64_t start = length ? below * x.stride(rows) + above * x.stride(columns) : 0;
  return Array(x.storage_ref(), x.offset() + start, shape, strides, x.dtype());
}

Array select(const Array& x, int64_t axis, int64_t index) {
  const int d = normalize_axis("select", axis, x.ndim());
  if (index < -x.size(d) || index >= x.size(d)) {
    fail(ErrorKind::index, "index %lld is out of range for axis %d of %s", static_cast<long long>(index), d,
         x.str().c_str());
  }
  if (index < 0) index += x.size(d);
  Dims shape = x.shape(), strides = x.strides();
  shape.erase(d);
  strides.erase(d);
  return Array(x.storage_ref(), x.offset() + index * x.stride(d), shape, strides, x.dtype());
}

void copy_into(const Array& x, const Array& y) {
  const LoopNest<2> nest = make_nest<2>(y.shape(), {broadcast_strides(x, y.shape()), y.strides()});
  launch(kernels::copy, x.dtype(), nest, {reads(x), writes(y)},
         Cost::bytes(2.0 * static_cast<double>(nest.numel) * static_cast<double>(x.item_size())));
}

Array copy(const Array& x) {
  Array y = Array::empty(x.shape(), x.dtype(), x.device());
  copy_into(x, y);
  return y;
}

Array contiguous(const Array& x) { return x.is_contiguous() ? x : copy(x); }

}  // namespace tilegrad::ops
