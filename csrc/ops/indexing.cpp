#include "ops/indexing.h"

#include <utility>
#include <vector>

#include "core/launch.h"
#include "core/recording.h"
#include "core/size.h"
#include "ops/creation.h"
#include "ops/elementwise.h"
#include "ops/inplace.h"
#include "ops/loop_nest.h"
#include "ops/transfer.h"
#include "ops/views.h"

namespace tilegrad::ops {
namespace {

bool is_index(DType dtype) { return dtype == DType::int64 || dtype == DType::int32 || dtype == DType::uint8; }

int64_t product(const Dims& shape, const char* op) {
  int64_t count = 1;
  for (int64_t extent : shape) count = checked_multiply(count, extent, op);
  return count;
}

// "[1, 2]": the coordinates of a row-major position.
std::string coordinates(const Dims& shape, int64_t position) {
  Dims at = shape;
  for (int d = shape.size() - 1; d >= 0; --d) {
    at[d] = position % shape[d];
    position /= shape[d];
  }
  return at.str();
}

// Adds place * stride of every index, broadcast to `shape`, to the offsets (or sets them); refuses what is out of range.
void add_offsets(const char* op, const Array& index, int axis, int64_t size, int64_t stride, const Dims& shape,
                 const Array& offsets, bool accumulate, bool from_end = true) {
  if (!is_index(index.dtype())) {
    fail(ErrorKind::dtype, "%s: indices must be int64, int32 or uint8, found %s", op, index.str().c_str());
  }
  IndexOffsets params;
  params.nest = make_nest<2>(shape, {broadcast_strides(index, shape), offsets.strides()});
  params.size = size;
  params.stride = stride;
  params.accumulate = accumulate;
  params.from_end = from_end;
  const Array bad = scalar(op, Scalar(int64_t{INT64_MAX}), DType::int64, index.device());
  launch(kernels::index_offsets, index.dtype(), params, {reads(index), writes(offsets), updates(bad)},
         Cost::elements(static_cast<double>(params.nest.numel), 0.5));
  check_values({reads(bad), reads(index)}, [=, op = std::string(op), dtype = index.dtype(),
                                            strides = broadcast_strides(index, shape)](void* const* data) {
    const int64_t position = *static_cast<const int64_t*>(data[0]);
    if (position == INT64_MAX) return;
    int64_t rest = position, offset = 0;
    for (int d = shape.size() - 1; d >= 0; --d) {
      offset += rest % shape[d] * strides[d];
      rest /= shape[d];
    }
    const char* const seen = static_cast<const char*>(data[1]) + offset * static_cast<int64_t>(item_size(dtype));
    fail(ErrorKind::index, "%s: index %lld at position %s is out of range for axis %d of size %lld", op.c_str(),
         static_cast<long long>(read_scalar(dtype, seen).integer), coordinates(shape, position).c_str(), axis,
         static_cast<long long>(size));
  });
}

// Which elements of x the indices choose, and the shape they make.
struct Selection {
  Dims shape;     // of the result
  Array offsets;  // int64, contiguous, one for each element of B
  int64_t lowest = 0, highest = 0;
  Dims outer_shape, inner_shape;  // the axes before and behind B
  Dims outer_strides, inner_strides;

