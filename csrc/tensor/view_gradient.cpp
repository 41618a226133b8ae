#include "tensor/view_gradient.h"

#include <algorithm>

#include "ops/creation.h"
#include "ops/reduce.h"
#include "ops/views.h"

namespace tilegrad {

Array memory_like_root(const Placement& at, const Array& gradient) {
  int64_t below = 0, above = 0;
  for (int d = 0; d < at.root_shape.size(); ++d) {
    const int64_t reach = std::max<int64_t>(at.root_shape[d] - 1, 0) * at.root_strides[d];
    (reach < 0 ? below : above) += reach;
  }
  const Array memory = Array::empty({above - below + 1}, gradient.dtype(), gradient.device());
  return Array(memory.storage_ref(), -below, at.root_shape, at.root_strides, gradient.dtype());
}

Array place_in(const Placement& at, const Array& root) {
  return Array(root.storage_ref(), root.offset() + at.offset, at.shape, at.strides, root.dtype());
}

Array spread_to_root(const Placement& at, const Array& arrived) {
  Array gradient = arrived;
  Dims repeated;  // axes along which the view shows the same elements
  for (int d = 0; d < at.shape.size(); ++d) {
    if (at.strides[d] == 0 && at.shape[d] > 1) repeated.push_back(d);
  }
  Placement once = at;
  if (!repeated.empty()) {
    gradient = ops::sum(gradient, repeated, true);
    for (int64_t d : repeated) once.shape[static_cast<int>(d)] = 1;
  }
  const Array root = memory_like_root(at, gradient);
  ops::fill(root, Scalar(0.0));
  ops::copy_into(gradient, place_in(once, root));
  return root;
}

}  // namespace tilegrad
