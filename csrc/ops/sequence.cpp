#include "ops/sequence.h"

#include <algorithm>
#include <cmath>

#include "core/launch.h"
#include "core/size.h"
#include "ops/creation.h"
#include "ops/views.h"

namespace tilegrad::ops {
namespace {

void require_numeric(const char* op, DType dtype) {
  if (!is_integer(dtype) && dtype != DType::float32 && dtype != DType::float64) {
    fail(ErrorKind::dtype, "%s: dtype %s cannot be computed; make it in float32 and cast", op, name(dtype));
  }
}

void launch_sequence(const Array& y, const Sequence& params) {
  launch(kernels::sequence, y.dtype(), params, {writes(y)}, Cost::elements(static_cast<double>(params.count)));
}

}  // namespace

Array arange(const Scalar& start, const Scalar& stop, const Scalar& step, DType dtype, Device device) {
  require_numeric("arange", dtype);
  if (step.real == 0) fail(ErrorKind::argument, "arange: step must not be zero");
  Sequence params{0, start.real, step.real, 0, 0};
  if (is_integer(dtype)) {
    if (!start.is_integer || !stop.is_integer || !step.is_integer) {
      fail(ErrorKind::dtype, "arange: start %g, stop %g and step %g must be integers for %s", start.real, stop.real,
           step.real, name(dtype));
    }
    params.whole_start = start.integer;
    params.whole_step = step.integer;
    const __int128 span = static_cast<__int128>(stop.integer) - start.integer, by = step.integer;
    if (span != 0 && (span > 0) == (by > 0)) {
      const __int128 count = (span + by - (by > 0 ? 1 : -1)) / by;
      if (count > INT64_MAX) fail(ErrorKind::argument, "arange: the number of elements does not fit in 64 bits");
      params.count = static_cast<int64_t>(count);
      // The last element must fit; the ones before it lie between it and the first.
      const __int128 last = static_cast<__int128>(start.integer) + (count - 1) * by;
      write_scalar("arange", start, dtype, scalar("arange", Scalar(int64_t{0}), dtype, {}).data());
      write_scalar("arange", Scalar(static_cast<int64_t>(last)), dtype,
                   scalar("arange", Scalar(int64_t{0}), dtype, {}).data());
    }
  } else {
    const double count = std::ceil((stop.real - start.real) / step.real);
    if (!(std::fabs(count) < 9e18)) {
      fail(ErrorKind::argument, "arange: from %g to %g in steps of %g is no finite number of elements", start.real,
           stop.real, step.real);
    }
    params.count = std::max<int64_t>(0, static_cast<int64_t>(count));
  }
  Array y = Array::empty({params.count}, dtype, device);
  launch_sequence(y, params);
  return y;
}

Array linspace(double start, double stop, int64_t count, DType dtype, Device device) {
  require_numeric("linspace", dtype);
  if (is_integer(dtype)) {
    fail(ErrorKind::dtype, "linspace: dtype %s is not floating; make it in float32 and cast", name(dtype));
  }
  if (count < 0) {
    fail(ErrorKind::argument, "linspace: num must not be negative, found %lld", static_cast<long long>(count));
  }
  Array y = Array::empty({count}, dtype, device);
  launch_sequence(y, {count, start, count > 1 ? (stop - start) / static_cast<double>(count - 1) : 0.0, 0, 0});
  if (count > 1) fill(select(y, 0, count - 1), Scalar(stop));
  return y;
}

Array eye(int64_t rows, int64_t columns, int64_t diagonal, DType dtype, Device device) {
  Array y = full({rows, columns}, Scalar(int64_t{0}), dtype, device);
  if (diagonal <= -rows || diagonal >= columns) return y;
  const int64_t row = diagonal < 0 ? -diagonal : 0, column = diagonal > 0 ? diagonal : 0;
  const int64_t length = std::min(rows - row, columns - column);
  fill(Array(y.storage_ref(), row * columns + column, {length}, {columns + 1}, dtype), Scalar(int64_t{1}));
  return y;
}

Array band(const char* op, const Array& x, int64_t least, int64_t most) {
  if (x.ndim() < 2) {
    fail(ErrorKind::shape, "%s: expected a matrix or a batch of matrices, found %s", op, x.str().c_str());
  }
  const Array from = contiguous(x);
  Array y = Array::empty(x.shape(), x.dtype(), x.device());
  const int64_t rows = x.size(x.ndim() - 2), columns = x.size(x.ndim() - 1);
  if (x.numel() == 0) return y;
  launch(kernels::band, x.dtype(), {x.numel() / (rows * columns), rows, columns, least, most}, {reads(from), writes(y)},
         Cost::elements(static_cast<double>(x.numel()), 0.5));
  return y;
}

}  // namespace tilegrad::ops
