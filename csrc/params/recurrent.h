// Sequences through a recurrent layer, one direction: what csrc/ops and the kernels of every ISA must agree on.
#pragma once

#include <cstdint>

#include "params/gemm.h"

namespace tilegrad {

// N sequences of at most T steps with H hidden units. All arrays but dy are contiguous, those of one row a step are
// [T, N, width]: the rows of a step lie side by side, because rows of one sequence, [N, T, width], would often lie at
// powers of two from those of the next and push each other out of the caches.
//
// states is [T + 1, N, H]: the state after time t is number t + 1, or t in reverse; the initial one is at the other end,
// so that the states before each step are a view of it as well. Where sequences have ended it is zero, which leaves no
// place for initial states of sequences of different lengths in reverse (`earlier` holds those before each step then).
struct Recurrent {
  int64_t N, T, H;
  int64_t dy_n_step, dy_t_step;  // strides of dy, in elements; its columns lie side by side
  int32_t reverse;               // from each sequence's last step to its first
  Activation activation;         // of rnn: tanh or relu
};

// The distance of two rows of `width` elements in scratch: whole cache lines, and one more so that rows do not share a
// set of the L1 cache.
TILEGRAD_INLINE constexpr int64_t recurrent_row(int64_t width) { return (width + 15) / 16 * 16 + 16; }
// At least as many elements as the vectors of `units` hidden units have on any ISA.
TILEGRAD_INLINE constexpr int64_t recurrent_vectors(int64_t units) { return (units + 15) / 16 * 16; }

// Pieces of the workspace, in elements, all shared by the team; they do not depend on its size.
struct RecurrentScratch {
  int64_t weights;  // the recurrent weights, packed: [gates * H, H] forward and backward
  int64_t states;   // two buffers of [N, width] rows that products read: the states, or the gradients of the gates
  int64_t sums;     // [N, width]: the products
  int64_t carry;    // [N, H], twice: what the backward pass carries from step to step besides
  int64_t zeros;    // [H]
  int64_t order;    // int64 [N]: the sequences, longest first; [T + 2]: how many there are of each length

  TILEGRAD_INLINE constexpr RecurrentScratch(const Recurrent& p, int64_t gates, bool backward)
      : weights(gates * p.H * recurrent_vectors(p.H)),
        states(2 * p.N * recurrent_row(backward ? gates * p.H : p.H)),
        sums(p.N * recurrent_vectors(p.H) * (backward ? 1 : gates)),
        carry(backward ? 2 * p.N * recurrent_vectors(p.H) : 0),
        zeros(recurrent_vectors(p.H)),
        order(p.N + p.T + 2) {}
  TILEGRAD_INLINE constexpr int64_t elements() const { return weights + states + sums + carry + zeros; }
  TILEGRAD_INLINE constexpr int64_t bytes(int64_t item_size) const {
    return (elements() * item_size + 63) / 64 * 64 + order * 8;
  }
};

}  // namespace tilegrad
