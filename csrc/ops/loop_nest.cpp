#include "ops/loop_nest.h"

#include <algorithm>

namespace tilegrad::ops {

Dims broadcast_shapes(const char* op, const Dims& a, const Dims& b) {
  const int ndim = std::max(a.size(), b.size());
  Dims shape = Dims::filled(ndim, 1);
  for (int d = 1; d <= ndim; ++d) {  // from the last dimension
    const int64_t from_a = d <= a.size() ? a[a.size() - d] : 1, from_b = d <= b.size() ? b[b.size() - d] : 1;
    if (from_a != from_b && from_a != 1 && from_b != 1) {
      fail(ErrorKind::shape,
           "%s: shapes %s and %s do not broadcast: axis %d (from the end) is %lld in one and %lld in the other, and "
           "neither is 1",
           op, a.str().c_str(), b.str().c_str(), -d, static_cast<long long>(from_a), static_cast<long long>(from_b));
    }
    shape[ndim - d] = from_a == 1 ? from_b : from_a;
  }
  return shape;
}

Dims broadcast_strides(const Array& array, const Dims& shape) {
  Dims strides = Dims::filled(shape.size(), 0);
  const int extra = shape.size() - array.ndim();
  for (int d = 0; d < array.ndim(); ++d) {
    strides[extra + d] = array.size(d) == 1 ? 0 : array.stride(d);
  }
  return strides;
}

}  // namespace tilegrad::ops
