#include "ops/conv_passes.h"

#include <algorithm>
#include <cmath>

#include "core/launch.h"
#include "core/size.h"
#include "core/threads.h"
#include "ops/matmul.h"
#include "ops/views.h"
#include "params/stencil.h"

namespace tilegrad::ops {
namespace {

// What a unit's window may take of a core's L2 cache (1 MB on the machines of bench/): the rest is for the weights of a
// panel and the output.
constexpr int64_t kWindowBytes = 384 * 1024;

// What the window and the output of a unit of kBatchLanes images may take.
constexpr int64_t kBatchBytes = 512 * 1024;

// What a ring of rows of a depthwise convolution may take of the L1 cache, and the least of a pixel that it takes at a time:
// shorter pieces of memory are slow to read.
constexpr int64_t kRingBytes = 24 * 1024;
constexpr int64_t kRingPixelBytes = 256;

// The same of its weights' gradient.
constexpr int64_t kWeightsRingBytes = 32 * 1024;

// Windows this much larger than the input are refused: they are all padding.
constexpr int64_t kMostWindowBytes = int64_t{1} << 32;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

long long printable(int64_t number) { return number; }

// The product, or the largest number if that does not fit.
int64_t saturated_multiply(int64_t a, int64_t b) {
  int64_t product;
  return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
}

// Elements of one window of `rows` x `columns` pixels, with room to read a whole vector at its end.
int64_t window_elements(const char* op, int64_t rows, int64_t columns, int64_t channels, int64_t item_size) {
  const int64_t elements = checked_multiply(checked_multiply(rows, columns, op), channels, op);
  if (checked_multiply(elements, item_size, op) > kMostWindowBytes) {
    fail(ErrorKind::argument,
         "%s: one window of the padded input, %lld x %lld pixels of %lld channels, does not fit in "
         "memory; use less padding or a smaller dilation",
         op, printable(rows), printable(columns), printable(channels));
  }
  return elements + kWidestPanel;
}

// Channelwise kernels read whole vectors of channels, so the last pixel must not be a part of one.
bool reads_in_place(const Stencil& s, int64_t item_size) {
  return s.row.inside() && s.column.inside() && (!s.channelwise || s.in_channels * item_size % 64 == 0);
}

ConvPlan plan_stencil(const char* op, const Stencil& s, int64_t item_size) {
  const int64_t threads = threads::count();
  const int64_t line_bytes = saturated_multiply(s.column.extent(s.column.out), s.in_channels * item_size);
  const int64_t image_bytes = saturated_multiply(s.row.extent(s.row.out), line_bytes);
  ConvPlan plan{};
  plan.images = 1;
  plan.band = s.row.out;
  if (image_bytes <= kWindowBytes) {
    plan.images = std::clamp<int64_t>(kWindowBytes / std::max<int64_t>(image_bytes, 1), 1,
                                      std::max<int64_t>(s.N / (4 * threads), 1));
  }
  // Too large for the cache, or too few units for the threads: bands of rows, a whole number of classes each.
  const int64_t least = std::min(s.row.period, s.row.out);
  const auto fits = [&](int64_t band) {
    return saturated_multiply(s.row.extent(band), line_bytes) <= kWindowBytes &&
           (s.N * ceil_div(s.row.out, band) >= 2 * threads || band * s.column.out <= 64);
  };
  while (plan.images == 1 && plan.band > least && !fits(plan.band)) {
    plan.band = std::max(least, ceil_div(ceil_div(plan.band, 2), s.row.period) * s.row.period);
  }
  const int64_t units = ceil_div(s.N, plan.images) * ceil_div(s.row.out, plan.band);
  plan.parts = ceil_div(threads, units);
  plan.members = std::min(threads, units * plan.parts);
  if (!reads_in_place(s, item_size)) {
    plan.window = window_elements(op, plan.images * s.row.extent(plan.band), s.column.extent(s.column.out),
                                  s.in_channels, item_size);
  }
  return plan;
}

// A ring of rows that fits the L1 cache: with as many columns as that leaves room for beside a few cache lines of channels,
// then with as many channels.
ConvPlan plan_depthwise(const char* op, const Stencil& s, int64_t item_size) {
  ConvPlan plan{};
  plan.images = plan.band = plan.parts = plan.columns = 1;
  plan.members = threads::count();
  const auto fits = [&](int64_t parts) {
    ConvPlan tried = plan;
    tried.parts = parts;
    const DepthwiseRing ring = depthwise_ring(s, tried, item_size);
    return saturated_multiply(saturated_multiply(ring.rows, ring.columns), ring.width * item_size) <= kRingBytes;
  };
  if (!reads_without_ring(s, item_size)) {
    const int64_t grain = 7 * s.column.period;  // whole tiles of cpu/stencil_depthwise.h
    plan.parts = ceil_div(s.in_channels * item_size, kRingPixelBytes);
    plan.columns = s.column.out;
    for (int64_t blocks = 2; plan.columns > grain && !fits(plan.parts); ++blocks) {
      plan.columns = ceil_div(ceil_div(s.column.out, blocks), grain) * grain;
    }
    while (plan.parts > 1 && fits(plan.parts - 1)) --plan.parts;
  }
  const DepthwiseRing ring = depthwise_ring(s, plan, item_size);
  window_elements(op, ring.rows, ring.columns, ring.width, item_size);  // refuses what does not fit in memory
  plan.window = depthwise_elements(s, ring, item_size);
  return plan;
}

// A unit of kBatchLanes images: its rows are halved until window and output fit the cache, after groups were taken apart
// as far as whole vectors of channels are left to transpose.
ConvPlan plan_batch_stencil(const Stencil& s, int64_t item_size) {
  const int64_t threads = threads::count(), pixel_bytes = kBatchLanes * item_size;
  const int64_t blocks = ceil_div(s.N, kBatchLanes), least = std::min(s.row.period, s.row.out);
  ConvPlan plan{};
  plan.images = kBatchLanes;
  plan.parts = 1;
  const auto bytes = [&](int64_t band) {
    const int64_t in = s.row.extent(band) * s.column.extent(s.column.out) * s.in_channels;
    return (in + band * s.column.out * s.out_channels) / plan.parts * pixel_bytes;
  };
  const auto may_halve_groups = [&] {
    const int64_t half = plan.parts * 2;
    return s.groups % half == 0 && s.in_channels / half % 16 == 0 && s.out_channels / half % 16 == 0;
  };
  while (bytes(std::min<int64_t>(s.row.out, 8 * s.row.period)) > kBatchBytes && may_halve_groups()) plan.parts *= 2;
  const auto fits = [&](int64_t band) {
    return bytes(band) <= kBatchBytes && blocks * plan.parts * ceil_div(s.row.out, band) >= 2 * threads;
  };
  plan.band = s.row.out;
  while (plan.band > least && !fits(plan.band)) {
    plan.band = std::max(least, ceil_div(ceil_div(plan.band, 2), s.row.period) * s.row.period);
  }
  plan.members = std::min(threads, blocks * plan.parts * ceil_div(s.row.out, plan.band));
  plan.window = s.row.extent(plan.band) * s.column.extent(s.column.out) * (s.in_channels / plan.parts) * kBatchLanes;
  plan.block = plan.band * s.column.out * (s.out_channels / plan.parts) * kBatchLanes;
  return plan;
}

// Whether lanes run along images rather than channels. In units of a multiply-add of a whole vector, per output pixel of
// kBatchLanes images: along channels, every pixel needs whole vectors of each group's channels; along images none is
// wasted but in the last block of images, and inputs and outputs are transposed (measured in bench/conv2d.py).
bool runs_along_images(const Stencil& s, int64_t item_size) {
  if (s.channelwise || s.N < kBatchLanes / 2) return false;
  const double lanes = 64.0 / static_cast<double>(item_size), terms = static_cast<double>(s.terms());
  const auto pixels = [](const Stencil& of, bool in) {
    return static_cast<double>(in ? of.row.in * of.column.in : of.row.out * of.column.out);
  };
  const double vectors = std::ceil(static_cast<double>(s.group_out) / lanes);
  const bool in_rows = s.column.out >= 8 * s.column.period;  // tiles of neighbours (cpu/stencil.h)
  const double loads = vectors > 1 ? 1.1 : in_rows ? 1.15 : 1.5;
  const double along_channels = 16.0 * terms * static_cast<double>(s.groups) * vectors * loads * lanes / 16.0;
  const double blocks = static_cast<double>(ceil_div(s.N, kBatchLanes) * kBatchLanes) / static_cast<double>(s.N);
  const double moved =
      static_cast<double>(s.in_channels) * pixels(s, true) / pixels(s, false) + static_cast<double>(s.out_channels);
  return blocks * (1.1 * terms * static_cast<double>(s.out_channels) + 6.0 * moved) < along_channels;
}

// Whether lanes run along the pixels of a row: float32 images of one channel, few channels out. In the same units, for a
// pixel: rows do not fill their last vector, and sums are transposed at the cost of about 2 multiply-adds.
bool runs_along_pixels(const Stencil& s, int64_t item_size) {
  constexpr int64_t kMostChannels = 8;
  if (item_size != 4 || s.in_channels != 1 || s.out_channels > kMostChannels ||
      s.terms() > contraction_chunk(s.terms()))
    return false;
  if (s.row.period != 1 || s.column.period != 1 || s.column.step() != 1) return false;
  const int64_t lanes = 64 / item_size;
  const double filled = static_cast<double>(s.column.out) / static_cast<double>(ceil_div(s.column.out, lanes) * lanes);
  const double terms = static_cast<double>(s.terms());
  return terms * static_cast<double>(s.out_channels) / static_cast<double>(lanes) / filled + 2 < terms;
}

ConvPlan plan_pixels_stencil(const char* op, const Stencil& s, int64_t item_size) {
  ConvPlan plan = plan_stencil(op, s, item_size);
  plan.pixels = true;
  plan.images = plan.parts = 1;
  plan.members = std::min<int64_t>(threads::count(), s.N * s.row.out);
  plan.window = window_elements(op, s.row.extent(plan.band), s.column.extent(s.column.out), 1, item_size);
  return plan;
}

ConvPlan plan_any_stencil(const char* op, const Stencil& s, int64_t item_size) {
  if (runs_along_pixels(s, item_size)) return plan_pixels_stencil(op, s, item_size);
  if (runs_depthwise(s)) return plan_depthwise(op, s, item_size);
  const ConvPlan plan = plan_stencil(op, s, item_size);
  return runs_along_images(s, item_size) && plan.window * kBatchLanes * item_size <= kMostWindowBytes
             ? plan_batch_stencil(s, item_size)
             : plan;
}

size_t stencil_workspace_bytes(const Stencil& s, const ConvPlan& plan, int64_t item_size) {
  if (runs_depthwise(s)) return static_cast<size_t>(plan.members * plan.window * item_size);
  return static_cast<size_t>(plan.block ? batch_workspace(s, plan, item_size).end
                                        : stencil_workspace(s, plan, item_size).end);
}

// A ring that fits the L1 cache: with as many channels as that has room for, then for as many output rows at a time.
ConvPlan plan_depthwise_weights(const char* op, Conv2d p, const Stencil& s, int64_t item_size) {
  const int64_t line = 64 / item_size, channels = ceil_div(p.C, line) * line;
  ConvPlan& plan = p.plan;
  plan = ConvPlan{};
  plan.images = plan.parts = plan.band = 1;
  plan.members = threads::count();
  const auto fits = [&](int64_t width, int64_t rows) {
    plan.block = width;
    plan.together = rows;
    const DepthwiseWeightsRing ring = depthwise_weights_ring(p, s, item_size);
    return saturated_multiply(saturated_multiply(ring.rows + 1, ring.columns), width * item_size) <= kWeightsRingBytes;
  };
  int64_t width = std::min(channels, 2 * line), rows = 1;
  while (width < channels && fits(std::min(channels, 2 * width), 1)) width = std::min(channels, 2 * width);
  while (rows < std::min(p.P, kMostPixelRuns) && fits(width, rows + 1)) ++rows;
  fits(width, rows);
  if (reads_without_ring(s, item_size)) plan.block = 2 * line;  // only a unit of work
  const DepthwiseWeightsRing ring = depthwise_weights_ring(p, s, item_size);
  window_elements(op, ring.rows + 1, ring.columns, ring.width, item_size);  // refuses what does not fit in memory
  plan.window = depthwise_weights_elements(p, s, ring, item_size);
  return plan;
}

ConvPlan plan_backward_weights(const char* op, const Conv2d& p, int64_t item_size) {
  const Stencil s = forward_stencil(p);
  const int64_t pixels = p.N * p.P * p.Q;
  const int64_t chunk = contraction_chunk(pixels), chunks = ceil_div(pixels, chunk);
  const int64_t weights = p.R * p.S * s.group_in * p.K;
  ConvPlan plan{};
  plan.images = plan.parts = plan.band = 1;
  plan.members = threads::count();
  if (pixels == 0) return plan;
  // Rows of windows, then of input, that a block of so many pixels can see; pieces of images are seen one by one.
  const auto window_rows = [&](int64_t block) {
    const int64_t rows = std::min(p.N * p.P, (block - 1) / p.Q + 2);
    const int64_t images = std::min(std::min(p.N, rows), (rows - 1) / p.P + 2);
    return rows * p.stride_h + images * s.row.extent(1);
  };
  const int64_t columns = s.column.extent(p.Q);
  if (runs_depthwise(s)) {
    plan = plan_depthwise_weights(op, p, s, item_size);
  } else {
    // For narrow vectors the kernel may choose lanes along channels after all.
    const bool spread = runs_along_weights(p, 64 / item_size);
    const int64_t least = spread ? std::min(pixels, p.Q) : 64;
    // Long blocks keep the sums in registers for long.
    plan.band = std::min<int64_t>(512, pixels);
    while (plan.band > least && saturated_multiply(window_rows(plan.band),
                                                   saturated_multiply(columns, p.C * item_size)) > 2 * kWindowBytes) {
      plan.band /= 2;
    }
    plan.band = std::max(plan.band, spread ? least : 1);
    if (spread || !reads_in_place(s, item_size)) {
      plan.window = window_elements(op, window_rows(plan.band), columns, p.C, item_size);
    }
    if (spread) {
      // A ring of as many rows as the cache holds, of kSpreadBytes for each output column, or each input column.
      const int64_t line = saturated_multiply(spreads_rows(p) ? p.Q : columns, kSpreadBytes);
      const int64_t ring = std::max(kSpreadWindowBytes, saturated_multiply(s.row.extent(1), line)) / item_size;
      plan.window = std::max(plan.window, window_elements(op, 1, ring, 1, item_size));
      plan.block = window_elements(op, 1, columns, p.C, item_size);
    }
  }
  // Few filter elements make too few tiles to share among many members; then the chunks are shared.
  bool by_chunks = chunks > 1 && weights <= 16384;
  if (by_chunks && runs_depthwise(s)) {
    // With as many filters as channels there may be enough tiles. The largest member's share of either, over an even one:
    const auto share = [&](int64_t count, int64_t size, int64_t all) {
      return static_cast<double>(ceil_div(count, plan.members) * size * plan.members) / static_cast<double>(all);
    };
    by_chunks = share(chunks, chunk, pixels) <= 1.1 * share(ceil_div(p.C, plan.block), plan.block, p.C);
  }
  plan.partials = by_chunks ? chunks : 1;
  return plan;
}

// A 1 x 1 convolution of stride 1 is a product of matrices [pixels, C] and [C, K], whose sums have the same order.
bool is_product(const Conv2d& p) {
  return p.R * p.S == 1 && p.groups == 1 && p.stride_h == 1 && p.stride_w == 1 && p.P == p.H && p.Q == p.W;
}

// With fewer output channels the convolution's tiles are faster than those of the product (measured in bench/conv2d.py).
constexpr int64_t kProductChannels = 64;

Array as_matrix(const Array& x, Dims shape, Dims strides) {
  return Array(x.storage_ref(), x.offset(), shape, strides, x.dtype());
}

Cost conv_cost(const Conv2d& p) {
  return Cost::multiply_adds(static_cast<double>(p.N * p.P * p.Q * p.K) *
                             static_cast<double>(p.R * p.S * (p.C / p.groups)));
}

}  // namespace

Array run_convolution(const char* op, Conv2d p, const Array& x, const Array& w, const Array& bias) {
  if (is_product(p) && p.K >= kProductChannels) {
    return linear(contiguous(x), as_matrix(contiguous(w), {p.C, p.K}, {p.K, 1}), bias, p.activation);
  }
  const Array y = Array::empty({p.N, p.P, p.Q, p.K}, x.dtype(), x.device());
  if (y.numel() == 0) return y;
  const Array from = contiguous(x), weights = contiguous(w), addend = bias ? contiguous(bias) : Array();
  if (winograd(p, ConvPass::forward, from, weights, addend, y)) return y;
  const Stencil s = forward_stencil(p);
  const int64_t item_size = static_cast<int64_t>(x.item_size());
  p.plan = plan_any_stencil(op, s, item_size);
  launch(kernels::conv2d_forward, x.dtype(), p, {reads(from), reads(weights), reads(addend), writes(y)}, conv_cost(p),
         stencil_workspace_bytes(s, p.plan, item_size));
  return y;
}

Array run_transposed(const char* op, Conv2d p, const Array& dy, const Array& w, const Array& bias) {
  if (is_product(p) && p.K >= 16) {
    return linear(contiguous(dy), as_matrix(contiguous(w), {p.K, p.C}, {1, p.K}), bias, p.activation);
  }
  const Array dx = Array::empty({p.N, p.H, p.W, p.C}, dy.dtype(), dy.device());
  if (dx.numel() == 0) return dx;
  const Array from = contiguous(dy), weights = contiguous(w), addend = bias ? contiguous(bias) : Array();
  if (winograd(p, ConvPass::backward_data, from, weights, addend, dx)) return dx;
  const Stencil s = backward_stencil(p);
  const int64_t item_size = static_cast<int64_t>(dy.item_size());
  p.plan = plan_any_stencil(op, s, item_size);
  launch(kernels::conv2d_backward_data, dy.dtype(), p, {reads(from), reads(weights), reads(addend), writes(dx)},
         conv_cost(p), stencil_workspace_bytes(s, p.plan, item_size));
  return dx;
}

Array run_weights_gradient(const char* op, Conv2d p, const Array& x, const Array& dy) {
  if (is_product(p) && p.K >= kProductChannels) {
    const int64_t pixels = checked_multiply(p.N, checked_multiply(p.P, p.Q, op), op);
    const Array product =
        matmul(as_matrix(contiguous(x), {p.C, pixels}, {1, p.C}), as_matrix(contiguous(dy), {pixels, p.K}, {p.K, 1}));
    return as_matrix(product, {1, 1, p.C, p.K}, {p.C * p.K, p.C * p.K, p.K, 1});
  }
  const Array dw = Array::empty({p.R, p.S, p.C / p.groups, p.K}, x.dtype(), x.device());
  const Array from = contiguous(x), gradient = contiguous(dy);
  if (winograd_backward_weights(p, from, gradient, dw)) return dw;
  const int64_t item_size = static_cast<int64_t>(x.item_size());
  p.plan = plan_backward_weights(op, p, item_size);
  launch(kernels::conv2d_backward_weights, x.dtype(), p, {reads(from), reads(gradient), writes(dw)}, conv_cost(p),
         static_cast<size_t>(weights_workspace(p, item_size).end));
  return dw;
}

}  // namespace tilegrad::ops
