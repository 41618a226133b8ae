#include "ops/elementwise.h"

#include <array>
#include <span>
#include <string>
#include <utility>

#include "ops/loop_nest.h"
#include "ops/views.h"

namespace tilegrad::ops {
namespace {

template <size_t kInputs>
using Inputs = std::array<const Array*, kInputs>;

void require_supported(const char* op, const KernelSet* KernelTable::* entry, DType dtype, Device device) {
  const KernelSet& set = *(kernel_table(device).*entry);
  if (set.by_dtype[static_cast<int>(dtype)]) return;
  std::string supported;
  for (int d = 0; d < kDTypeCount; ++d) {
    if (set.by_dtype[d]) supported += (supported.empty() ? "" : ", ") + std::string(name(static_cast<DType>(d)));
  }
  fail(ErrorKind::dtype, "%s: %s is not supported (%s are); cast with .astype()", op, name(dtype), supported.c_str());
}

Dims shape_of(const char* op, std::span<const Array* const> inputs) {
  Dims shape = inputs[0]->shape();
  for (size_t i = 1; i < inputs.size(); ++i) {
    if (!(inputs[i]->shape() == shape)) shape = broadcast_shapes(op, shape, inputs[i]->shape());
  }
  return shape;
}

int64_t distance(int64_t stride) { return stride < 0 ? -stride : stride; }

// An uninitialised array. Where no operand of the full shape is contiguous, its dimensions lie in memory in the order
// of the first one, so that both are walked along memory.
Array allocate(const Dims& shape, DType dtype, std::span<const Array* const> inputs) {
  const Device device = inputs[0]->device();
  const Array* model = nullptr;
  for (const Array* input : inputs) {
    if (!(input->shape() == shape)) continue;
    if (input->is_contiguous()) return Array::empty(shape, dtype, device);
    if (!model) model = input;
  }
  Array y = Array::empty(shape, dtype, device);
  if (!model || shape.size() < 2) return y;
  Dims order;  // dimensions from the outermost in memory to the innermost
  for (int d = 0; d < shape.size(); ++d) {
    int place = order.size();
    while (place > 0 && distance(model->stride(static_cast<int>(order[place - 1]))) < distance(model->stride(d)) &&
           model->stride(static_cast<int>(order[place - 1])) != 0) {
      --place;
    }
    order.insert(place, d);
  }
  Dims strides = Dims::filled(shape.size(), 1);
  int64_t step = 1;
  for (int i = shape.size() - 1; i >= 0; --i) {
    strides[static_cast<int>(order[i])] = step;
    step *= shape[static_cast<int>(order[i])];
  }
  return Array(y.storage_ref(), y.offset(), shape, strides, dtype);
}

// The nest over all operands, the output last, with the output's innermost dimension in memory innermost.
template <size_t kInputs>
LoopNest<kInputs + 1> nest_of(const Inputs<kInputs>& inputs, const Array& y) {
  constexpr int kOperands = kInputs + 1;
  Dims strides[kOperands];
  for (size_t i = 0; i < kInputs; ++i) {
    strides[i] = inputs[i]->shape() == y.shape() ? inputs[i]->strides() : broadcast_strides(*inputs[i], y.shape());
  }
  strides[kInputs] = y.strides();
  Dims shape = y.shape();
  for (int d = 1; d < shape.size(); ++d) {  // an insertion sort; nothing moves where y is contiguous
    for (int e = d; e > 0 && distance(strides[kInputs][e - 1]) < distance(strides[kInputs][e]) && shape[e] != 1; --e) {
      std::swap(shape[e - 1], shape[e]);
      for (Dims& s : strides) std::swap(s[e - 1], s[e]);
    }
  }
  return make_nest<kOperands>(shape, strides);
}

// About what one element costs on one core, so that small launches stay on the caller's thread.
double nanoseconds_each(const KernelSet* KernelTable::* entry, DType dtype) {
  constexpr const KernelSet* KernelTable::* kCheap[] = {
      &KernelTable::add,           &KernelTable::subtract, &KernelTable::multiply,      &KernelTable::divide,
      &KernelTable::negative,      &KernelTable::absolute, &KernelTable::square,        &KernelTable::sqrt,
      &KernelTable::relu,          &KernelTable::add_relu, &KernelTable::relu_backward, &KernelTable::sigmoid_backward,
      &KernelTable::tanh_backward, &KernelTable::maximum,  &KernelTable::minimum,       &KernelTable::where,
      &KernelTable::clip,          &KernelTable::equal,    &KernelTable::less,          &KernelTable::greater,
      &KernelTable::reciprocal,    &KernelTable::relu6,    &KernelTable::leaky_relu,    &KernelTable::step,
      &KernelTable::cube,
  };
  const double width = static_cast<double>(item_size(dtype)) / 4.0;
  for (const auto cheap : kCheap) {
    if (cheap == entry) return 0.15 * width;
  }
  return 1.0 * width;
}

template <size_t kInputs>
void launch_into(const KernelName<LoopNest<kInputs + 1>>& kernel, DType dtype, const Inputs<kInputs>& inputs,
                 const Array& y) {
  if (y.numel() == 0) return;
  const LoopNest<kInputs + 1> nest = nest_of<kInputs>(inputs, y);
  Operand operands[kInputs + 1];
  for (size_t i = 0; i < kInputs; ++i) operands[i] = reads(*inputs[i]);
  operands[kInputs] = writes(y);
  launch(kernel, dtype, nest, std::span<const Operand>(operands),
         Cost::elements(static_cast<double>(nest.numel), nanoseconds_each(kernel.entry, dtype)));
}

// Whether x is large and lies across y, so that walking along y would want a cache line for each of its elements: a copy, which
// goes by squares, is faster.
bool lies_across(const Array& x, const Array& y) {
  constexpr int64_t kLarge = int64_t{1} << 14, kLong = 16;
  if (x.numel() < kLarge || !(x.shape() == y.shape()) || x.device().type != DeviceType::cpu || !y.is_contiguous()) {
    return false;
  }
  int inner = x.ndim() - 1;
  while (x.size(inner) == 1) --inner;
  if (x.size(inner) < kLong || distance(x.stride(inner)) < kLong) return false;
  for (int d = 0; d < inner; ++d) {
    if (x.stride(d) == 1 && x.size(d) >= kLong) return true;
  }
  return false;
}

// launch_into with copies of the inputs that lie across y.
template <size_t kInputs>
[[gnu::noinline]] void launch_copied(const KernelName<LoopNest<kInputs + 1>>& kernel, DType dtype,
                                     const Inputs<kInputs>& inputs, const Array& y) {
  Array copies[kInputs];
  Inputs<kInputs> along = inputs;
  for (size_t i = 0; i < kInputs; ++i) {
    if (!lies_across(*inputs[i], y)) continue;
    copies[i] = contiguous(*inputs[i]);
    along[i] = &copies[i];
  }
  launch_into<kInputs>(kernel, dtype, along, y);
}

// The whole of an elementwise op: inputs of one dtype and device in, a new array of `out` out.
template <size_t kInputs>
Array elementwise(const KernelName<LoopNest<kInputs + 1>>& kernel, const Inputs<kInputs>& inputs, DType out) {
  const Array& first = *inputs[0];
  require_supported(kernel.name, kernel.entry, first.dtype(), first.device());
  for (size_t i = 1; i < kInputs; ++i) require_same_kind(kernel.name, first, *inputs[i]);
  const Array y = allocate(shape_of(kernel.name, inputs), out, inputs);
  bool across = false;
  for (size_t i = 0; kInputs > 1 && i < kInputs; ++i)
    across |= lies_across(*inputs[i], y);  // (y lies as a single input does)
  if (across) {
    launch_copied<kInputs>(kernel, first.dtype(), inputs, y);
  } else {
    launch_into<kInputs>(kernel, first.dtype(), inputs, y);
  }
  return y;
}

}  // namespace

void require_same_kind(const char* op, const Array& a, const Array& b) {
  if (a.dtype() != b.dtype()) {
    fail(ErrorKind::dtype,
         "%s: operands have dtypes %s and %s, which are never mixed silently; cast one with .astype()", op,
         name(a.dtype()), name(b.dtype()));
  }
  if (!(a.device() == b.device())) {
    fail(ErrorKind::device, "%s: operands are on %s and %s; move one with .to()", op, name(a.device()),
         name(b.device()));
  }
}

Array unary(const KernelName<LoopNest<2>>& kernel, const Array& x) { return elementwise<1>(kernel, {&x}, x.dtype()); }
Array binary(const KernelName<LoopNest<3>>& kernel, const Array& a, const Array& b) {
  return elementwise<2>(kernel, {&a, &b}, a.dtype());
}
Array ternary(const KernelName<LoopNest<4>>& kernel, const Array& a, const Array& b, const Array& c) {
  return elementwise<3>(kernel, {&a, &b, &c}, a.dtype());
}
Array predicate(const KernelName<LoopNest<2>>& kernel, const Array& x) {
  return elementwise<1>(kernel, {&x}, DType::boolean);
}
Array comparison(const KernelName<LoopNest<3>>& kernel, const Array& a, const Array& b) {
  return elementwise<2>(kernel, {&a, &b}, DType::boolean);
}

void unary_into(const KernelName<LoopNest<2>>& kernel, const Array& x, const Array& y) {
  launch_into<1>(kernel, x.dtype(), {&x}, y);
}
void binary_into(const KernelName<LoopNest<3>>& kernel, const Array& a, const Array& b, const Array& y) {
  launch_into<2>(kernel, a.dtype(), {&a, &b}, y);
}

Array fused_multiply_add(const Array& a, const Array& b, const Array& c) {
  return ternary(kernels::fused_multiply_add, a, b, c);
}

Array sin(const Array& x) { return unary(kernels::sin, x); }
Array cos(const Array& x) { return unary(kernels::cos, x); }

Array clip(const Array& x, const Array& low, const Array& high) { return ternary(kernels::clip, x, low, high); }
Array clip_backward(const Array& g, const Array& x, const Array& low, const Array& high) {
  return elementwise<4>(kernels::clip_backward, {&g, &x, &low, &high}, g.dtype());
}

Array prelu(const Array& x, const Array& slope) {
  const KernelName<LoopNest<3>> kernel{kernels::leaky_relu.entry, "prelu"};
  require_supported(kernel.name, kernel.entry, x.dtype(), x.device());
  require_same_kind(kernel.name, x, slope);
  const bool fits = slope.ndim() == 0 ||
                    (slope.ndim() == 1 && x.ndim() > 0 && (slope.size(0) == 1 || slope.size(0) == x.shape().back()));
  if (!fits) {
    fail(ErrorKind::shape, "prelu: slope must be one number or one per channel (the last axis) of x %s, found %s",
         x.shape().str().c_str(), slope.shape().str().c_str());
  }
  return binary(kernel, x, slope);
}

Array where(const Array& condition, const Array& a, const Array& b) {
  if (condition.dtype() != DType::boolean) {
    fail(ErrorKind::dtype, "where: the condition must be a bool tensor, found %s; compare it, as in x != 0",
         condition.str().c_str());
  }
  require_same_kind("where", a, b);
  if (!(condition.device() == a.device())) {
    fail(ErrorKind::device, "where: the condition is on %s and the values on %s; move one with .to()",
         name(condition.device()), name(a.device()));
  }
  // a and b come first where the output's layout and the errors are concerned.
  const Inputs<3> by_weight{&a, &b, &condition};
  const Array y = allocate(shape_of("where", by_weight), a.dtype(), by_weight);
  launch_into<3>(kernels::where, a.dtype(), {&condition, &a, &b}, y);
  return y;
}

Array cast(const Array& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  const KernelName<LoopNest<2>> to[kDTypeCount] = {
      kernels::cast_to_float32, kernels::cast_to_float64, kernels::cast_to_bfloat16, kernels::cast_to_float16,
      kernels::cast_to_int64,   kernels::cast_to_int32,   kernels::cast_to_uint8,    kernels::cast_to_bool};
  return elementwise<1>(to[static_cast<int>(dtype)], {&x}, dtype);
}

}  // namespace tilegrad::ops
