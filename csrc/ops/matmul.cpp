#include "ops/matmul.h"

#include <algorithm>
#include <cstring>

#include "core/launch.h"
#include "core/threads.h"
#include "ops/elementwise.h"
#include "ops/loop_nest.h"
#include "ops/reduce.h"
#include "ops/views.h"

namespace tilegrad::ops {
namespace {

// 16-bit types are for GPUs.
void require_arithmetic(const char* op, const char* argument, const Array& x) {
  if (kernel_table(x.device()).gemm->by_dtype[static_cast<int>(x.dtype())]) return;
  fail(ErrorKind::dtype, "%s: %s must be float32 or float64, found %s; cast it with .astype()", op, argument,
       x.str().c_str());
}

// The axes before the matrix's two.
Dims batch_of(const Array& x) {
  Dims batch;
  for (int d = 0; d + 2 < x.ndim(); ++d) batch.push_back(x.size(d));
  return batch;
}

// The strides of x's batch axes, seen as having the shape `batch`.
Dims batch_strides(const Array& x, const Dims& batch) {
  Dims strides = Dims::filled(batch.size(), 0);
  const int extra = batch.size() - (x.ndim() - 2);
  for (int d = 0; d + 2 < x.ndim(); ++d) strides[extra + d] = x.size(d) == 1 ? 0 : x.stride(d);
  return strides;
}

// x with an axis of size 1 at `axis`.
Array with_unit_axis(const Array& x, int axis) {
  Dims shape = x.shape(), strides = x.strides();
  shape.insert(axis, 1);
  strides.insert(axis, 0);
  return Array(x.storage_ref(), x.offset(), shape, strides, x.dtype());
}

// activation(a b + bias) of matrices a [..., M, K] and b [..., K, N] that were checked.
Array multiply(const char* op, const Array& a, const Array& b, const Array& bias, Activation activation) {
  const int a_rank = a.ndim(), b_rank = b.ndim();
  Gemm g;
  g.M = a.size(a_rank - 2);
  g.K = a.size(a_rank - 1);
  g.N = b.size(b_rank - 1);
  g.a_row_stride = a.stride(a_rank - 2);
  g.a_col_stride = a.stride(a_rank - 1);
  g.b_row_stride = b.stride(b_rank - 2);
  g.b_col_stride = b.stride(b_rank - 1);
  g.bias_stride = bias ? bias.stride(0) : 0;
  g.activation = activation;

  Dims batch = broadcast_shapes(op, batch_of(a), batch_of(b));
  Dims shape = batch;
  shape.push_back(g.M);
  shape.push_back(g.N);
  const Array c = Array::empty(shape, a.dtype(), a.device());
  if (c.numel() == 0) return c;

  // Batch axes along which b stays the same and a walks on evenly are more rows of one product.
  Dims a_strides = batch_strides(a, batch), b_strides = batch_strides(b, batch), c_strides = batch_strides(c, batch);
  while (!batch.empty() && b_strides.back() == 0) {
    if (batch.back() != 1) {
      if (g.M == 1) {
        g.a_row_stride = a_strides.back();
      } else if (a_strides.back() != g.a_row_stride * g.M) {
        break;
      }
      g.M *= batch.back();
    }
    for (Dims* dims : {&batch, &a_strides, &b_strides, &c_strides}) dims->pop_back();
  }
  g.c_row_stride = g.N;
  g.batch = make_nest<3>(batch, {a_strides, b_strides, c_strides});

  const double products = static_cast<double>(g.batch.numel), item = static_cast<double>(a.item_size());
  const double macs = products * static_cast<double>(g.M) * static_cast<double>(g.N) * static_cast<double>(g.K);
  const double bytes = item * static_cast<double>(a.numel() + b.numel() + c.numel());
  const double arithmetic = Cost::multiply_adds(macs * item / 4).nanoseconds;
  const Cost cost{std::max(arithmetic, Cost::bytes(bytes).nanoseconds), 2 * macs};
  const size_t workspace = static_cast<size_t>(gemm_workspace(g, threads::count())) * a.item_size();
  launch(kernels::gemm, a.dtype(), g, {reads(a), reads(b), reads(bias), writes(c)}, cost, workspace);
  return c;
}

}  // namespace

Array matmul(const Array& a, const Array& b) {
  require_arithmetic("matmul", "a", a);
  require_arithmetic("matmul", "b", b);
  require_same_kind("matmul", a, b);
  if (a.ndim() == 0 || b.ndim() == 0) {
    fail(ErrorKind::shape, "matmul: %s has no axes; multiply by a single number with *", a.ndim() == 0 ? "a" : "b");
  }
  const Array left = a.ndim() == 1 ? with_unit_axis(a, 0) : a;
  const Array right = b.ndim() == 1 ? with_unit_axis(b, 1) : b;
  const int64_t from_a = left.shape().back(), from_b = right.size(right.ndim() - 2);
  if (from_a != from_b) {
    const bool transposed_fits = b.ndim() >= 2 && from_a == right.shape().back();
    fail(ErrorKind::shape,
         "matmul: a %s and b %s do not fit: the last axis of a has %lld elements and %s of b has %lld, expected the "
         "same number%s",
         a.shape().str().c_str(), b.shape().str().c_str(), static_cast<long long>(from_a),
         b.ndim() == 1 ? "the axis" : "the second to last axis", static_cast<long long>(from_b),
         transposed_fits ? "; is b transposed? swap its last two axes" : "");
  }
  const Array product = multiply("matmul", left, right, Array(), Activation::none);
  if (a.ndim() > 1 && b.ndim() > 1) return product;
  Dims shape = product.shape();
  if (b.ndim() == 1) shape.erase(shape.size() - 1);
  if (a.ndim() == 1) shape.erase(shape.size() - (b.ndim() == 1 ? 1 : 2));
  return Array(product.storage_ref(), product.offset(), shape, contiguous_strides(shape), product.dtype());
}

Array linear(const Array& x, const Array& w, const Array& bias, Activation activation) {
  require_arithmetic("linear", "x", x);
  require_arithmetic("linear", "w", w);
  require_same_kind("linear", x, w);
  if (w.ndim() != 2) {
    fail(ErrorKind::shape, "linear: w must be [in, out], found %s", w.shape().str().c_str());
  }
  if (x.ndim() == 0) fail(ErrorKind::shape, "linear: x must be [..., in], found a single number");
  const int64_t in = w.size(0), out = w.size(1);
  if (x.shape().back() != in) {
    fail(ErrorKind::shape, "linear: the last axis of x %s has %lld elements, expected %lld as w is [in, out] = %s%s",
         x.shape().str().c_str(), static_cast<long long>(x.shape().back()), static_cast<long long>(in),
         w.shape().str().c_str(), x.shape().back() == out ? "; is w transposed ([out, in])?" : "");
  }
  if (bias) {
    require_arithmetic("linear", "b", bias);
    require_same_kind("linear", x, bias);
    if (bias.ndim() != 1 || bias.size(0) != out) {
      fail(ErrorKind::shape, "linear: b must be [out] = [%lld] as w is [in, out] = %s, found %s",
           static_cast<long long>(out), w.shape().str().c_str(), bias.shape().str().c_str());
    }
  }
  if (x.ndim() > 1) return multiply("linear", x, w, bias, activation);
  const Array row = multiply("linear", with_unit_axis(x, 0), w, bias, activation);
  return Array(row.storage_ref(), row.offset(), {out}, {1}, row.dtype());
}

LinearGradients linear_backward(const Array& grad, const Array& x, const Array& w, bool needs_x, bool needs_w,
                                bool needs_bias) {
  const auto rows_of = [](const Array& array) {  // [..., n] as [rows, n]
    const int64_t n = array.size(array.ndim() - 1);
    if (array.ndim() == 2) return array;
    int64_t rows = 1;
    for (int d = 0; d + 1 < array.ndim(); ++d) rows *= array.size(d);
    return reshape(array, {rows, n});
  };
  const Array g = rows_of(grad);
  LinearGradients gradients;
  if (needs_x) gradients.x = matmul(grad, permute(w, {1, 0}));
  if (needs_w) gradients.w = matmul(permute(rows_of(x), {1, 0}), g);
  if (needs_bias) gradients.bias = sum(g, int64_t{0}, false);
  return gradients;
}

Activation activation_named(const char* op, const char* activation) {
  constexpr const char* names[] = {"none", "relu", "sigmoid", "tanh", "gelu"};
  for (int i = 0; i < 5; ++i) {
    if (std::strcmp(activation, names[i]) == 0) return static_cast<Activation>(i);
  }
  fail(ErrorKind::argument, "%s: activation must be None, 'relu', 'sigmoid', 'tanh' or 'gelu', found '%s'", op,
       activation);
}

}  // namespace tilegrad::ops
