// What the recurrent kernels share: who computes what, the packed recurrent weights, and the product of every step.
//
// Sequences do not depend on each other, so a member takes some of them through all steps and meets nobody. Where there
// are too few, members share the hidden units instead, and meet once a step, because each product needs all of them. Rows
// of the scratch memory belong to sequences: a member's lie side by side, the longest sequence first, so that those that
// still run are the first few.
#pragma once

#include "cpu/gemm_tiles.h"
#include "cpu/transpose.h"
#include "params/recurrent.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// rows x (vectors of columns): out = a w, in the order of params/contraction.h. w is packed: panels of whole vectors, as
// RowTiles divides them, each [K][its columns].
template <typename T>
[[gnu::noinline]] void multiply_packed(int64_t rows, int64_t vectors, int64_t K, const T* a, int64_t a_stride,
                                       const T* w, T* out, int64_t out_stride) {
  constexpr int64_t L = kLanes<T>;
  const RowTiles panels(vectors, kPanelVectors);
  const int64_t chunk = contraction_chunk(K);
  for (int64_t i = 0; i < panels.count; ++i) {
    const int width = panels.rows(i);
    const RowTiles tiles(rows, most_rows<T>(width));
    const TileFunction<T> functions[2] = {tiles.taller ? tile_function<T, RowsInPlace>(tiles.rows(0), width) : nullptr,
                                          tile_function<T, RowsInPlace>(static_cast<int>(tiles.height), width)};
    const T* const panel = w + panels.begin(i) * L * K;
    TileJob<T> job{};
    job.a_step = a_stride;
    job.b_step = width * L;
    job.out_stride = job.total_stride = out_stride;
    for (int64_t k = 0; k < K; k += chunk) {
      job.K = smaller(chunk, K - k);
      job.b = panel + k * job.b_step;
      for (int64_t t = 0; t < tiles.count; ++t) {
        job.a = a + tiles.begin(t) * a_stride + k;
        job.out = out + tiles.begin(t) * out_stride + panels.begin(i) * L;
        job.total = k == 0 ? nullptr : job.out;
        functions[t >= tiles.taller](job);
      }
    }
  }
}

// The sequences and hidden units of one member, and where their scratch memory is.
template <typename T>
struct RecurrentPart {
  static constexpr int64_t L = kLanes<T>;

  const Recurrent& p;
  const int64_t* lengths;  // null: all T
  const int64_t gates;
  const bool backward;

  int groups, group;              // of sequences
  bool meets;                     // whether hidden units are shared out too
  int64_t first_row, rows;        // of scratch
  int64_t first, units, vectors;  // hidden units
  int64_t state_row, sum_row;     // distances of rows
  T *weights, *states, *sums, *carry, *zeros;
  int64_t* order;

  RecurrentPart(const Team& team, const Recurrent& p, const int64_t* lengths, int64_t gates, bool backward,
                Workspace workspace)
      : p(p), lengths(lengths), gates(gates), backward(backward) {
    constexpr int64_t kFewRows = 4;  // less would leave registers of a tile unused
    int columns = 1;
    while (columns < team.size && (team.size % columns != 0 || p.N * columns < kFewRows * team.size)) ++columns;
    groups = team.size / columns;
    group = team.rank / columns;
    meets = columns > 1;
    const Range mine = Team{group, groups}.share(p.N);
    first_row = mine.begin;
    rows = mine.end - mine.begin;
    const Range blocks = Team{team.rank % columns, columns}.share(ceil_div(p.H, L));
    first = smaller(blocks.begin * L, p.H);
    units = smaller(blocks.end * L, p.H) - first;
    vectors = blocks.end - blocks.begin;

    const RecurrentScratch scratch(p, gates, backward);
    const int64_t of_unit = backward ? 1 : gates;  // columns of the product
    state_row = recurrent_row(backward ? gates * p.H : p.H);
    sum_row = of_unit * vectors * L;
    T* const base = static_cast<T*>(workspace.data);
    weights = base + blocks.begin * L * gates * p.H;
    states = base + scratch.weights + first_row * state_row;
    sums = base + scratch.weights + scratch.states + blocks.begin * L * of_unit * p.N + first_row * sum_row;
    carry = base + scratch.weights + scratch.states + scratch.sums + blocks.begin * L * p.N + first_row * vectors * L;
    zeros = base + scratch.weights + scratch.states + scratch.sums + scratch.carry;
    const int64_t bytes = scratch.bytes(sizeof(T)) - scratch.order * static_cast<int64_t>(sizeof(int64_t));
    order = reinterpret_cast<int64_t*>(static_cast<char*>(workspace.data) + bytes);
  }

