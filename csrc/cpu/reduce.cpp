// Sums over any axes.
#include "cpu/sum_order.h"
#include "cpu/walk.h"
#include "params/reduce.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// Writes the elements of chunk `chunk` of the sequence that starts at x one
// after the other.
template <typename T>
void gather_chunk(const LoopNest<1> &inner, const T *x, int64_t begin,
                  int64_t count, T *to) {
  int64_t offsets[kSumChunk];
  offsets_of(inner, begin, count, offsets);
  for (int64_t i = 0; i < count; ++i)
    to[i] = x[offsets[i]];
}

// The sums of up to kSumStreams sequences at once: chunks of one output or rows
// of several.
template <typename T>
TILEGRAD_INLINE void sum_streams(const LoopNest<1> &inner, const T *const *from,
                                 const int64_t *begin, int64_t count,
                                 int streams, T *sums) {
  T gathered[kSumStreams][kSumChunk];
  const T *at[kSumStreams];
  const bool dense = is_dense(inner);
  for (int s = 0; s < streams; ++s) {
    at[s] = from[s] + begin[s];
    if (!dense) {
      gather_chunk(inner, from[s], begin[s], count, gathered[s]);
      at[s] = gathered[s];
    }
  }
  if (streams == kSumStreams) {
    T all[kSumStreams];
    const T *a = at[0], *b = at[1], *c = at[2], *d = at[3];
    sum_chunks<T>(count, all, [=](int s, int64_t i) {
      return (s == 0 ? a : s == 1 ? b : s == 2 ? c : d)[i];
    });
    for (int s = 0; s < streams; ++s)
      sums[s] = all[s];
  } else {
    for (int s = 0; s < streams; ++s)
      sums[s] = sum_chunk<T>(count, [p = at[s]](int64_t i) { return p[i]; });
  }
}

// Outputs of one chunk each: several rows at a time.
template <typename T>
void sum_short_rows(const Team &team, const Reduce &p, const T *x, T *y) {
  const Range mine = team.share(p.outer.numel, kSumStreams);
  if (mine.begin == mine.end)
    return;
  Walk walk(p.outer, mine.begin);
  for (int64_t o = mine.begin; o < mine.end; o += kSumStreams) {
    const int streams =
        static_cast<int>(smaller<int64_t>(kSumStreams, mine.end - o));
    const T *from[kSumStreams];
    const int64_t begin[kSumStreams] = {};
    for (int s = 0; s < streams; ++s, walk.next())
      from[s] = x + walk.offset;
    T sums[kSumStreams] = {};
    sum_streams(p.inner, from, begin, p.inner.numel, streams, sums);
    for (int s = 0; s < streams; ++s) {
      SumTotal<T> total;
      total.add(sums[s]);
      y[o + s] = total.quotient(p.divisor);
    }
  }
}

// Calls at(chunk, sums, streams) for the chunks [first, last) of the output
// whose elements start at x.
template <typename T, typename At>
TILEGRAD_INLINE void sum_chunk_range(const Reduce &p, const T *x, int64_t first,
                                     int64_t last, At at) {
  int64_t chunk = first;
  while (chunk < last) {
    const bool quad = chunk + kSumStreams <= last &&
                      (chunk + kSumStreams) * kSumChunk <= p.inner.numel;
    const int streams = quad ? kSumStreams : 1;
    const T *from[kSumStreams];
    int64_t begin[kSumStreams];
    for (int s = 0; s < streams; ++s) {
      from[s] = x;
      begin[s] = (chunk + s) * kSumChunk;
    }
    T sums[kSumStreams] = {};
    sum_streams(p.inner, from, begin,
                smaller(kSumChunk, p.inner.numel - begin[0]), streams, sums);
    for (int s = 0; s < streams; ++s)
      at(chunk + s, sums[s]);
    chunk += streams;
  }
}

// Adds the partial sums [output][chunk] up.
template <typename T>
void add_chunks(const Team &team, const Reduce &p, const T *partial,
                int64_t chunks, T *y) {
  const Range mine = team.share(p.outer.numel);
  for (int64_t o = mine.begin; o < mine.end; ++o) {
    SumTotal<T> total;
    for (int64_t c = 0; c < chunks; ++c)
      total.add(partial[o * chunks + c]);
    y[o] = total.quotient(p.divisor);
  }
}

// Long rows: the team shares the outputs, or, where they are few (partial is
// there), their chunks.
template <typename T>
void sum_long_rows(const Team &team, const Reduce &p, const T *x, T *y,
                   T *partial, int64_t chunks) {
  if (!partial || team.size == 1) {
    const Range mine = team.share(p.outer.numel);
    for (int64_t o = mine.begin; o < mine.end; ++o) {
      SumTotal<T> total;
      sum_chunk_range(p, x + Walk(p.outer, o).offset, 0, chunks,
                      [&](int64_t, T sum) { total.add(sum); });
      y[o] = total.quotient(p.divisor);
    }
    return;
  }
  const Range mine = team.share(p.outer.numel * chunks);
  for (int64_t item = mine.begin; item < mine.end;) {
    const int64_t o = item / chunks, first = item % chunks,
                  last = smaller(chunks, first + (mine.end - item));
    sum_chunk_range(p, x + Walk(p.outer, o).offset, first, last,
                    [&](int64_t c, T sum) { partial[o * chunks + c] = sum; });
    item += last - first;
  }
  team.barrier();
  add_chunks(team, p, partial, chunks, y);
}

