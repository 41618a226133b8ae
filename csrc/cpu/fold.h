// Folds (sums, products, maxima, ...) of sequences, in the order that sum_order.h states, and over any axes of an array.
#pragma once

#include "cpu/isa.h"
#include "cpu/walk.h"
#include "params/reduce.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

inline constexpr int64_t kFoldChunk = 1024;
inline constexpr int kFoldLanes = 16;
// Sequences that run at once where there are so many: one alone waits for the latency of its operation.
inline constexpr int kFoldStreams = 4;
// Columns that are folded side by side: their lanes fill a part of the L1 cache.
inline constexpr int64_t kFoldColumns = 64;

// The lanes of a fold, joined as a tree.
template <typename Part, typename Join>
TILEGRAD_INLINE Part join_lanes(Part (&lane)[kFoldLanes], Join join) {
  for (int half = kFoldLanes / 2; half > 0; half /= 2) {
    for (int l = 0; l < half; ++l) lane[l] = join(lane[l], lane[l + half]);
  }
  return lane[0];
}

// results[s] = the fold of f(s, 0) ... f(s, count - 1), for count <= kFoldChunk.
template <typename Part, int kStreams, typename Join, typename F>
TILEGRAD_INLINE void fold_chunks(int64_t count, Part identity, Part (&results)[kStreams], Join join, F f) {
  Part lane[kStreams][kFoldLanes];
  for (int s = 0; s < kStreams; ++s) {
    for (int l = 0; l < kFoldLanes; ++l) lane[s][l] = identity;
  }
  const int64_t whole = count - count % kFoldLanes;
  for (int64_t i = 0; i < whole; i += kFoldLanes) {
#pragma GCC unroll 4
    for (int s = 0; s < kStreams; ++s) {
#pragma omp simd
      for (int l = 0; l < kFoldLanes; ++l) lane[s][l] = join(lane[s][l], f(s, i + l));
    }
  }
#pragma GCC unroll 4
  for (int s = 0; s < kStreams; ++s) {
    for (int64_t i = whole; i < count; ++i) lane[s][i - whole] = join(lane[s][i - whole], f(s, i));
    results[s] = join_lanes(lane[s], join);
  }
}

// results[c] = the fold of f(0, c) ... f(count - 1, c), for columns <= kFoldColumns.
template <typename Part, typename Join, typename F>
TILEGRAD_INLINE void fold_chunk_columns(int64_t count, int64_t columns, Part identity, Part* results, Join join, F f) {
  Part lane[kFoldLanes][kFoldColumns];
  for (int l = 0; l < kFoldLanes; ++l) {
#pragma omp simd
    for (int64_t c = 0; c < columns; ++c) lane[l][c] = identity;
  }
  int64_t i = 0;
  for (; i + 4 * kFoldLanes <= count; i += 4 * kFoldLanes) {
    for (int l = 0; l < kFoldLanes; ++l) {
      Part* own = lane[l];
      const int64_t a = i + l, b = a + kFoldLanes, d = b + kFoldLanes, e = d + kFoldLanes;
#pragma omp simd
      for (int64_t c = 0; c < columns; ++c) {
        own[c] = join(join(join(join(own[c], f(a, c)), f(b, c)), f(d, c)), f(e, c));
      }
    }
  }
  for (; i < count; ++i) {
    Part* own = lane[i % kFoldLanes];
#pragma omp simd
    for (int64_t c = 0; c < columns; ++c) own[c] = join(own[c], f(i, c));
  }
  for (int half = kFoldLanes / 2; half > 0; half /= 2) {
    for (int l = 0; l < half; ++l) {
#pragma omp simd
      for (int64_t c = 0; c < columns; ++c) lane[l][c] = join(lane[l][c], lane[l + half][c]);
    }
  }
#pragma omp simd
  for (int64_t c = 0; c < columns; ++c) results[c] = lane[0][c];
}

