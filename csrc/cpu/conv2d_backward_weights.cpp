// dw[r, s, c, k] = sum over n, p, q of x[n, p * stride_h + r * dilation_h - pad_top, ..., c] * dy[n, p, q, k]: a
// product of dy with x's windows transposed, whose sum runs over pixels. Pixels come in chunks (contraction_chunk), and
// chunks in blocks of plan.band pixels, for which a member makes a zero-padded copy of the image rows that they see.
//
// Work is shared in one of two ways, with the same bits. Large filters: every member owns some tiles of dw and goes
// through all chunks. Small filters, with too few tiles for that (plan.partials > 1): every member takes some chunks,
// and the chunks' results are joined in ascending order at the end.
//
// Tiles come in three kinds. With enough output channels in a group, lanes run along them, and rows of a tile are runs of
// neighbours in x: the (s, c) of one filter row (DenseBlocks). With few, lanes run along whole runs of dw, for which x and
// dy are spread out lane by lane (SpreadBlocks). For depthwise convolution they run along channels (DepthwiseBlocks).
#include "cpu/weights_depthwise.h"
#include "cpu/weights_spread.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// Goes through the chunks, in blocks of pixels or whole; `blocks` computes some tiles for one block.
template <typename T, typename Blocks>
[[gnu::noinline]] void backward_weights(const Team& team, const Conv2d& p, Blocks blocks, T* dw,
                                        const Workspace& workspace) {
  const WeightsWorkspace at = weights_workspace(p, sizeof(T));
  char* const scratch = static_cast<char*>(workspace.data);
  T* const partials = reinterpret_cast<T*>(scratch + at.partials);
  const int64_t pixels = p.N * p.P * p.Q, size = p.R * p.S * (p.C / p.groups) * p.K;
  const int64_t chunk = contraction_chunk(pixels), chunks = ceil_div(pixels, chunk);
  const int64_t block = Blocks::kWholeChunks ? chunk : p.plan.band;
  const bool by_chunks = p.plan.partials > 1;

  const int64_t members = smaller<int64_t>(team.size, p.plan.members);
  if (team.rank < members) {
    char* const own = scratch + at.members + team.rank * at.per_member;
    blocks.scratch = {reinterpret_cast<int64_t*>(own + at.k_offsets),
                      reinterpret_cast<T*>(own + at.panel),
                      reinterpret_cast<T*>(own + at.line),
                      reinterpret_cast<T*>(own + at.window),
                      reinterpret_cast<T*>(own + at.sums),
                      reinterpret_cast<PanelPlaces<T>*>(own + at.places)};
    blocks.prepare();
    const Team working{team.rank, static_cast<int>(members), nullptr};
    const Range my_chunks = by_chunks ? working.share(chunks) : Range{0, chunks};
    const Range my_tiles = by_chunks ? Range{0, blocks.tiles()} : working.share(blocks.tiles());
    for (int64_t c = my_chunks.begin; c < my_chunks.end && my_tiles.begin < my_tiles.end; ++c) {
      const int64_t chunk_end = smaller((c + 1) * chunk, pixels);
      T* const partial = partials + (by_chunks ? c * size : 0);
      for (int64_t begin = c * chunk; begin < chunk_end; begin += block) {
        const int64_t end = smaller(begin + block, chunk_end);
        const bool starts = begin == c * chunk, ends = end == chunk_end;
        WeightsSums<T> sums;
        sums.chain = starts ? nullptr : partial;
        sums.total = ends && !by_chunks && c > 0 ? dw : nullptr;
        sums.to = ends && !by_chunks ? dw : partial;
        blocks.run(begin, end, my_tiles, sums);
      }
    }
  }
  if (!by_chunks && chunks > 0) return;
  team.barrier();
  const Range mine = team.share(size, 16);
  for (int64_t i = mine.begin; i < mine.end; ++i) dw[i] = chunks > 0 ? partials[i] : T(0);
  for (int64_t c = 1; c < chunks; ++c) {
    const T* const partial = partials + c * size;
    for (int64_t i = mine.begin; i < mine.end; ++i) dw[i] += partial[i];
  }
}

template <typename T>
void conv2d_backward_weights(const Team& team, const Conv2d& p, const T* x, const T* dy, T* dw, Workspace workspace) {
  const Stencil s = forward_stencil(p);
  if (runs_depthwise(s) && p.plan.block)
    return backward_weights(team, p, DepthwiseBlocks<T>(p, s, x, dy), dw, workspace);
  if (p.plan.block && runs_along_weights(p, kLanes<T>))
    return backward_weights(team, p, SpreadBlocks<T>(p, s, x, dy), dw, workspace);
  backward_weights(team, p, DenseBlocks<T>(p, s, x, dy), dw, workspace);
}

}  // namespace
DEFINE_KERNEL(conv2d_backward_weights, FLOATING)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