// Outputs that lie side by side: blocks of columns, each walked down its rows.
template <typename T>
void sum_columns(const Team &team, const Reduce &p, const T *x, T *y,
                 T *partial, int64_t chunks) {
  const int64_t width = p.outer.shape[p.outer.ndim - 1];
  const int64_t blocks = ceil_div(width, kSumColumns),
                groups = p.outer.numel / width * blocks;
  int64_t offsets[kSumChunk];
  T sums[kSumColumns];
  const auto sum_block = [&](int64_t first, int64_t columns, int64_t chunk) {
    const int64_t begin = chunk * kSumChunk,
                  count = smaller(kSumChunk, p.inner.numel - begin);
    offsets_of(p.inner, begin, count, offsets);
    const T *base = x + Walk(p.outer, first).offset;
    const int64_t *rows = offsets;
    sum_chunk_columns<T>(count, columns, sums, [=](int64_t i, int64_t c) {
      return base[rows[i] + c];
    });
  };
  const bool split = partial && team.size > 1;
  const Range mine = team.share(split ? groups * chunks : groups);
  for (int64_t item = mine.begin; item < mine.end; ++item) {
    const int64_t group = split ? item / chunks : item;
    const int64_t start = group % blocks * kSumColumns,
                  first = group / blocks * width + start;
    const int64_t columns = smaller(kSumColumns, width - start);
    if (split) {
      sum_block(first, columns, item % chunks);
      for (int64_t c = 0; c < columns; ++c)
        partial[(first + c) * chunks + item % chunks] = sums[c];
    } else {
      SumTotal<T> totals[kSumColumns];
      for (int64_t chunk = 0; chunk < chunks; ++chunk) {
        sum_block(first, columns, chunk);
        for (int64_t c = 0; c < columns; ++c)
          totals[c].add(sums[c]);
      }
      for (int64_t c = 0; c < columns; ++c)
        y[first + c] = totals[c].quotient(p.divisor);
    }
  }
  if (split) {
    team.barrier();
    add_chunks(team, p, partial, chunks, y);
  }
}

// The workspace, where there is one, holds a T for every chunk of every output.
template <typename T>
void sum(const Team &team, const Reduce &p, const T *x, T *y,
         Workspace workspace) {
  const int64_t chunks = ceil_div(p.inner.numel, kSumChunk);
  T *partial = static_cast<T *>(workspace.data);
  if (chunks == 0) {
    const Range mine = team.share(p.outer.numel);
    for (int64_t o = mine.begin; o < mine.end; ++o)
      y[o] = SumTotal<T>().quotient(p.divisor);
    return;
  }
  const bool side_by_side =
      p.outer.ndim > 0 && p.outer.stride[0][p.outer.ndim - 1] == 1;
  if (side_by_side && !is_dense(p.inner)) {
    sum_columns(team, p, x, y, partial, chunks);
  } else if (chunks == 1) {
    sum_short_rows(team, p, x, y);
  } else {
    sum_long_rows(team, p, x, y, partial, chunks);
  }
}

TILEGRAD_INLINE int64_t as_integer(Bool value) { return value.value; }
template <typename T> TILEGRAD_INLINE int64_t as_integer(T value) {
  return static_cast<int64_t>(value);
}

// Wraps around like NumPy's; exact, so in any order.
template <typename T>
void sum_integers(const Team &team, const Reduce &p, const T *x, int64_t *y) {
  const Range mine = team.share(p.outer.numel);
  for (int64_t o = mine.begin; o < mine.end; ++o) {
    const T *from = x + Walk(p.outer, o).offset;
    uint64_t total = 0;
    if (is_dense(p.inner)) {
#pragma omp simd reduction(+ : total)
      for (int64_t i = 0; i < p.inner.numel; ++i)
        total += static_cast<uint64_t>(as_integer(from[i]));
    } else {
      int64_t offsets[kSumChunk];
      for (int64_t begin = 0; begin < p.inner.numel; begin += kSumChunk) {
        const int64_t count = smaller(kSumChunk, p.inner.numel - begin);
        offsets_of(p.inner, begin, count, offsets);
        for (int64_t i = 0; i < count; ++i)
          total += static_cast<uint64_t>(as_integer(from[offsets[i]]));
      }
    }
    y[o] = static_cast<int64_t>(total);
  }
}

} // namespace
DEFINE_KERNEL(sum, FLOATING)
DEFINE_KERNEL(sum_integers, INTEGRAL)
} // namespace tilegrad::cpu::TILEGRAD_ISA
