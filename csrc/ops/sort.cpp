#include "ops/sort.h"

#include <algorithm>
#include <cstdint>

#include "core/launch.h"
#include "core/size.h"
#include "core/threads.h"
#include "ops/views.h"

namespace tilegrad::ops {

namespace {

// x with the axis last, contiguous, and how to turn results back.
struct SortedRows {
  Array rows;
  Dims back;
  int64_t length, count;

  SortedRows(const char* op, const Array& x, int64_t axis) {
    const int d = normalize_axis(op, axis, x.ndim());
    Dims axes;
    for (int k = 0; k < x.ndim(); ++k) {
      if (k != d) axes.push_back(k);
    }
    axes.push_back(d);
    back = Dims::filled(x.ndim(), 0);
    for (int k = 0; k < x.ndim(); ++k) back[static_cast<int>(axes[k])] = k;
    rows = contiguous(permute(x, axes));
    length = x.size(d);
    count = x.numel() / std::max<int64_t>(length, 1);
  }
};

}  // namespace

Sorted sort(const char* op, const Array& x, int64_t axis, bool descending, Wanted wanted) {
  const SortedRows sorted(op, x, axis);
  if (x.device().type != DeviceType::cpu) wanted = Wanted::both;
  Array values, indices;
  if (wanted != Wanted::indices) values = Array::empty(sorted.rows.shape(), x.dtype(), x.device());
  if (wanted != Wanted::values) indices = Array::empty(sorted.rows.shape(), DType::int64, x.device());
  const Sort params{sorted.count, sorted.length, descending};
  if (params.length > int64_t{UINT32_MAX}) {
    fail(ErrorKind::shape, "%s: axis %lld of %s is too long, at most 2^32 - 1 elements can be sorted", op,
         static_cast<long long>(axis), x.str().c_str());
  }
  // Two rows of words for each member that has rows to sort; counts and three words for each that has part of a row.
  constexpr int64_t kWord = 8, kCounts = 4 * kSortBuckets;
  const int64_t members = threads::count();
  const int64_t rows = checked_multiply(std::min(members, params.rows), 2 * kWord, op);
  const int64_t scratch = checked_multiply(rows, params.length, op) + members * (kCounts + 3 * kWord);
  launch(kernels::sort, x.dtype(), params, {reads(sorted.rows), writes(values), writes(indices)},
         Cost::elements(static_cast<double>(x.numel()), 6.0), static_cast<size_t>(scratch));
  return {values ? permute(values, sorted.back) : values, indices ? permute(indices, sorted.back) : indices};
}

Sorted top(const char* op, const Array& x, int64_t axis, int64_t kept, bool descending) {
  const SortedRows sorted(op, x, axis);
  if (kept < 0 || kept > sorted.length) {
    fail(ErrorKind::argument, "%s: k must be from 0 to %lld, the size of axis %lld, found %lld", op,
         static_cast<long long>(sorted.length), static_cast<long long>(axis), static_cast<long long>(kept));
  }
  // A longer list takes longer to insert into than a sort.
  constexpr int64_t kMostKept = 64;
  if (x.device().type != DeviceType::cpu || kept > kMostKept) {
    const Sorted all = sort(op, x, axis, descending, Wanted::both);
    return {contiguous(slice(all.values, axis, 0, kept, 1)), contiguous(slice(all.indices, axis, 0, kept, 1))};
  }
  Dims shape = sorted.rows.shape();
  shape[shape.size() - 1] = kept;
  const Array values = Array::empty(shape, x.dtype(), x.device());
  const Array indices = Array::empty(shape, DType::int64, x.device());
  if (values.numel() > 0) {
    launch(kernels::top, x.dtype(), Top{sorted.count, sorted.length, kept, descending},
           {reads(sorted.rows), writes(values), writes(indices)}, Cost::elements(static_cast<double>(x.numel()), 0.3));
  }
  return {contiguous(permute(values, sorted.back)), contiguous(permute(indices, sorted.back))};
}

}  // namespace tilegrad::ops
