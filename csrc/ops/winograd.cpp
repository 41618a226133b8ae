#include "ops/winograd.h"

#include <algorithm>

#include "core/launch.h"
#include "core/threads.h"

namespace tilegrad::ops {
namespace {

// Tiles of one block: whole register tiles (14 or 6 rows), and few enough for a block of some hundred channels to stay in
// the L2 cache. Between 14 and 84 times differ little; with few channels twice as many gain some percent.
constexpr int64_t kBlock = 28;
constexpr int64_t kFewChannels = 48;  // on both sides together

// Elements of the sums of all chunks that the weights' gradient may keep at once (16 MB).
constexpr double kMostSums = 4 << 20;

// Fewer channels than this on either side leave too little arithmetic between the transforms (and the kernels need whole
// vectors).
constexpr int64_t kLeastChannels = 16;

// Up to here a sum over C of F(2x2) is no less exact than direct convolution's sum over 9 C.
constexpr int64_t kMostChannelsExact = 128;

// Up to here chunks of a sum over C are 512 long, and F(4x4)'s error stays under 1e-5 of the largest output: half of that
// at 512 channels and beyond (docs/numerics.md).
constexpr int64_t kMostChannels = 16384;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// What a pass reads and writes; C and K are of one group.
struct Sizes {
  int64_t H, W, C, P, Q, K, pad_top, pad_left;
};

Sizes sizes(const Conv2d& p, ConvPass pass) {
  const int64_t C = p.C / p.groups, K = p.K / p.groups;
  if (pass != ConvPass::backward_data) return {p.H, p.W, C, p.P, p.Q, K, p.pad_top, p.pad_left};
  // Of stride 2, a tile's first row is h + pad = 2 p + 1 or 2 p, and sees dy from row p or p - 1 on.
  const auto before = [&](int64_t pad) { return p.stride_h == 1 ? 2 - pad : pad % 2 == 1 ? -(pad / 2) : 1 - pad / 2; };
  return {p.P, p.Q, K, p.H, p.W, C, before(p.pad_top), before(p.pad_left)};
}

struct Tile {
  int64_t outputs, step;
};

Tile tile_of(const Conv2d& p, ConvPass pass, ConvAlgorithm algorithm) {
  if (p.stride_h == 2) return pass == ConvPass::backward_data ? Tile{4, 2} : Tile{2, 4};
  const int64_t outputs = algorithm == ConvAlgorithm::winograd_4x4 ? 4 : 2;
  return {outputs, outputs};
}

// Multiplications for one pair of channels.
int64_t multiplications(const Sizes& s, Tile tile) {
  return winograd_multiplications(tile.outputs, tile.step) * ceil_div(s.P, tile.outputs) * ceil_div(s.Q, tile.outputs);
}

Winograd winograd_sizes(const Conv2d& p, ConvPass pass, ConvAlgorithm algorithm) {
  const Tile tile = tile_of(p, pass, algorithm);
  const Sizes s = sizes(p, pass);
  Winograd g{};
  g.N = p.N, g.H = s.H, g.W = s.W, g.C = s.C;
  g.P = s.P, g.Q = s.Q, g.K = s.K;
  g.groups = p.groups;
  g.pad_top = s.pad_top, g.pad_left = s.pad_left;
  g.tile = tile.outputs, g.step = tile.step;
  g.swapped = tile.step < tile.outputs ? p.pad_top % 2 : 0;
  g.activation = p.activation;
  return g;
}

Cost winograd_cost(const Conv2d& p, const Winograd& g) {
  Cost cost = Cost::multiply_adds(static_cast<double>(winograd_multiplications(g.tile, g.step) * g.tiles()) *
                                  static_cast<double>(g.groups * (g.C + 8) * (g.K + 8)));
  cost.flops = 2.0 * 9 * static_cast<double>(p.N * p.P * p.Q) * static_cast<double>(p.C * g.K);  // of the definition
  return cost;
}

}  // namespace

const char* name(ConvAlgorithm algorithm) {
  switch (algorithm) {
    case ConvAlgorithm::direct:
      return "direct";
    case ConvAlgorithm::winograd_2x2:
      return "winograd 2x2";
    case ConvAlgorithm::winograd_4x4:
      return "winograd 4x4";
  }
  return "?";
}

ConvAlgorithm choose_algorithm(const Conv2d& p, ConvPass pass, const Array& x, Precision precision) {
  if (x.device().type != DeviceType::cpu) return ConvAlgorithm::direct;
  const bool fits = p.R == 3 && p.S == 3 && p.stride_h <= 2 && p.stride_h == p.stride_w && p.dilation_h == 1 &&
                    p.dilation_w == 1 && std::min(p.C, p.K) >= kLeastChannels * p.groups;
  if (!fits) return ConvAlgorithm::direct;
  const Sizes s = sizes(p, pass);
  // Multiplications for one pair of channels, and the time of the transforms in terms of them: inversely proportional to
  // the channels on the other side. The numbers fit what was measured from 16 to 128 channels (docs/performance).
  const double per_channel = 0.5 / static_cast<double>(s.C) + 0.5 / static_cast<double>(s.K);
  const auto cost = [&](ConvAlgorithm algorithm, double factor) {
    return factor * static_cast<double>(multiplications(s, tile_of(p, pass, algorithm)));
  };
  const bool high = x.dtype() == DType::float32 && precision == Precision::high;
  const double direct = 9.0 * static_cast<double>(s.P * s.Q);
  if (p.stride_h == 2) {
    const bool swaps = (p.pad_top - p.pad_left) % 2 != 0 && pass == ConvPass::backward_data;
    if (!high || s.C > kMostChannels / 4 || swaps) return ConvAlgorithm::direct;
    return cost(ConvAlgorithm::winograd_2x2, 1.15 + 3 * per_channel) < 9.0 * static_cast<double>(p.P * p.Q)
               ? ConvAlgorithm::winograd_2x2
               : ConvAlgorithm::direct;
  }
  const double large =
      high && s.C <= kMostChannels ? cost(ConvAlgorithm::winograd_4x4, 1.1 + 10 * per_channel) : direct;
  if (pass == ConvPass::backward_weights) return large < direct ? ConvAlgorithm::winograd_4x4 : ConvAlgorithm::direct;
  const double small =
      high || s.C <= kMostChannelsExact ? cost(ConvAlgorithm::winograd_2x2, 1 + 9 * per_channel) : direct;
  if (large < direct && large <= small) return ConvAlgorithm::winograd_4x4;
  return small < direct ? ConvAlgorithm::winograd_2x2 : ConvAlgorithm::direct;
}

bool winograd(const Conv2d& p, ConvPass pass, const Array& from, const Array& w, const Array& bias, const Array& to) {
  const ConvAlgorithm algorithm = choose_algorithm(p, pass, to, float32_precision());
  if (algorithm == ConvAlgorithm::direct) return false;
  const auto item_size = static_cast<int64_t>(to.item_size());
  Winograd g = winograd_sizes(p, pass, algorithm);
  // Few tiles: all members work on one block, so that each reads only its part of the weights.
  const int64_t threads = threads::count(), tiles = g.tiles();
  const bool together = tiles < kBlock * threads;
  g.members = together ? 0 : threads;
  g.block = std::min(tiles, together ? kBlock * threads : g.C + g.K <= kFewChannels ? 2 * kBlock : kBlock);

  const int64_t tap = p.C / p.groups * p.K;
  WinogradWeights weights{p.groups, g.C, g.K, 0, g.K, tap, p.K, 1, g.tile, g.step};
  if (pass == ConvPass::backward_data) {
    weights = {p.groups, g.C, g.K, 8 * tap, g.C, -tap, 1, p.K, g.tile, g.step};
  }
  const Array u = Array::empty({p.groups * winograd_weights_group(g.tile, g.step, g.C, g.K)}, to.dtype(), to.device());
  launch(kernels::winograd_weights, to.dtype(), weights, {reads(w), writes(u)},
         Cost::elements(static_cast<double>(u.numel())));

  const auto workspace =
      static_cast<size_t>(winograd_workspace(g, item_size).end * item_size * std::max<int64_t>(g.members, 1));
  if (pass == ConvPass::forward) {
    launch(kernels::winograd_forward, to.dtype(), g, {reads(from), reads(u), reads(bias), writes(to)},
           winograd_cost(p, g), workspace);
  } else {
    launch(kernels::winograd_backward_data, to.dtype(), g, {reads(from), reads(u), reads(bias), writes(to)},
           winograd_cost(p, g), workspace);
  }
  return true;
}

bool winograd_backward_weights(const Conv2d& p, const Array& x, const Array& dy, const Array& dw) {
  const ConvAlgorithm algorithm = choose_algorithm(p, ConvPass::backward_weights, dw, float32_precision());
  if (algorithm == ConvAlgorithm::direct || p.N == 0) return false;
  Winograd g = winograd_sizes(p, ConvPass::backward_weights, algorithm);
  // Members take chunks of their own if there are enough, and all chunks' sums take no more than kMostSums.
  const int64_t threads = threads::count(), tiles = g.tiles(), chunks = ceil_div(tiles, contraction_chunk(tiles));
  const double sums =
      static_cast<double>(chunks * winograd_multiplications(g.tile, g.step)) * static_cast<double>(p.C * g.K);
  g.members = threads > 1 && chunks >= threads && sums <= kMostSums ? threads : 0;
  // The longer a block is, the less often the sums are read and written; the shorter, the nearer its tiles stay.
  g.block = std::clamp<int64_t>(ceil_div(g.C * g.K / (g.C + g.K), 64) * 64, 64, 256);
  g.block = std::min(g.block, g.tiles());
  const auto item_size = static_cast<int64_t>(dw.item_size());
  launch(kernels::winograd_backward_weights, dw.dtype(), g, {reads(x), reads(dy), writes(dw)}, winograd_cost(p, g),
         static_cast<size_t>(winograd_sums(g, item_size).end * item_size));
  return true;
}

}  // namespace tilegrad::ops
