#include "ops/inplace.h"

#include "ops/elementwise.h"
#include "ops/loop_nest.h"
#include "ops/views.h"

namespace tilegrad::ops {
namespace {

// The bytes that an array spans: [begin, end).
struct Span {
  const char* begin;
  const char* end;
};

Span span_of(const Array& array) {
  const int64_t size = static_cast<int64_t>(array.item_size());
  const char* first = static_cast<const char*>(array.data());
  Span span{first, first + size};
  for (int d = 0; d < array.ndim(); ++d) {
    const int64_t reach = (array.size(d) - 1) * array.stride(d) * size;
    (reach < 0 ? span.begin : span.end) += reach;
  }
  return span;
}

bool is_same_view(const Array& a, const Array& b) {
  return a.data() == b.data() && a.shape() == b.shape() && a.strides() == b.strides();
}

}  // namespace

void require_writable(const char* op, const Array& x) {
  for (int d = 0; d < x.ndim(); ++d) {
    if (x.stride(d) == 0 && x.size(d) > 1) {
      fail(ErrorKind::argument, "%s: axis %d of %s is a broadcast view whose elements share memory; clone() it first",
           op, d, x.str().c_str());
    }
  }
}

void require_broadcastable(const char* op, const Array& values, const Dims& shape) {
  bool fits = values.ndim() <= shape.size();
  for (int d = 1; fits && d <= values.ndim(); ++d) {
    const int64_t size = values.size(values.ndim() - d);
    fits = size == 1 || size == shape[shape.size() - d];
  }
  if (!fits) {
    fail(ErrorKind::shape, "%s: a value of shape %s does not broadcast to the shape %s that is written", op,
         values.shape().str().c_str(), shape.str().c_str());
  }
}

bool may_overlap(const Array& a, const Array& b) {
  if (a.numel() == 0 || b.numel() == 0) return false;
  const Span first = span_of(a), second = span_of(b);
  return first.begin < second.end && second.begin < first.end;
}

Array readable(const Array& other, const Array& x) {
  return !is_same_view(other, x) && may_overlap(other, x) ? copy(other) : other;
}

void binary_in_place(const char* op, const KernelName<LoopNest<3>>& kernel, const Array& x, const Array& other) {
  require_same_kind(op, x, other);
  require_broadcastable(op, other, x.shape());
  require_writable(op, x);
  binary_into(kernel, x, readable(other, x), x);
}

void assign(const char* op, const Array& x, const Array& values) {
  require_same_kind(op, x, values);
  require_broadcastable(op, values, x.shape());
  require_writable(op, x);
  if (!is_same_view(values, x)) copy_into(readable(values, x), x);
}

}  // namespace tilegrad::ops