  // The kernel's params for a small array, of the result's shape, with these strides.
  Gather params(const Array& small) const {
    const int outer = outer_shape.size(), picked = shape.size() - outer - inner_shape.size();
    Dims outer_small, inner_small;
    for (int d = 0; d < outer; ++d) outer_small.push_back(small.stride(d));
    for (int d = outer + picked; d < shape.size(); ++d) inner_small.push_back(small.stride(d));
    Gather p;
    p.outer = make_nest<2>(outer_shape, {outer_strides, outer_small});
    p.inner = make_nest<2>(inner_shape, {inner_strides, inner_small});
    p.count = offsets.numel();
    p.small_stride = picked ? small.stride(outer + picked - 1) : 0;
    for (int d = outer + picked - 1; d >= outer; --d) {  // axes of size 1 may have any stride
      if (shape[d] != 1) {
        p.small_stride = small.stride(d);
        break;
      }
    }
    p.lowest = lowest;
    p.highest = highest;
    return p;
  }
};

Selection select_places(const char* op, const Array& x, const Indices& indices, bool in_front, bool from_end = true) {
  if (static_cast<int>(indices.size()) != x.ndim()) {
    fail(ErrorKind::shape, "%s: %d indices for the %d axes of %s", op, static_cast<int>(indices.size()), x.ndim(),
         x.str().c_str());
  }
  Selection s;
  Dims picked;
  int first = -1, last = -1, count = 0;
  for (int d = 0; d < x.ndim(); ++d) {
    const auto& index = indices[static_cast<size_t>(d)];
    if (!index) continue;
    picked = count ? broadcast_shapes(op, picked, index->shape()) : index->shape();
    first = first < 0 ? d : first;
    last = d;
    ++count;
  }
  if (count == 0) fail(ErrorKind::argument, "%s: expected at least one index array", op);
  product(picked, op);
  s.offsets = Array::empty(picked, DType::int64, x.device());
  bool accumulate = false;
  in_front |= last - first + 1 != count;
  for (int d = 0; d < x.ndim(); ++d) {
    const auto& index = indices[static_cast<size_t>(d)];
    if (index) {
      add_offsets(op, *index, d, x.size(d), x.stride(d), picked, s.offsets, accumulate, from_end);
      accumulate = true;
      const int64_t reach = x.size(d) > 0 ? (x.size(d) - 1) * x.stride(d) : 0;
      (reach < 0 ? s.lowest : s.highest) += reach;
    } else {
      const bool outer = !in_front && d < first;
      (outer ? s.outer_shape : s.inner_shape).push_back(x.size(d));
      (outer ? s.outer_strides : s.inner_strides).push_back(x.stride(d));
    }
  }
  for (int64_t extent : s.outer_shape) s.shape.push_back(extent);
  for (int64_t extent : picked) s.shape.push_back(extent);
  for (int64_t extent : s.inner_shape) s.shape.push_back(extent);
  return s;
}

Cost moving(const Array& small) {
  return Cost::bytes(3.0 * static_cast<double>(small.numel()) * static_cast<double>(small.item_size()));
}

void write_places(const KernelName<Gather>& kernel, const char* op, const Array& x, const Indices& indices,
                  bool in_front, const Array& values) {
  require_same_kind(op, x, values);
  require_writable(op, x);
  const Selection s = select_places(op, x, indices, in_front);
  require_broadcastable(op, values, s.shape);
  Array small = broadcast_to(may_overlap(values, x) ? copy(values) : values, s.shape);
  if (values.numel() != 1) small = contiguous(small);
  launch(kernel, x.dtype(), s.params(small), {reads(small), reads(s.offsets), updates(x)}, moving(small));
}

struct AlongAxis {
  int axis;
  Array offsets;
};

AlongAxis places_along(const char* op, const Array& x, const Array& index, int64_t axis) {
  const int d = normalize_axis(op, axis, x.ndim());
  bool fits = index.ndim() == x.ndim();
  for (int k = 0; fits && k < x.ndim(); ++k) fits = k == d || index.size(k) == x.size(k);
  if (!fits) {
    fail(ErrorKind::shape, "%s: indices of shape %s do not fit %s: all axes but axis %d must agree", op,
         index.shape().str().c_str(), x.str().c_str(), d);
  }
  Array offsets = Array::empty(index.shape(), DType::int64, x.device());
  add_offsets(op, index, d, x.size(d), x.stride(d), index.shape(), offsets, false);
  return {d, offsets};
}

Array gather_places(const char* op, const Array& x, const Selection& s) {
  product(s.shape, op);
  Array y = Array::empty(s.shape, x.dtype(), x.device());
  launch(kernels::gather_slices, x.dtype(), s.params(y), {reads(x), reads(s.offsets), writes(y)}, moving(y));
  return y;
}

// Each of these counts becomes the sum of those before it, on the host; returns the sum of all.
int64_t replace_by_sums_before(const Array& array) {
  std::vector<int64_t> counts(static_cast<size_t>(array.numel()));
  read_to_host(array, counts.data());
  int64_t sum = 0;
  for (int64_t& count : counts) sum += std::exchange(count, sum);
  write_from_host(counts.data(), array);
  return sum;
}

}  // namespace

Array gather(const char* op, const Array& x, const Indices& indices, bool in_front) {
  return gather_places(op, x, select_places(op, x, indices, in_front));
}

Array embedding(const Array& weight, const Array& indices) {
  if (weight.ndim() != 2) {
    fail(ErrorKind::shape, "embedding: weight must be [words, features], found %s", weight.str().c_str());
  }
  return gather_places("embedding", weight, select_places("embedding", weight, {indices, std::nullopt}, false, false));
}

void scatter(const char* op, const Array& x, const Indices& indices, bool in_front, const Array& values) {
  write_places(kernels::scatter_slices, op, x, indices, in_front, values);
}

void scatter_add(const char* op, const Array& x, const Indices& indices, bool in_front, const Array& values) {
  write_places(kernels::scatter_add_slices, op, x, indices, in_front, values);
}

Array take_along_axis(const char* op, const Array& x, const Array& index, int64_t axis) {
  const AlongAxis at = places_along(op, x, index, axis);
  Array y = Array::empty(index.shape(), x.dtype(), x.device());
  Dims x_strides = x.strides();
  x_strides[at.axis] = 0;
  launch(kernels::gather_along, x.dtype(), make_nest<3>(y.shape(), {x_strides, at.offsets.strides(), y.strides()}),
         {reads(x), reads(at.offsets), writes(y)}, moving(y));
  return y;
}

void scatter_add_along_axis(const char* op, const Array& y, const Array& index, int64_t axis, const Array& values) {
  require_same_kind(op, y, values);
  require_writable(op, y);
  const AlongAxis at = places_along(op, y, index, axis);
  require_broadcastable(op, values, index.shape());
  const Array small = broadcast_to(may_overlap(values, y) ? copy(values) : values, index.shape());
  Along params;
  Dims shape = index.shape(), big = y.strides(), offsets = at.offsets.strides(), step = small.strides();
  params.count = shape[at.axis];
  params.offsets_stride = offsets[at.axis];
  params.small_stride = step[at.axis];
  for (Dims* dims : {&shape, &big, &offsets, &step}) dims->erase(at.axis);
  params.lines = make_nest<3>(shape, {big, offsets, step});
  launch(kernels::scatter_add_along, y.dtype(), params, {reads(small), reads(at.offsets), updates(y)}, moving(small));
}

Array one_hot(const Array& index, int64_t classes, DType dtype) {
  if (classes < 0) {
    fail(ErrorKind::argument, "one_hot: num_classes must not be negative, found %lld", static_cast<long long>(classes));
  }
  const Array offsets = Array::empty(index.shape(), DType::int64, index.device());
  add_offsets("one_hot", index, index.ndim(), classes, 1, index.shape(), offsets, false, false);
  Dims shape = index.shape();
  shape.push_back(classes);
  Array y = Array::empty(shape, dtype, index.device());
  const Array on = scalar("one_hot", Scalar(int64_t{1}), dtype, index.device());
  launch(kernels::one_hot, dtype, {index.numel(), classes}, {reads(on), reads(offsets), writes(y)}, moving(y));
  return y;
}

Array nonzero(const Array& x) {
  if (x.ndim() == 0) fail(ErrorKind::shape, "nonzero: a 0-d tensor has no axes; reshape it to [1] first");
  if (Recording* recording = Recording::active()) {
    recording->give_up("the shape of what nonzero (or a boolean mask) returns depends on values; use tg.where");
  }
  const Array mask = contiguous(x);
  MaskScan params{};
  params.numel = mask.numel();
  params.ndim = mask.ndim();
  for (int d = 0; d < mask.ndim(); ++d) params.shape[d] = mask.size(d);
  const int64_t chunks = (mask.numel() + kMaskChunk - 1) / kMaskChunk;
  const Array starts = Array::empty({chunks}, DType::int64, x.device());
  const Cost cost = Cost::elements(static_cast<double>(mask.numel()), 0.5);
  launch(kernels::mask_count, mask.dtype(), params, {reads(mask), writes(starts)}, cost);
  params.found = replace_by_sums_before(starts);
  Array y = Array::empty({mask.ndim(), params.found}, DType::int64, x.device());
  launch(kernels::mask_places, mask.dtype(), params, {reads(mask), reads(starts), writes(y)}, cost);
  return y;
}

}  // namespace tilegrad::ops
