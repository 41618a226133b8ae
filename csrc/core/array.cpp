#include "core/array.h"

#include "core/holders.h"
#include "core/size.h"

namespace tilegrad {

Dims contiguous_strides(const Dims& shape) {
  Dims strides = Dims::filled(shape.size(), 1);
  for (int d = shape.size() - 2; d >= 0; --d) strides[d] = strides[d + 1] * (shape[d + 1] > 0 ? shape[d + 1] : 1);
  return strides;
}

Array Array::empty(const Dims& shape, DType dtype, Device device) {
  int64_t elements = 1, bytes = static_cast<int64_t>(tilegrad::item_size(dtype));
  for (int64_t extent : shape) {
    if (extent < 0) fail_without_op(ErrorKind::shape, "negative dimension in shape %s", shape.str().c_str());
    // A zero makes the array empty, but its neighbours must still make sense.
    elements = checked_multiply(elements, extent > 0 ? extent : 1, nullptr);
    bytes = checked_multiply(bytes, extent > 0 ? extent : 1, nullptr);
  }
  for (int64_t extent : shape) bytes = extent == 0 ? 0 : bytes;
  StorageRef storage(Storage::allocate(static_cast<size_t>(bytes), device));
  holders::add_array(storage->data(), storage->bytes(), device, dtype, shape);
  return Array(std::move(storage), 0, shape, contiguous_strides(shape), dtype);
}

bool Array::is_contiguous() const {
  if (numel_ == 0) return true;
  int64_t expected = 1;
  for (int d = ndim() - 1; d >= 0; --d) {
    if (shape_[d] == 1) continue;
    if (strides_[d] != expected) return false;
    expected *= shape_[d];
  }
  return true;
}

}  // namespace tilegrad