// A fold over axes is a struct with
//
//     using Part = ...;                                   // what is folded
//     static Part identity();
//     static Part join(Part, Part);
//     Part map(T x, int64_t output) const;                // an element of that output
//     struct Total { void add(Part); ... };               // parts of chunks, in ascending order
//     void finish(int64_t output, const Total&) const;    // writes the output
template <typename T, typename Fold>
struct AxisFold {
  using Part = typename Fold::Part;
  const Reduce& p;
  const T* x;
  const Fold& fold;
  Part* partial;  // [output][chunk], or null
  int64_t chunks;

  // Out of line: their vectorised loops are most of the code, and are called for a chunk at a time.
  [[gnu::noinline]] Part one(int64_t count, const T* at, int64_t output) const {
    Part part[1];
    fold_chunks(count, Fold::identity(), part, Fold::join, [&](int, int64_t i) { return fold.map(at[i], output); });
    return part[0];
  }
  // Four rows, of one output (step 0) or of neighbouring outputs (step 1).
  [[gnu::noinline]] void four(int64_t count, const T* const* at, int64_t output, int64_t step, Part (&parts)[4]) const {
    const T *a = at[0], *b = at[1], *c = at[2], *d = at[3];
    fold_chunks(count, Fold::identity(), parts, Fold::join, [&](int s, int64_t i) {
      return fold.map((s == 0 ? a : s == 1 ? b : s == 2 ? c : d)[i], output + s * step);
    });
  }

  // Where `count` elements of the sequence at `from` lie one after the other: there, or copied to `room`.
  TILEGRAD_INLINE const T* dense(const T* from, int64_t begin, int64_t count, T* room) const {
    if (is_dense(p.inner)) return from + begin;
    int64_t offsets[kFoldChunk];
    offsets_of(p.inner, begin, count, offsets);
    for (int64_t i = 0; i < count; ++i) room[i] = from[offsets[i]];
    return room;
  }

  // Outputs of one chunk each: several at a time.
  void short_rows(const Team& team) const {
    const Range mine = team.share(p.outer.numel, kFoldStreams);
    if (mine.begin == mine.end) return;
    const int64_t count = p.inner.numel;
    T room[kFoldStreams][kFoldChunk];
    Walk walk(p.outer, mine.begin);
    for (int64_t o = mine.begin; o < mine.end; o += kFoldStreams) {
      const int rows = static_cast<int>(smaller<int64_t>(kFoldStreams, mine.end - o));
      const T* at[kFoldStreams];
      Part parts[kFoldStreams] = {};
      for (int s = 0; s < rows; ++s, walk.next()) at[s] = dense(x + walk.offset, 0, count, room[s]);
      if (rows == kFoldStreams) {
        four(count, at, o, 1, parts);
      } else {
        for (int s = 0; s < rows; ++s) parts[s] = one(count, at[s], o + s);
      }
      for (int s = 0; s < rows; ++s) {
        typename Fold::Total total;
        total.add(parts[s]);
        fold.finish(o + s, total);
      }
    }
  }

  // Calls at(chunk, part) for the chunks [first, last) of an output.
  template <typename At>
  TILEGRAD_INLINE void chunk_range(int64_t output, int64_t first, int64_t last, At at) const {
    const T* from = x + Walk(p.outer, output).offset;
    T room[kFoldStreams][kFoldChunk];
    int64_t chunk = first;
    while (chunk < last) {
      if (chunk + kFoldStreams <= last && (chunk + kFoldStreams) * kFoldChunk <= p.inner.numel) {
        const T* rows[kFoldStreams];
        Part parts[kFoldStreams];
        for (int s = 0; s < kFoldStreams; ++s) rows[s] = dense(from, (chunk + s) * kFoldChunk, kFoldChunk, room[s]);
        four(kFoldChunk, rows, output, 0, parts);
        for (int s = 0; s < kFoldStreams; ++s) at(chunk + s, parts[s]);
        chunk += kFoldStreams;
      } else {
        const int64_t begin = chunk * kFoldChunk, count = smaller(kFoldChunk, p.inner.numel - begin);
        at(chunk, one(count, dense(from, begin, count, room[0]), output));
        ++chunk;
      }
    }
  }