  // Packs the recurrent weights u [H, gates * H] and orders the sequences; nobody reads either before all are done.
  void prepare(const Team& team, const T* u) {
    const int64_t width = gates * p.H;
    const RowTiles panels(backward ? vectors : gates * vectors, kPanelVectors);
    const Range mine = Team{group, groups}.share(panels.count);
    for (int64_t i = mine.begin; i < mine.end; ++i) {
      const int64_t v0 = panels.begin(i), columns = panels.rows(i) * L;
      if (backward) {  // its transpose
        T* const to = weights + v0 * L * width;
        pack_panel(u + (first + v0 * L) * width, int64_t{1}, width, width, smaller(columns, units - v0 * L), columns,
                   to, columns);
        continue;
      }
      for (int64_t v = v0; v < v0 + panels.rows(i); ++v) {
        const int64_t gate = v / vectors, unit = v % vectors * L;
        pack_panel(u + gate * p.H + first + unit, width, int64_t{1}, p.H, smaller(L, units - unit), L,
                   weights + v0 * L * p.H + (v - v0) * L, columns);
      }
    }
    if (team.rank == 0) {
      for (int64_t j = 0; j < p.H; ++j) zeros[j] = T(0);
      if (lengths) sort();
    }
    team.barrier();
  }

  // The sequence of scratch row first_row + i.
  int64_t sequence(int64_t i) const { return lengths ? order[i * groups + group] : first_row + i; }
  int64_t length(int64_t n) const { return lengths ? lengths[n] : p.T; }
  // The time of a sequence's step, and the number of its row in an array.
  int64_t row(int64_t n, int64_t step) const {
    return n * p.n_step + (p.reverse ? length(n) - 1 - step : step) * p.t_step;
  }
  // Steps that this member makes: all that anybody makes where it meets others.
  int64_t steps() const {
    if (p.N == 0 || (rows == 0 && !meets)) return 0;
    return length(meets ? (lengths ? order[0] : 0) : sequence(0));
  }

  // Where others read this member's states, they may still be at the step before: there are two buffers.
  T* state(int64_t i, int64_t step) const { return states + (meets ? step & 1 : 0) * p.N * state_row + i * state_row; }
  T* sum(int64_t i) const { return sums + i * sum_row; }
  T* carried(int64_t i) const { return carry + i * vectors * L; }
  // The state before a sequence's `step`: from `all`, the states after every step, or from the initial ones.
  const T* before(const T* all, const T* initial, int64_t n, int64_t step) const {
    return step > 0 ? all + row(n, step - 1) * p.H : initial ? initial + n * p.H : zeros;
  }

  // Fetches what a sequence's `step`, if it has one, will read or write of an array of [., width] rows: they lie far apart.
  void fetch(const T* array, int64_t width, int64_t n, int64_t step) const {
    if (!array || step < 0 || step >= length(n)) return;
    const T* const from = array + row(n, step) * width + first;
    for (int64_t gate = 0; gate < width; gate += p.H) {
      for (int64_t j = 0; j < units; j += kCacheLine / static_cast<int64_t>(sizeof(T))) prefetch(from + gate + j);
    }
  }

  // The products of the first `active` rows of states.
  void multiply(int64_t active, int64_t step) const {
    multiply_packed(active, backward ? vectors : gates * vectors, backward ? gates * p.H : p.H, state(0, step),
                    state_row, weights, sums, sum_row);
  }

