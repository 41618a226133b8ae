// Sizes of scaled dot-product attention: q [N, H, T, D], k [N, H, S, D], v [N, H, S, E], y [N, H, T, E].
#pragma once

#include <cstdint>

#include "core/team.h"
#include "params/random.h"

namespace tilegrad {

// Strides along N, H and the sequence; features are contiguous.
struct AttentionStrides {
  int64_t sample, head, row;
  TILEGRAD_INLINE constexpr int64_t at(int64_t n, int64_t h, int64_t i) const {
    return n * sample + h * head + i * row;
  }
};

// y = P v with P = softmax(scale q k^T + mask) along S, where the mask's strides are those of [N, H, T, S] and a causal
// row t sees keys up to t alone. With dropout, elements of P are kept by the choice and divided by its probability.
struct Attention {
  int64_t N, H, T, S, D, E;
  AttentionStrides q, k, v, y;
  AttentionStrides mask;
  int64_t mask_step;  // along S
  double scale;
  RandomChoice keep;  // of N H T whole rows of words (params below); threshold 2^32 keeps all
  double keep_scale;
  bool causal, drops;
  AttentionStrides dq, dk, dv, dy;  // backward
};

// Queries and keys are worked on in blocks of this many. It is part of the order of sums (docs/numerics.md).
inline constexpr int64_t kAttentionBlock = 64;

TILEGRAD_INLINE constexpr int64_t attention_blocks(int64_t rows) {
  return (rows + kAttentionBlock - 1) / kAttentionBlock;
}

// Features of one row in the workspace: whole vectors of any ISA and type.
TILEGRAD_INLINE constexpr int64_t attention_width(int64_t features) { return (features + 15) / 16 * 16; }

// What a member keeps, in elements; every piece is whole cache lines, with room for a vector written behind its end.
struct AttentionWorkspace {
  int64_t q, q_across, k, k_across, v, v_across, y, dy, dq, dk, dv, scores, slopes, per_member;
  int64_t deltas;  // one for every query of the whole launch, before the members' pieces
};

TILEGRAD_INLINE AttentionWorkspace attention_workspace(const Attention& p, bool backward) {
  constexpr int64_t B = kAttentionBlock, kSlack = 16;
  const int64_t D = B * attention_width(p.D) + kSlack, E = B * attention_width(p.E) + kSlack;
  AttentionWorkspace at{};
  at.deltas = backward ? (p.N * p.H * p.T + 15) / 16 * 16 : 0;
  int64_t end = 0;
  const auto piece = [&end](int64_t elements) {
    const int64_t begin = end;
    end += elements;
    return begin;
  };
  at.k = piece(D);
  at.scores = piece(B * B + kSlack);
  if (!backward) {
    at.q_across = piece(p.D * B + kSlack);
    at.v = piece(E);
    at.y = piece(E);
  } else {
    at.q = piece(D);
    at.k_across = piece(p.D * B + kSlack);
    at.v_across = piece(p.E * B + kSlack);
    at.slopes = piece(B * B + kSlack);
    at.dy = piece(E);
    at.dq = piece(D);
    at.dk = piece(D);
    at.dv = piece(E);
  }
  at.per_member = end;
  return at;
}

}  // namespace tilegrad
