// Folds (sums, products, maxima, ...) of sequences, in the order that sum_order.h states, and over any axes of an array.
#pragma once

#include "cpu/prefetch.h"
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
// Where memory is slower than that latency, one stream is read faster than several: long sequences of arrays that leave the L2
// cache run one after the other.
inline constexpr int64_t kFoldCached = int64_t{1} << 20, kFoldLong = kFoldChunk / 2;
#if defined(__AVX512F__)
inline constexpr int kFoldAlone = 1;
#else
inline constexpr int kFoldAlone = 2;
#endif

// The lanes of a fold, joined as a tree. The compiler knows the size of each half: it is a vector, where a loop over halves of
// any size would be one of single lanes.
template <int kLeft, int kCount, typename Part, typename Join>
TILEGRAD_INLINE void join_halves(Part (&lane)[kCount], Join join) {
#pragma omp simd
  for (int l = 0; l < kLeft / 2; ++l) lane[l] = join(lane[l], lane[l + kLeft / 2]);
  if constexpr (kLeft > 2) join_halves<kLeft / 2>(lane, join);
}
template <int kCount, typename Part, typename Join>
TILEGRAD_INLINE Part join_lanes(Part (&lane)[kCount], Join join) {
  join_halves<kCount>(lane, join);
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

// results[c] = the fold of f(0, c) ... f(count - 1, c), for columns <= kFoldColumns. fetch(i) is called for rows that are
// needed soon.
template <typename Part, typename Join, typename F, typename Fetch>
TILEGRAD_INLINE void fold_chunk_columns(int64_t count, int64_t columns, Part identity, Part* results, Join join, F f,
                                        Fetch fetch) {
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
      for (int64_t next = a + 4 * kFoldLanes; next < smaller(count, a + 8 * kFoldLanes); next += kFoldLanes)
        fetch(next);
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

template <typename T>
struct FoldRoom {
  T row[kFoldChunk];
};

// Elements [begin, begin + count) of the sequence at `from` where they are not one run: copied to `room`, or where they are
// if they are a run after all. `end` is behind the last element in memory: what is read by vectors must end before it.
template <typename T>
[[gnu::noinline]] const T* row_of_runs(const LoopNest<1>& inner, const T* from, const T* end, int64_t begin,
                                       int64_t count, FoldRoom<T>& room) {
  const int last = inner.ndim - 1;
  const int64_t step = last >= 0 ? inner.stride[0][last] : 1;
  const bool has_runs = last >= 0 && (step == 1 || step == 0);  // 0: one element, repeated
  Walk walk(inner, begin);
  for (int64_t i = 0; i < count;) {
    const T* at = from + walk.offset;
    const int64_t run = has_runs ? smaller(count - i, inner.shape[last] - walk.index[last]) : 1;
    if (run == count && step == 1 && round_up(count, kFoldLanes) <= end - at) return at;
    if (step == 0) {
      for (int64_t k = 0; k < run; ++k) room.row[i + k] = *at;
    } else {
      for (int64_t k = 0; k < run; ++k) room.row[i + k] = at[k];
    }
    i += run;
    if (has_runs) walk.advance_in_run(run - 1);
    walk.next();
  }
  return room.row;
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
  using Total = typename Fold::Total;
  const Reduce& p;
  const T* x;
  const Fold& fold;
  Part* partial;  // [output][chunk], or null
  int64_t chunks;
  const T* end;  // behind the last element in memory
  bool alone;    // one sequence at a time

  // parts[s] = the fold of `count` elements at rows[s], for output + s * step. All lanes of the last vector are read. Memory
  // that is needed soon is fetched: what lies `ahead` elements on.
  template <int kStreams>
  TILEGRAD_INLINE void fold_rows(int64_t count, const T* const* rows, int64_t ahead, int64_t output, int64_t step,
                                 Part none, Part* parts) const {
    const T* at[kStreams];
    for (int s = 0; s < kStreams; ++s) at[s] = rows[s];
    Part lane[kStreams][kFoldLanes];
#pragma GCC unroll 4
    for (int s = 0; s < kStreams; ++s) {
#pragma omp simd
      for (int l = 0; l < kFoldLanes; ++l) lane[s][l] = none;
    }
    int64_t i = 0;
    for (; i + kFoldLanes <= count; i += kFoldLanes) {
#pragma GCC unroll 4
      for (int s = 0; s < kStreams; ++s) {
        prefetch(at[s] + i + ahead);
#pragma omp simd
        for (int l = 0; l < kFoldLanes; ++l) {
          lane[s][l] = Fold::join(lane[s][l], fold.map(at[s][i + l], output + s * step));
        }
      }
    }
    if (i < count) {
      const int rest = static_cast<int>(count - i);
      for (int s = 0; s < kStreams; ++s) prefetch(at[s] + i + ahead);
#pragma GCC unroll 4
      for (int s = 0; s < kStreams; ++s) {
#pragma omp simd
        for (int l = 0; l < kFoldLanes; ++l) {
          const Part next = Fold::join(lane[s][l], fold.map(at[s][i + l], output + s * step));
          lane[s][l] = l < rest ? next : lane[s][l];
        }
      }
    }
#pragma GCC unroll 4
    for (int s = 0; s < kStreams; ++s) parts[s] = join_lanes(lane[s], Fold::join);
  }

  // parts[s] = the fold of row at[s], for output + s * step, of `rows` rows: of one output (step 0) or of neighbours (step 1).
  // Out of line: the vectorised loops are most of the code, and are called for a chunk of several rows at a time.
  [[gnu::noinline]] void block(int64_t count, const T* const* at, int rows, int64_t output, int64_t step,
                               Part* parts) const {
    Part none = Fold::identity();
    asm("" : "+m"(none));  // a zero that it knew gcc would write by a string instruction, which takes long to begin
    int s = 0;
    if (!alone && rows >= kFoldStreams) {
      const int64_t together = larger<int64_t>(kFoldStreams * (at[1] - at[0]), 1);
      const int64_t ahead = together * ceil_div(kFoldChunk, together);
      for (; s + kFoldStreams <= rows; s += kFoldStreams) {
        fold_rows<kFoldStreams>(count, at + s, ahead, output + s * step, step, none, parts + s);
      }
    }
    for (; kFoldAlone > 1 && s + kFoldAlone <= rows; s += kFoldAlone) {
      fold_rows<kFoldAlone>(count, at + s, 4 * kFoldChunk, output + s * step, step, none, parts + s);
    }
    for (; s < rows; ++s) fold_rows<1>(count, at + s, 4 * kFoldChunk, output + s * step, step, none, parts + s);
  }

  // Elements [begin, begin + count) of the sequence at `from`, one after the other: where they are, or copied to `room`.
  TILEGRAD_INLINE const T* row(const T* from, int64_t begin, int64_t count, FoldRoom<T>& room) const {
    return is_dense(p.inner) && round_up(count, kFoldLanes) <= end - (from + begin)
               ? from + begin
               : row_of_runs(p.inner, from, end, begin, count, room);
  }

  // Outputs: those of one chunk that lie in memory as they are summed in blocks, others as many at a time as run at once.
  void rows(Range mine) const {
    if (mine.begin == mine.end) return;
    constexpr int kBlock = 16;
    FoldRoom<T> room[kFoldStreams];
    Walk walk(p.outer, mine.begin);
    const int last = p.outer.ndim - 1;
    const int64_t stride = last < 0 ? 0 : p.outer.stride[0][last];
    const T* reach = is_dense(p.inner) && chunks == 1 ? end - round_up(p.inner.numel, kFoldLanes) : nullptr;
    for (int64_t o = mine.begin; o < mine.end;) {
      const T* from = x + walk.offset;
      int64_t count =
          last < 0 ? 1 : smaller(smaller<int64_t>(kBlock, mine.end - o), p.outer.shape[last] - walk.index[last]);
      const bool in_place = larger(from, from + (count - 1) * stride) <= reach;
      if (!in_place) count = smaller<int64_t>(count, alone ? 1 : kFoldStreams);
      const T* at[kBlock];
      Total totals[kBlock];
      Part parts[kBlock];
      for (int64_t begin = 0; begin < p.inner.numel;) {
        const int64_t left = p.inner.numel - begin, length = smaller(kFoldChunk, left);
        if (count == 1 && left >= 2 * kFoldChunk) {  // of one output several chunks at a time
          const int few = static_cast<int>(smaller<int64_t>(left / kFoldChunk, kFoldStreams));
          for (int s = 0; s < few; ++s) at[s] = row(from, begin + s * kFoldChunk, kFoldChunk, room[s]);
          block(kFoldChunk, at, few, o, 0, parts);
          for (int s = 0; s < few; ++s) totals[0].add(parts[s]);
          begin += few * kFoldChunk;
          continue;
        }
        for (int64_t s = 0; s < count; ++s) {
          at[s] = in_place ? from + s * stride : row(from + s * stride, begin, length, room[s]);
        }
        block(length, at, static_cast<int>(count), o, 1, parts);
#pragma omp simd
        for (int64_t s = 0; s < count; ++s) totals[s].add(parts[s]);
        begin += kFoldChunk;
      }
#pragma omp simd
      for (int64_t s = 0; s < count; ++s) fold.finish(o + s, totals[s]);
      o += count;
      if (o < mine.end) {
        if (last >= 0) walk.advance_in_run(count - 1);
        walk.next();
      }
    }
  }

  // The chunks of few long outputs, shared by a team: several of one output at a time.
  void chunks_of_rows(const Team& team) const {
    FoldRoom<T> room[kFoldStreams];
    const Range mine = team.share(p.outer.numel * chunks);
    for (int64_t item = mine.begin; item < mine.end;) {
      const int64_t o = item / chunks, chunk = item % chunks, begin = chunk * kFoldChunk;
      const T *from = x + Walk(p.outer, o).offset, *at[kFoldStreams];
      const int64_t whole = smaller(mine.end - item, p.inner.numel / kFoldChunk - chunk);  // chunks of full length
      const int64_t length = whole > 0 ? kFoldChunk : p.inner.numel - begin;
      const int count = static_cast<int>(smaller<int64_t>(larger<int64_t>(whole, 1), kFoldStreams));
      for (int s = 0; s < count; ++s) at[s] = row(from, begin + s * kFoldChunk, length, room[s]);
      block(length, at, count, o, 0, partial + item);
      item += count;
    }
    add_partial(team);
  }

  void add_partial(const Team& team) const {
    team.barrier();
    const Range mine = team.share(p.outer.numel);
    for (int64_t o = mine.begin; o < mine.end; ++o) {
      Total total;
      for (int64_t c = 0; c < chunks; ++c) total.add(partial[o * chunks + c]);
      fold.finish(o, total);
    }
  }

  [[gnu::noinline]] void column_block(int64_t first, int64_t columns, int64_t chunk, Part* parts) const {
    int64_t rows[kFoldChunk];
    const int64_t begin = chunk * kFoldChunk, count = smaller(kFoldChunk, p.inner.numel - begin);
    offsets_of(p.inner, begin, count, rows);
    const T* base = x + Walk(p.outer, first).offset;
    fold_chunk_columns(
        count, columns, Fold::identity(), parts, Fold::join,
        [&](int64_t i, int64_t c) { return fold.map(base[rows[i] + c], first + c); },
        [&](int64_t i) {
          for (int64_t c = 0; c < columns; c += kCacheLine / static_cast<int64_t>(sizeof(T))) {
            prefetch(base + rows[i] + c);
          }
        });
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
        Total totals[kFoldColumns];
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
  const AxisFold<T, Fold> axes{
      p,
      x,
      fold,
      static_cast<typename Fold::Part*>(workspace.data),
      ceil_div(p.inner.numel, kFoldChunk),
      x + last_offset(p.outer) + last_offset(p.inner) + 1,
      p.inner.numel >= kFoldLong && p.outer.numel * p.inner.numel * static_cast<int64_t>(sizeof(T)) >= kFoldCached};
  if (p.outer.numel == 0) return;
  if (axes.chunks == 0) {
    const Range mine = team.share(p.outer.numel);
    for (int64_t o = mine.begin; o < mine.end; ++o) fold.finish(o, typename Fold::Total());
  } else if (runs_down_columns(p)) {
    axes.columns(team);
  } else if (axes.partial && team.size > 1 && p.outer.numel < kFoldStreams * team.size) {
    axes.chunks_of_rows(team);
  } else {
    axes.rows(team.share(p.outer.numel, kFoldStreams));
  }
}

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
