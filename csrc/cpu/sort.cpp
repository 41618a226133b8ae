// Stable sorts of rows: insertion sort of short runs, then merges of ever longer ones.
#include "params/sort.h"
#include "cpu/isa.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

template <typename T>
struct Entry {
  T value;
  int64_t index;
};

// Numbers in ascending order with NaN, all of them equal, behind the largest.
template <typename T>
TILEGRAD_INLINE bool less(T a, T b) {
  if constexpr (std::is_same_v<T, Bool>) {
    return a.value < b.value;
  } else if constexpr (std::is_floating_point_v<T>) {
    return a < b || (b != b && a == a);
  } else {
    return a < b;
  }
}

inline constexpr int64_t kRun = 16;

template <typename T>
TILEGRAD_INLINE bool before(const Entry<T>& a, const Entry<T>& b, bool descending) {
  return descending ? less(b.value, a.value) : less(a.value, b.value);
}

template <typename T>
TILEGRAD_INLINE void sort_run(Entry<T>* run, int64_t length, bool descending) {
  for (int64_t i = 1; i < length; ++i) {
    const Entry<T> entry = run[i];
    int64_t k = i;
    for (; k > 0 && before(entry, run[k - 1], descending); --k) run[k] = run[k - 1];
    run[k] = entry;
  }
}

// Merges [begin, middle) and [middle, end): of equals, the left one comes first.
template <typename T>
TILEGRAD_INLINE void merge(const Entry<T>* from, Entry<T>* to, int64_t begin, int64_t middle, int64_t end,
                           bool descending) {
  int64_t left = begin, right = middle;
  for (int64_t i = begin; i < end; ++i) {
    const bool take_right = left == middle || (right < end && before(from[right], from[left], descending));
    to[i] = from[take_right ? right++ : left++];
  }
}

// The workspace holds two rows of entries for each member.
template <typename T>
void sort(const Team& team, const Sort& p, const T* x, T* y, int64_t* indices, Workspace workspace) {
  Entry<T>* from = static_cast<Entry<T>*>(workspace.data) + team.rank * 2 * p.length;
  Entry<T>* to = from + p.length;
  const Range mine = team.share(p.rows);
  for (int64_t row = mine.begin; row < mine.end; ++row) {
    for (int64_t i = 0; i < p.length; ++i) from[i] = {x[row * p.length + i], i};
    for (int64_t i = 0; i < p.length; i += kRun) sort_run(from + i, smaller(kRun, p.length - i), p.descending);
    for (int64_t width = kRun; width < p.length; width *= 2) {
      for (int64_t i = 0; i < p.length; i += 2 * width) {
        merge(from, to, i, smaller(i + width, p.length), smaller(i + 2 * width, p.length), p.descending);
      }
      Entry<T>* merged = to;
      to = from;
      from = merged;
    }
    for (int64_t i = 0; i < p.length; ++i) {
      y[row * p.length + i] = from[i].value;
      indices[row * p.length + i] = from[i].index;
    }
  }
}

}  // namespace
DEFINE_KERNEL(sort, COMPARABLE)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