  // Zeros where a sequence has ended, in this member's hidden units of `width / H` gates.
  void clear_rest(T* array, int64_t width) const {
    if (!lengths || !array) return;
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t n = sequence(i);
      for (int64_t t = lengths[n]; t < p.T; ++t) {
        for (int64_t gate = 0; gate < width; gate += p.H) {
          T* const from = array + (n * p.n_step + t * p.t_step) * width + gate + first;
          for (int64_t j = 0; j < units; ++j) from[j] = T(0);
        }
      }
    }
  }

 private:
  // Counting sort by length, the longest first; stable.
  void sort() {
    int64_t* const start = order + p.N;  // [length] -> the first place of its sequences
    for (int64_t t = 0; t <= p.T + 1; ++t) start[t] = 0;
    for (int64_t n = 0; n < p.N; ++n) ++start[lengths[n]];
    int64_t place = 0;
    for (int64_t t = p.T; t >= 0; --t) {
      const int64_t count = start[t];
      start[t] = place;
      place += count;
    }
    for (int64_t n = 0; n < p.N; ++n) order[start[lengths[n]]++] = n;
  }
};

template <typename T>
TILEGRAD_INLINE void copy_units(const T* from, T* to, int64_t units) {
  for (int64_t j = 0; j < units; ++j) to[j] = from[j];
}

// All steps forward. initial: [N, H] or null; y: [N, T, H], which ends as zeros where sequences have ended; last: [N, H].
// cell(i, n, step, h): makes the step of sequence n, whose products are part.sum(i), and writes the new state to h.
template <typename T, typename Cell>
TILEGRAD_INLINE void run_forward(const Team& team, const RecurrentPart<T>& part, const T* initial, T* y, T* last,
                                 Cell cell) {
  const int64_t H = part.p.H;
  for (int64_t i = 0; i < part.rows; ++i) {
    const T* from = initial ? initial + part.sequence(i) * H : part.zeros;
    copy_units(from + part.first, part.state(i, 0) + part.first, part.units);
  }
  if (part.meets) team.barrier();
  int64_t active = part.rows;
  const int64_t steps = part.steps();
  for (int64_t step = 0; step < steps; ++step) {
    while (active > 0 && part.length(part.sequence(active - 1)) <= step) --active;
    if (active > 0 && part.units > 0) {
      if (step == 0 && !initial) {
        for (int64_t j = 0; j < active * part.sum_row; ++j) part.sums[j] = T(0);
      } else {
        part.multiply(active, step);
      }
      for (int64_t i = 0; i < active; ++i) cell(i, part.sequence(i), step, part.state(i, step + 1) + part.first);
    }
    if (part.meets) team.barrier();
  }
  part.clear_rest(y, H);
  for (int64_t i = 0; i < part.rows; ++i) {
    const int64_t n = part.sequence(i);
    copy_units(part.before(y, initial, n, part.length(n)) + part.first, last + n * H + part.first, part.units);
  }
}

// All steps backward. dlast: the gradient of the last states, [N, H] or null; dinitial: that of the initial ones, or null.
// cell(i, n, step, dh, d): makes the step of sequence n. dh is the gradient of the state after it but for what comes from
// y; it writes the gradients of the gates' sums to d, at distances of H, which the product with the transposed weights
// takes to the state before. What else goes there is in part.carried(i) if the cell carries.
template <typename T, typename Cell>
TILEGRAD_INLINE void run_backward(const Team& team, const RecurrentPart<T>& part, const T* dlast, T* dinitial,
                                  bool carries, Cell cell) {
  const int64_t H = part.p.H;
  for (int64_t i = 0; i < part.rows; ++i) {
    const T* from = dlast ? dlast + part.sequence(i) * H : part.zeros;
    copy_units(from + part.first, part.sum(i), part.units);
  }
  int64_t active = 0;
  for (int64_t step = part.steps() - 1; step >= 0; --step) {
    while (active < part.rows && part.length(part.sequence(active)) > step) ++active;
    if (part.units > 0) {
      for (int64_t i = 0; i < active; ++i)
        cell(i, part.sequence(i), step, part.sum(i), part.state(i, step) + part.first);
    }
    if (part.meets) team.barrier();
    if (active > 0 && part.units > 0 && (step > 0 || dinitial)) part.multiply(active, step);
  }
  if (!dinitial) return;
  for (int64_t i = 0; i < part.rows; ++i) {
    T* const to = dinitial + part.sequence(i) * H + part.first;
    copy_units(part.sum(i), to, part.units);
    if (carries) {
      for (int64_t j = 0; j < part.units; ++j) to[j] = to[j] + part.carried(i)[j];
    }
  }
}

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
