#include "ops/attention.h"

#include "core/launch.h"
#include "core/size.h"
#include "core/threads.h"
#include "ops/creation.h"
#include "ops/elementwise.h"
#include "ops/loop_nest.h"
#include "ops/random_state.h"
#include "ops/views.h"

namespace tilegrad::ops {
namespace {

constexpr const char* kOp = "scaled_dot_product_attention";

void require_operand(const char* name, const char* letters, const Array& x, const Array& q) {
  if (x.ndim() != 3 && x.ndim() != 4) {
    fail(ErrorKind::shape, "%s: %s must be [N, H, %s] or [N, %s], found %s", kOp, name, letters, letters,
         x.shape().str().c_str());
  }
  if (x.dtype() != DType::float32 && x.dtype() != DType::float64) {
    fail(ErrorKind::dtype, "%s: %s must be float32 or float64, found %s; cast it with .astype(tg.float32)", kOp, name,
         tilegrad::name(x.dtype()));
  }
  require_same_kind(kOp, q, x);
  bool fits = x.ndim() == q.ndim();
  for (int d = 0; fits && d + 2 < q.ndim(); ++d) fits = x.size(d) == q.size(d);
  if (!fits) {
    fail(ErrorKind::shape, "%s: q %s and %s %s must have the same samples and heads", kOp, q.shape().str().c_str(),
         name, x.shape().str().c_str());
  }
}

void require_operands(const Array& q, const Array& k, const Array& v) {
  require_operand("q", "T, D", q, q);
  require_operand("k", "S, D", k, q);
  require_operand("v", "S, E", v, q);
  if (k.shape().back() != q.shape().back()) {
    fail(ErrorKind::shape, "%s: q %s and k %s must have the same number of features", kOp, q.shape().str().c_str(),
         k.shape().str().c_str());
  }
  if (v.size(v.ndim() - 2) != k.size(k.ndim() - 2)) {
    fail(ErrorKind::shape, "%s: k %s and v %s must be sequences of the same length", kOp, k.shape().str().c_str(),
         v.shape().str().c_str());
  }
  if (q.shape().back() < 1 || v.shape().back() < 1) {
    fail(ErrorKind::shape, "%s: q %s and v %s must have at least 1 feature", kOp, q.shape().str().c_str(),
         v.shape().str().c_str());
  }
}

// With an axis of heads, and contiguous features.
Array as_heads(const Array& x) {
  const Array heads = x.ndim() == 3 ? expand_dims(x, 1) : x;
  return heads.stride(3) == 1 || heads.size(3) == 1 ? heads : contiguous(heads);
}

// A new [N, H, rows, features] whose axes lie in memory in the order of those of x: as [N, rows, H, features] where x is
// such a view, so that merging the heads is a view again.
Array like(const Array& x, int64_t features) {
  const int64_t N = x.size(0), H = x.size(1), rows = x.size(2);
  if (x.stride(1) >= x.stride(2)) return Array::empty({N, H, rows, features}, x.dtype(), x.device());
  return permute(Array::empty({N, rows, H, features}, x.dtype(), x.device()), {0, 2, 1, 3});
}

AttentionStrides strides(const Array& x) { return {x.stride(0), x.stride(1), x.stride(2)}; }

// The axis of heads goes again where the caller has none.
Array as_given(const Array& result, const Array& given) { return given.ndim() == 3 ? squeeze(result, 1) : result; }

Attention sizes(const Array& q, const Array& k, const Array& v, const Array& mask, const AttentionOptions& options) {
  Attention p{};
  p.N = q.size(0), p.H = q.size(1), p.T = q.size(2), p.D = q.size(3), p.S = k.size(2), p.E = v.size(3);
  p.q = strides(q), p.k = strides(k), p.v = strides(v);
  p.scale = options.scale;
  p.causal = options.causal;
  p.drops = options.dropout > 0;
  p.keep = choice(kOp, 1 - options.dropout, 0);
  p.keep_scale = 1 / (1 - options.dropout);
  checked_multiply(checked_multiply(checked_multiply(p.N, p.H, kOp), p.T, kOp), p.S + kAttentionBlock, kOp);
  checked_multiply(checked_add(p.D, p.E, kOp), 16 * kAttentionBlock, kOp);
  if (mask) {
    const Dims broadcast = broadcast_strides(mask, {p.N, p.H, p.T, p.S});
    p.mask = {broadcast[0], broadcast[1], broadcast[2]};
    p.mask_step = broadcast[3];
  }
  return p;
}

// The mask as broadcast_strides takes it: without an axis of heads it gets one.
Array checked_mask(const Array& mask, const Array& q, const Array& k) {
  if (!mask) return mask;
  if (mask.dtype() != DType::boolean && mask.dtype() != q.dtype()) {
    fail(ErrorKind::dtype,
         "%s: mask must be bool (true where a query sees a key) or %s (added to the scores), found %s; cast it with "
         ".astype()",
         kOp, name(q.dtype()), name(mask.dtype()));
  }
  Dims shape = q.shape();
  shape[q.ndim() - 1] = k.size(k.ndim() - 2);
  bool fits = mask.ndim() <= q.ndim();
  for (int d = 0; fits && d < mask.ndim(); ++d) {
    const int64_t extent = mask.size(mask.ndim() - 1 - d);
    fits = extent == 1 || extent == shape[q.ndim() - 1 - d];
  }
  if (!fits) {
    fail(ErrorKind::shape, "%s: mask %s does not broadcast to the scores, %s", kOp, mask.shape().str().c_str(),
         shape.str().c_str());
  }
  return q.ndim() == 3 && mask.ndim() == 3 ? expand_dims(mask, 1) : mask;
}

Cost attention_cost(const Attention& p, double products) {
  const double pairs = static_cast<double>(p.N * p.H) * static_cast<double>(p.T) * static_cast<double>(p.S);
  const double seen = p.causal ? pairs / 2 : pairs;
  Cost cost = Cost::multiply_adds(products * seen * static_cast<double>(p.D + p.E) / 2);
  cost.nanoseconds += Cost::elements(seen, p.drops ? 2 : 0.7).nanoseconds;
  return cost;
}

size_t workspace_bytes(const Attention& p, const Array& q, bool backward) {
  const AttentionWorkspace at = attention_workspace(p, backward);
  const int64_t elements =
      checked_add(checked_multiply(threads::count(), checked_add(at.per_member, 0, kOp), kOp), at.deltas, kOp);
  return static_cast<size_t>(checked_multiply(elements, static_cast<int64_t>(q.item_size()), kOp));
}

}  // namespace

Attended attention(const Array& given_q, const Array& given_k, const Array& given_v, const Array& given_mask,
                   const Array& state, const AttentionOptions& options, bool want_gradient) {
  require_operands(given_q, given_k, given_v);
  const Array mask = checked_mask(given_mask, given_q, given_k);
  if (!(options.dropout >= 0 && options.dropout < 1)) {
    fail(ErrorKind::argument, "%s: dropout_p must be at least 0 and below 1, found %g", kOp, options.dropout);
  }
  const Array q = as_heads(given_q), k = as_heads(given_k), v = as_heads(given_v);
  Attention p = sizes(q, k, v, mask, options);
  if (p.drops) require_state(kOp, state);
  const Array y = like(q, p.E);
  p.y = strides(y);
  Attended result{as_given(y, given_q), Array(), Array()};
  if (want_gradient) result.log_sum = Array::empty({p.N, p.H, p.T}, q.dtype(), q.device());
  if (want_gradient && p.drops) result.used = Array::empty({2}, DType::int64, q.device());
  const bool adds = mask && mask.dtype() != DType::boolean;
  const Array none = Array();
  launch(kernels::attention, q.dtype(), p,
         {reads(q), reads(k), reads(v), reads(adds ? none : mask), reads(adds ? mask : none),
          updates(p.drops ? state : none), writes(result.used), writes(y), writes(result.log_sum)},
         attention_cost(p, 2), workspace_bytes(p, q, false));
  return result;
}

AttentionGradients attention_backward(const Array& given_grad, const Array& given_q, const Array& given_k,
                                      const Array& given_v, const Array& given_mask, const Attended& forward,
                                      const AttentionOptions& options) {
  require_operands(given_q, given_k, given_v);
  const Array mask = checked_mask(given_mask, given_q, given_k);
  const Array q = as_heads(given_q), k = as_heads(given_k), v = as_heads(given_v), y = as_heads(forward.y),
              grad = as_heads(given_grad);
  Attention p = sizes(q, k, v, mask, options);
  const Dims expected{p.N, p.H, p.T, p.E};
  if (!(grad.shape() == expected) || !(y.shape() == expected) || grad.dtype() != q.dtype()) {
    fail(ErrorKind::shape, "%s: grad and y must be %s %s, found %s and %s", kOp, name(q.dtype()),
         expected.str().c_str(), grad.str().c_str(), y.str().c_str());
  }
  const Array dq = like(q, p.D), dk = like(k, p.D), dv = like(v, p.E);
  p.y = strides(y), p.dy = strides(grad);
  p.dq = strides(dq), p.dk = strides(dk), p.dv = strides(dv);
  if (p.S == 0) {  // no key to sum over
    fill(dq, Scalar(0.0));
  } else {
    const bool adds = mask && mask.dtype() != DType::boolean;
    const Array none = Array();
    launch(kernels::attention_backward, q.dtype(), p,
           {reads(q), reads(k), reads(v), reads(adds ? none : mask), reads(adds ? mask : none), reads(forward.used),
            reads(y), reads(forward.log_sum), reads(grad), writes(dq), writes(dk), writes(dv)},
           attention_cost(p, 5), workspace_bytes(p, q, true));
  }
  return {as_given(dq, given_q), as_given(dk, given_k), as_given(dv, given_v)};
}

}  // namespace tilegrad::ops
