// The first few of rows as a sort would leave them, in one pass: a short sorted list, and a look at blocks of elements for any
// that belong in it, of which there are ever fewer.
#include "cpu/isa.h"
#include "params/sort.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// Numbers in ascending order with NaN, all of them equal, behind the largest: the order of sort.cpp's keys, which take a third
// longer to make than elements to compare.
template <typename T>
TILEGRAD_INLINE bool less(T a, T b) {
  if constexpr (std::is_same_v<T, Bool>) {
    return a.value < b.value;
  } else if constexpr (std::is_floating_point_v<T>) {
    return (a < b) | ((b != b) & (a == a));
  } else {
    return a < b;
  }
}

// Whether a comes before b.
template <typename T>
TILEGRAD_INLINE bool before(T a, T b, bool descending) {
  return descending ? less(b, a) : less(a, b);
}

inline constexpr int64_t kLooked = 64;  // elements of a block

// Puts `value`, which comes before the last of `kept` values, in its place: behind those that are equal.
template <typename T>
TILEGRAD_INLINE void insert(T* values, int64_t* indices, int64_t kept, T value, int64_t index, bool descending) {
  int64_t k = kept - 1;
  for (; k > 0 && before(value, values[k - 1], descending); --k) {
    values[k] = values[k - 1];
    indices[k] = indices[k - 1];
  }
  values[k] = value;
  indices[k] = index;
}

template <bool kDescending, typename T>
TILEGRAD_INLINE void top_of_row(const T* x, int64_t length, int64_t kept, T* values, int64_t* indices) {
  for (int64_t i = 0; i < kept; ++i) insert(values, indices, i + 1, x[i], i, kDescending);
  for (int64_t i = kept; i < length;) {
    const int64_t end = smaller(i + kLooked, length);
    const T last = values[kept - 1];
    uint8_t found = 0;
#pragma omp simd reduction(| : found)
    for (int64_t k = i; k < end; ++k) found |= static_cast<uint8_t>(before(x[k], last, kDescending));
    for (int64_t k = i; found && k < end; ++k) {
      if (before(x[k], values[kept - 1], kDescending)) insert(values, indices, kept, x[k], k, kDescending);
    }
    i = end;
  }
}

template <typename T>
void top(const Team& team, const Top& p, const T* x, T* y, int64_t* indices) {
  const Range mine = team.share(p.rows);
  for (int64_t row = mine.begin; row < mine.end; ++row) {
    const T* from = x + row * p.length;
    T* to = y + row * p.kept;
    int64_t* where = indices + row * p.kept;
    if (p.descending) {
      top_of_row<true>(from, p.length, p.kept, to, where);
    } else {
      top_of_row<false>(from, p.length, p.kept, to, where);
    }
  }
}

}  // namespace
DEFINE_KERNEL(top, COMPARABLE)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
