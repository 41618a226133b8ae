#include "ops/sort.h"

#include <algorithm>
#include <cmath>

#include "core/launch.h"
#include "core/size.h"
#include "core/threads.h"
#include "ops/views.h"

namespace tilegrad::ops {

Sorted sort(const char* op, const Array& x, int64_t axis, bool descending) {
  const int d = normalize_axis(op, axis, x.ndim());
  Dims axes, back = Dims::filled(x.ndim(), 0);
  for (int k = 0; k < x.ndim(); ++k) {
    if (k != d) axes.push_back(k);
  }
  axes.push_back(d);
  for (int k = 0; k < x.ndim(); ++k) back[static_cast<int>(axes[k])] = k;
  const Array rows = contiguous(permute(x, axes));
  const Array values = Array::empty(rows.shape(), x.dtype(), x.device());
  const Array indices = Array::empty(rows.shape(), DType::int64, x.device());
  const int64_t length = x.size(d);
  const Sort params{x.numel() / std::max<int64_t>(length, 1), length, descending};
  // Two rows of (value, index) for each member that has rows to sort; an entry takes at most 16 bytes.
  const int64_t members = std::min<int64_t>(threads::count(), params.rows);
  const int64_t scratch = checked_multiply(checked_multiply(2 * 16, length, op), members, op);
  const double steps = std::log2(static_cast<double>(length) + 2.0);
  launch(kernels::sort, x.dtype(), params, {reads(rows), writes(values), writes(indices)},
         Cost::elements(static_cast<double>(x.numel()), 2.0 * steps), static_cast<size_t>(scratch));
  return {permute(values, back), permute(indices, back)};
}

}  // namespace tilegrad::ops
