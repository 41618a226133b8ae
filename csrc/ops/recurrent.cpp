#include "ops/recurrent.h"

#include "core/launch.h"
#include "core/recording.h"
#include "core/size.h"
#include "ops/elementwise.h"
#include "ops/matmul.h"
#include "ops/reduce.h"
#include "ops/views.h"

namespace tilegrad::ops {
namespace {

// [N, T, width] as [T, N, width] or the other way round.
Array swap_batch(const Array& x) { return permute(x, {1, 0, 2}); }

// A checked call, and the kernel's sizes. All arrays but x and w are contiguous.
struct Call {
  const char* op;
  int64_t gates;
  bool batch_first;
  Recurrent p{};
  Array x, w, u, b, bias, state, cell, lengths;

  // x as the kernels see it.
  Array steps() const { return contiguous(batch_first ? swap_batch(x) : x); }
  Array rows(int64_t width) const { return Array::empty({p.T, p.N, width}, x.dtype(), x.device()); }
  Array all_states() const { return Array::empty({p.T + 1, p.N, p.H}, x.dtype(), x.device()); }
  Array states() const { return Array::empty({p.N, p.H}, x.dtype(), x.device()); }
  // Of all states: those after every step, which are the outputs, and those before.
  Array outputs(const Array& all) const {
    const Array y = slice(all, 0, p.reverse ? 0 : 1, p.T, 1);
    return batch_first ? swap_batch(y) : y;
  }
  Array earlier(const Array& all) const { return slice(all, 0, p.reverse ? 1 : 0, p.T, 1); }
  // Whether the states before do not lie there, params/recurrent.h.
  bool collects_earlier() const { return p.reverse && lengths && state; }

