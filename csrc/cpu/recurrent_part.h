// What the recurrent kernels share: who computes what, the packed recurrent weights, and the product of every step.
//
// Sequences do not depend on each other, so a member takes some of them through all steps and meets nobody. Where there
// are too few, members share the hidden units instead, and meet once a step, because each product needs all of them. Rows
// of the scratch memory belong to sequences: a member's lie side by side, the longest sequence first, so that those that
// still run are the first few.
#pragma once

#include "cpu/gemm_tiles.h"
#include "cpu/pack_panel.h"
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
    const TileFunction<T> functions[2] = {tiles.taller ? tile_function<T>(true, tiles.rows(0), width) : nullptr,
                                          tile_function<T>(true, static_cast<int>(tiles.height), width)};
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

template <typename T>
TILEGRAD_INLINE void copy_units(const T* from, T* to, int64_t units) {
  for (int64_t j = 0; j < units; ++j) to[j] = from[j];
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
  // The row of a sequence's step in arrays of one row a step, and that of the state before it (or after the step before)
  // in `states`.
  int64_t row(int64_t n, int64_t step) const { return time(n, step) * p.N + n; }
  int64_t state_row_before(int64_t n, int64_t step) const { return (p.reverse ? length(n) - step : step) * p.N + n; }
  int64_t time(int64_t n, int64_t step) const { return p.reverse ? length(n) - 1 - step : step; }
  // Steps that this member makes: all that anybody makes where it meets others.
  int64_t steps() const {
    if (p.N == 0 || (rows == 0 && !meets)) return 0;
    return length(meets ? (lengths ? order[0] : 0) : sequence(0));
  }

  // Where others read this member's states, they may still be at the step before: there are two buffers.
  T* state(int64_t i, int64_t step) const { return states + (meets ? step & 1 : 0) * p.N * state_row + i * state_row; }
  T* sum(int64_t i) const { return sums + i * sum_row; }
  T* carried(int64_t i) const { return carry + i * vectors * L; }
  // The state before a sequence's step, and the cell.
  const T* state_before(const T* all, const T* initial, int64_t n, int64_t step) const {
    return step > 0 ? all + state_row_before(n, step) * p.H : initial ? initial + n * p.H : zeros;
  }
  const T* cell_before(const T* all, const T* initial, int64_t n, int64_t step) const {
    return step > 0 ? all + row(n, step - 1) * p.H : initial ? initial + n * p.H : zeros;
  }
  // The gradient that came to a step's output.
  const T* gradient(const T* dy, int64_t n, int64_t step) const {
    return dy ? dy + n * p.dy_n_step + time(n, step) * p.dy_t_step + first : zeros;
  }

  // The products of the first `active` rows of states.
  void multiply(int64_t active, int64_t step) const {
    multiply_packed(active, backward ? vectors : gates * vectors, backward ? gates * p.H : p.H, state(0, step),
                    state_row, weights, sums, sum_row);
  }

  // The state before a step, into `earlier` if there is one.
  void put_earlier(const T* all, const T* initial, int64_t n, int64_t step, T* earlier) const {
    if (!earlier) return;
    copy_units(state_before(all, initial, n, step) + first, earlier + row(n, step) * p.H + first, units);
  }

  // Zeros in this member's hidden units of a [., N, width] array, from number length + after of each sequence to `end`.
  void clear_rest(T* array, int64_t width, int64_t after, int64_t end) const {
    if (!lengths || !array) return;
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t n = sequence(i);
      for (int64_t t = lengths[n] + after; t < end; ++t) {
        for (int64_t gate = 0; gate < width; gate += p.H) {
          T* const from = array + (t * p.N + n) * width + gate + first;
          for (int64_t j = 0; j < units; ++j) from[j] = T(0);
        }
      }
    }
  }
  void clear_rest(T* array, int64_t width) const { clear_rest(array, width, 0, p.T); }

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

// All steps forward. initial: [N, H] or null; all: the states, see params/recurrent.h; last: [N, H].
// cell(i, n, step, h, out): makes the step of sequence n, whose products are part.sum(i), and writes the new state to h
// and to out.
template <typename T, typename Cell>
TILEGRAD_INLINE void run_forward(const Team& team, const RecurrentPart<T>& part, const T* initial, T* all, T* last,
                                 Cell cell) {
  const int64_t H = part.p.H;
  const bool keeps = !(part.lengths && part.p.reverse);  // the initial states in `all`
  for (int64_t i = 0; i < part.rows; ++i) {
    const int64_t n = part.sequence(i);
    const T* const from = part.state_before(all, initial, n, 0) + part.first;
    copy_units(from, part.state(i, 0) + part.first, part.units);
    if (keeps) copy_units(from, all + part.state_row_before(n, 0) * H + part.first, part.units);
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
      for (int64_t i = 0; i < active; ++i) {
        const int64_t n = part.sequence(i);
        cell(i, n, step, part.state(i, step + 1) + part.first,
             all + part.state_row_before(n, step + 1) * H + part.first);
      }
    }
    if (part.meets) team.barrier();
  }
  part.clear_rest(all, H, keeps ? 1 : 0, part.p.T + 1);
  for (int64_t i = 0; i < part.rows; ++i) {
    const int64_t n = part.sequence(i);
    copy_units(part.state_before(all, initial, n, part.length(n)) + part.first, last + n * H + part.first, part.units);
  }
}

// All steps backward. dy: the gradient of the outputs or null; dlast: that of the last states, [N, H] or null; dinitial:
// that of the initial ones, or null. cell(i, n, step, dout, dh, d): makes the step of sequence n. dout and dh are the
// gradients of the state after it, from its output and from the step behind; it writes the gradients of the gates' sums to
// d, at distances of H, which the product with the transposed weights takes to the state before. What else goes there is
// in part.carried(i) if the cell carries.
template <typename T, typename Cell>
TILEGRAD_INLINE void run_backward(const Team& team, const RecurrentPart<T>& part, const T* dy, const T* dlast,
                                  T* dinitial, bool carries, Cell cell) {
  const int64_t H = part.p.H;
  for (int64_t i = 0; i < part.rows; ++i) {
    const T* from = dlast ? dlast + part.sequence(i) * H : part.zeros;
    copy_units(from + part.first, part.sum(i), part.units);
  }
  int64_t active = 0;
  for (int64_t step = part.steps() - 1; step >= 0; --step) {
    while (active < part.rows && part.length(part.sequence(active)) > step) ++active;
    if (part.units > 0) {
      for (int64_t i = 0; i < active; ++i) {
        const int64_t n = part.sequence(i);
        if (dy && i + 1 < active) {  // its rows may lie far apart
          const T* const next = part.gradient(dy, part.sequence(i + 1), step);
          for (int64_t j = 0; j < part.units; j += kCacheLine / static_cast<int64_t>(sizeof(T))) prefetch(next + j);
        }
        cell(i, n, step, part.gradient(dy, n, step), static_cast<const T*>(part.sum(i)),
             part.state(i, step) + part.first);
      }
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
