#include "ops/joining.h"

#include <string>

#include "ops/views.h"

namespace tilegrad::ops {
namespace {

const Array& first_of(const char* op, std::span<const Array> parts) {
  if (parts.empty()) fail(ErrorKind::argument, "%s: expected at least one tensor", op);
  return parts[0];
}

// All as the first, but for the size of axis `free`, if that is one.
void require_alike(const char* op, std::span<const Array> parts, int free) {
  const Array& first = parts[0];
  for (size_t i = 1; i < parts.size(); ++i) {
    const Array& part = parts[i];
    if (part.dtype() != first.dtype()) {
      fail(ErrorKind::dtype, "%s: tensors[%zu] is %s and tensors[0] is %s; cast one with .astype()", op, i,
           name(part.dtype()), name(first.dtype()));
    }
    if (!(part.device() == first.device())) {
      fail(ErrorKind::device, "%s: tensors[%zu] is on %s and tensors[0] is on %s; move one with .to()", op, i,
           name(part.device()), name(first.device()));
    }
    bool alike = part.ndim() == first.ndim();
    for (int d = 0; alike && d < first.ndim(); ++d) alike = d == free || part.size(d) == first.size(d);
    if (!alike) {
      const std::string rule =
          free < 0 ? "all shapes must agree" : "all sizes but that of axis " + std::to_string(free) + " must agree";
      fail(ErrorKind::shape, "%s: tensors[%zu] is %s and tensors[0] is %s; %s", op, i, part.shape().str().c_str(),
           first.shape().str().c_str(), rule.c_str());
    }
  }
}

}  // namespace

Array concat(std::span<const Array> parts, int64_t axis) {
  const Array& first = first_of("concat", parts);
  if (first.ndim() == 0) fail(ErrorKind::shape, "concat: tensors[0] has no axes; use stack");
  const int d = normalize_axis("concat", axis, first.ndim());
  require_alike("concat", parts, d);
  Dims shape = first.shape();
  shape[d] = 0;
  for (const Array& part : parts) shape[d] += part.size(d);
  const Array y = Array::empty(shape, first.dtype(), first.device());
  int64_t start = 0;
  for (const Array& part : parts) {
    if (part.numel() > 0) copy_into(part, slice(y, d, start, part.size(d), 1));
    start += part.size(d);
  }
  return y;
}

Array stack(std::span<const Array> parts, int64_t axis) {
  const Array& first = first_of("stack", parts);
  const int d = normalize_axis("stack", axis, first.ndim() + 1);
  require_alike("stack", parts, -1);
  Dims shape = first.shape();
  shape.insert(d, static_cast<int64_t>(parts.size()));
  const Array y = Array::empty(shape, first.dtype(), first.device());
  for (size_t i = 0; first.numel() > 0 && i < parts.size(); ++i) {
    copy_into(parts[i], select(y, d, static_cast<int64_t>(i)));
  }
  return y;
}

}  // namespace tilegrad::ops