  size_t workspace(bool backward) const {
    return static_cast<size_t>(RecurrentScratch(p, gates, backward).bytes(static_cast<int64_t>(x.item_size())));
  }
  Cost cost() const {
    const double units = static_cast<double>(p.N * p.T) * static_cast<double>(p.H * gates);
    const double macs = units * static_cast<double>(p.H);
    const Cost products = Cost::multiply_adds(macs * static_cast<double>(x.item_size()) / 4);
    return {products.nanoseconds + Cost::elements(units, 0.6).nanoseconds, 2 * macs};
  }
};

void require_shape(const Call& call, const char* argument, const Array& array, const Dims& shape, const char* letters) {
  require_same_kind(call.op, call.x, array);
  if (array.shape() == shape) return;
  fail(ErrorKind::shape, "%s: %s must be %s = %s, found %s", call.op, argument, letters, shape.str().c_str(),
       array.shape().str().c_str());
}

template <typename T>
void check_lengths(const char* op, const Array& lengths, int64_t T_) {
  check_values({reads(lengths)}, [name = std::string(op), count = lengths.numel(), step = lengths.stride(0),
                                  most = T_](void* const* data) {
    const T* values = static_cast<const T*>(data[0]);
    for (int64_t n = 0; n < count; ++n) {
      const int64_t length = static_cast<int64_t>(values[n * step]);
      if (length >= 0 && length <= most) continue;
      fail(ErrorKind::index, "%s: lengths[%lld] is %lld, expected 0 to %lld, the steps of x", name.c_str(),
           static_cast<long long>(n), static_cast<long long>(length), static_cast<long long>(most));
    }
  });
}

Array check_lengths(const char* op, const Array& lengths, const Recurrent& p) {
  if (!is_integer(lengths.dtype())) {
    fail(ErrorKind::dtype, "%s: lengths must be int64, int32 or uint8, found %s", op, lengths.str().c_str());
  }
  if (lengths.ndim() != 1 || lengths.size(0) != p.N) {
    fail(ErrorKind::shape, "%s: lengths must be [N] = [%lld], one for each sequence, found %s", op,
         static_cast<long long>(p.N), lengths.shape().str().c_str());
  }
  switch (lengths.dtype()) {
    case DType::int32:
      check_lengths<int32_t>(op, lengths, p.T);
      break;
    case DType::uint8:
      check_lengths<uint8_t>(op, lengths, p.T);
      break;
    default:
      check_lengths<int64_t>(op, lengths, p.T);
  }
  return contiguous(cast(lengths, DType::int64));
}

Call check(const char* op, int64_t gates, const Sequences& s, const Cells& cells, Activation activation) {
  if (activation != Activation::tanh && activation != Activation::relu) {
    fail(ErrorKind::argument, "%s: nonlinearity must be 'tanh' or 'relu'", op);
  }
  Call call;
  call.op = op;
  call.gates = gates;
  call.batch_first = s.batch_first;
  const Array& x = s.x;
  if (x.dtype() != DType::float32 && x.dtype() != DType::float64) {
    fail(ErrorKind::dtype, "%s: x must be float32 or float64, found %s; cast it with .astype()", op, x.str().c_str());
  }
  if (x.ndim() != 3) {
    fail(ErrorKind::shape, "%s: x must be %s, found %s", op,
         s.batch_first ? "[N, T, in]" : "[T, N, in] (batch_first=False)", x.str().c_str());
  }
  call.x = x;
  Recurrent& p = call.p;
  p.N = x.size(s.batch_first ? 0 : 1);
  p.T = x.size(s.batch_first ? 1 : 0);
  p.reverse = s.reverse;
  p.activation = activation;
  require_same_kind(op, x, cells.u);
  if (cells.u.ndim() != 2 || cells.u.size(0) < 1 || cells.u.size(1) % gates != 0 ||
      cells.u.size(1) / gates != cells.u.size(0)) {
    fail(ErrorKind::shape, "%s: u must be [H, %sH], found %s%s", op,
         gates == 1   ? ""
         : gates == 3 ? "3 "
                      : "4 ",
         cells.u.shape().str().c_str(),
         cells.u.ndim() == 2 && gates > 1 && cells.u.size(0) == gates * cells.u.size(1) ? "; is it transposed?" : "");
  }
  p.H = cells.u.size(0);
  const int64_t width = gates * p.H, in = x.size(2);
  require_shape(call, "w", cells.w, {in, width}, gates == 1 ? "[in, H]" : gates == 3 ? "[in, 3 H]" : "[in, 4 H]");
  if (cells.b) {
    require_shape(call, "b", cells.b, {width}, gates == 1 ? "[H]" : gates == 3 ? "[3 H]" : "[4 H]");
  }
  if (cells.bias) require_shape(call, "b_n", cells.bias, {p.H}, "[H]");
  if (cells.state) require_shape(call, "h0", cells.state, {p.N, p.H}, "[N, H]");
  if (cells.cell) require_shape(call, "c0", cells.cell, {p.N, p.H}, "[N, H]");
  checked_multiply(checked_multiply(p.N, p.T, op), width, op);
  if (s.lengths) call.lengths = check_lengths(op, s.lengths, p);
  call.w = cells.w;
  call.u = contiguous(cells.u);
  call.b = cells.b;
  const auto dense = [](const Array& array) { return array ? contiguous(array) : array; };
  call.bias = dense(cells.bias);
  call.state = dense(cells.state);
  call.cell = dense(cells.cell);
  return call;
}

// x W + b of all steps.
Array project(const Call& call) { return linear(call.steps(), call.w, call.b, Activation::none); }

Array dense(const Array& grad) { return grad ? contiguous(grad) : grad; }

// The gradient of the outputs as the kernels take it: its layout goes into the sizes.
Array outputs_gradient(Call& call, const Array& grad) {
  if (!grad) return grad;
  const Array dy = grad.stride(2) == 1 || call.p.H == 1 ? grad : contiguous(grad);
  call.p.dy_n_step = dy.stride(call.batch_first ? 0 : 1);
  call.p.dy_t_step = dy.stride(call.batch_first ? 1 : 0);
  return dy;
}

// The gradients of the parameters and of x from those of the gates' sums: d of x W + b, du of h U, where `earlier` is h.
RecurrentGradients gather_gradients(const Call& call, const Array& d, const Array& du, const Array& earlier,
                                    const RecurrentNeeds& needs) {
  const int64_t rows = call.p.N * call.p.T, width = call.gates * call.p.H;
  RecurrentGradients g;
  LinearGradients of_x = linear_backward(d, needs.w ? call.steps() : call.x, call.w, needs.x, needs.w, needs.b);
  g.x = of_x.x && call.batch_first ? swap_batch(of_x.x) : of_x.x;
  g.w = of_x.w;
  g.b = of_x.bias;
  const Array flat = reshape(du, {rows, width});
  if (needs.u) g.u = matmul(permute(reshape(earlier, {rows, call.p.H}), {1, 0}), flat);
  if (needs.bias) g.bias = sum(slice(flat, 1, 2 * call.p.H, call.p.H, 1), int64_t{0}, false);
  return g;
}

}  // namespace

RecurrentResult rnn(const Sequences& sequences, const Cells& cells, Activation activation) {
  const Call call = check("rnn", 1, sequences, cells, activation);
  const Array sums = project(call);
  RecurrentResult out;
  out.all = call.all_states();
  out.state = call.states();
  out.y = call.outputs(out.all);
  if (call.p.N == 0) return out;
  launch(kernels::rnn, call.x.dtype(), call.p,
         {reads(call.u), reads(call.state), reads(call.lengths), reads(sums), writes(out.all), writes(out.state)},
         call.cost(), call.workspace(false));
  return out;
}

RecurrentGradients rnn_backward(const Sequences& sequences, const Cells& cells, Activation activation,
                                const RecurrentResult& result, const RecurrentResult& grad,
                                const RecurrentNeeds& needs) {
  Call call = check("rnn", 1, sequences, cells, activation);
  const Array dy = outputs_gradient(call, grad.y), dstate = dense(grad.state), d = call.rows(call.p.H);
  const Array earlier = needs.u && call.collects_earlier() ? call.rows(call.p.H) : Array();
  const Array initial = needs.state ? call.states() : Array();
  if (call.p.N > 0) {
    launch(kernels::rnn_backward, call.x.dtype(), call.p,
           {reads(call.u), reads(call.state), reads(call.lengths), reads(result.all), reads(dy), reads(dstate),
            writes(d), writes(earlier), writes(initial)},
           call.cost(), call.workspace(true));
  }
  RecurrentGradients g = gather_gradients(call, d, d, earlier ? earlier : call.earlier(result.all), needs);
  g.state = initial;
  return g;
}

RecurrentResult gru(const Sequences& sequences, const Cells& cells) {
  const Call call = check("gru", 3, sequences, cells, Activation::tanh);
  RecurrentResult out;
  out.gates = project(call);
  out.inner = call.rows(call.p.H);
  out.all = call.all_states();
  out.state = call.states();
  out.y = call.outputs(out.all);
  if (call.p.N == 0) return out;
  launch(kernels::gru, call.x.dtype(), call.p,
         {reads(call.u), reads(call.bias), reads(call.state), reads(call.lengths), updates(out.gates),
          writes(out.inner), writes(out.all), writes(out.state)},
         call.cost(), call.workspace(false));
  return out;
}

RecurrentGradients gru_backward(const Sequences& sequences, const Cells& cells, const RecurrentResult& result,
                                const RecurrentResult& grad, const RecurrentNeeds& needs) {
  Call call = check("gru", 3, sequences, cells, Activation::tanh);
  const Array dy = outputs_gradient(call, grad.y), dstate = dense(grad.state);
  const Array d = call.rows(3 * call.p.H), du = call.rows(3 * call.p.H);
  const Array earlier = needs.u && call.collects_earlier() ? call.rows(call.p.H) : Array();
  const Array initial = needs.state ? call.states() : Array();
  if (call.p.N > 0) {
    launch(kernels::gru_backward, call.x.dtype(), call.p,
           {reads(call.u), reads(call.state), reads(call.lengths), reads(result.gates), reads(result.inner),
            reads(result.all), reads(dy), reads(dstate), writes(d), writes(du), writes(earlier), writes(initial)},
           call.cost(), call.workspace(true));
  }
  RecurrentGradients g = gather_gradients(call, d, du, earlier ? earlier : call.earlier(result.all), needs);
  g.state = initial;
  return g;
}

RecurrentResult lstm(const Sequences& sequences, const Cells& cells) {
  const Call call = check("lstm", 4, sequences, cells, Activation::tanh);
  RecurrentResult out;
  out.gates = project(call);
  out.inner = call.rows(call.p.H);
  out.all = call.all_states();
  out.state = call.states();
  out.cell = call.states();
  out.y = call.outputs(out.all);
  if (call.p.N == 0) return out;
  launch(kernels::lstm, call.x.dtype(), call.p,
         {reads(call.u), reads(call.state), reads(call.cell), reads(call.lengths), updates(out.gates),
          writes(out.inner), writes(out.all), writes(out.state), writes(out.cell)},
         call.cost(), call.workspace(false));
  return out;
}

RecurrentGradients lstm_backward(const Sequences& sequences, const Cells& cells, const RecurrentResult& result,
                                 const RecurrentResult& grad, const RecurrentNeeds& needs) {
  Call call = check("lstm", 4, sequences, cells, Activation::tanh);
  const Array dy = outputs_gradient(call, grad.y), dstate = dense(grad.state), dcell = dense(grad.cell);
  const Array d = call.rows(4 * call.p.H);
  const Array earlier = needs.u && call.collects_earlier() ? call.rows(call.p.H) : Array();
  const Array initial = needs.state ? call.states() : Array(), initial_cell = needs.cell ? call.states() : Array();
  if (call.p.N > 0) {
    launch(kernels::lstm_backward, call.x.dtype(), call.p,
           {reads(call.u), reads(call.state), reads(call.cell), reads(call.lengths), reads(result.gates),
            reads(result.inner), reads(result.all), reads(dy), reads(dstate), reads(dcell), writes(d), writes(earlier),
            writes(initial), writes(initial_cell)},
           call.cost(), call.workspace(true));
  }
  RecurrentGradients g = gather_gradients(call, d, d, earlier ? earlier : call.earlier(result.all), needs);
  g.state = initial;
  g.cell = initial_cell;
  return g;
}

}  // namespace tilegrad::ops