  // Long rows: the team shares the outputs, or, where they are few (there is `partial`), their chunks.
  void long_rows(const Team& team) const {
    if (!partial || team.size == 1) {
      const Range mine = team.share(p.outer.numel);
      for (int64_t o = mine.begin; o < mine.end; ++o) {
        typename Fold::Total total;
        chunk_range(o, 0, chunks, [&](int64_t, Part part) { total.add(part); });
        fold.finish(o, total);
      }
      return;
    }
    const Range mine = team.share(p.outer.numel * chunks);
    for (int64_t item = mine.begin; item < mine.end;) {
      const int64_t o = item / chunks, first = item % chunks, last = smaller(chunks, first + (mine.end - item));
      chunk_range(o, first, last, [&](int64_t c, Part part) { partial[o * chunks + c] = part; });
      item += last - first;
    }
    add_partial(team);
  }

  void add_partial(const Team& team) const {
    team.barrier();
    const Range mine = team.share(p.outer.numel);
    for (int64_t o = mine.begin; o < mine.end; ++o) {
      typename Fold::Total total;
      for (int64_t c = 0; c < chunks; ++c) total.add(partial[o * chunks + c]);
      fold.finish(o, total);
    }
  }

  [[gnu::noinline]] void column_block(int64_t first, int64_t columns, int64_t chunk, Part* parts) const {
    int64_t rows[kFoldChunk];
    const int64_t begin = chunk * kFoldChunk, count = smaller(kFoldChunk, p.inner.numel - begin);
    offsets_of(p.inner, begin, count, rows);
    const T* base = x + Walk(p.outer, first).offset;
    fold_chunk_columns(count, columns, Fold::identity(), parts, Fold::join,
                       [&](int64_t i, int64_t c) { return fold.map(base[rows[i] + c], first + c); });
  }

  // Outputs that lie side by side: blocks of columns, each walked down its rows.
  void columns(const Team& team) const {
    const int64_t width = p.outer.shape[p.outer.ndim - 1];
    const int64_t blocks = ceil_div(width, kFoldColumns), groups = p.outer.numel / width * blocks;
    Part parts[kFoldColumns];
    const bool split = partial && team.size > 1;
    const Range mine = team.share(split ? groups * chunks : groups);
    for (int64_t item = mine.begin; item < mine.end; ++item) {
      const int64_t group = split ? item / chunks : item;
      const int64_t start = group % blocks * kFoldColumns, first = group / blocks * width + start;
      const int64_t count = smaller(kFoldColumns, width - start);
      if (split) {
        column_block(first, count, item % chunks, parts);
        for (int64_t c = 0; c < count; ++c) partial[(first + c) * chunks + item % chunks] = parts[c];
      } else {
        typename Fold::Total totals[kFoldColumns];
        for (int64_t chunk = 0; chunk < chunks; ++chunk) {
          column_block(first, count, chunk, parts);
          for (int64_t c = 0; c < count; ++c) totals[c].add(parts[c]);
        }
        for (int64_t c = 0; c < count; ++c) fold.finish(first + c, totals[c]);
      }
    }
    if (split) add_partial(team);
  }
};

// Whether neighbouring outputs lie side by side in x and the elements of one do not.
TILEGRAD_INLINE bool runs_down_columns(const Reduce& p) {
  return p.outer.ndim > 0 && p.outer.stride[0][p.outer.ndim - 1] == 1 && !is_dense(p.inner);
}

// The workspace, where there is one, holds a Part for every chunk of every output.
template <typename T, typename Fold>
TILEGRAD_INLINE void fold_axes(const Team& team, const Reduce& p, const T* x, Workspace workspace, const Fold& fold) {
  const AxisFold<T, Fold> axes{p, x, fold, static_cast<typename Fold::Part*>(workspace.data),
                               ceil_div(p.inner.numel, kFoldChunk)};
  if (p.outer.numel == 0) return;
  if (axes.chunks == 0) {
    const Range mine = team.share(p.outer.numel);
    for (int64_t o = mine.begin; o < mine.end; ++o) fold.finish(o, typename Fold::Total());
  } else if (runs_down_columns(p)) {
    axes.columns(team);
  } else if (axes.chunks == 1) {
    axes.short_rows(team);
  } else {
    axes.long_rows(team);
  }
}

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
