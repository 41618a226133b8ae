// Stable sorts of rows by radix: elements become unsigned keys in the same order, and keys are dealt out by one byte after the
// other, from the lowest to the highest.
#include "params/sort.h"
#include "cpu/word.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

template <typename T>
using Key = Word<T>;

// Equal elements have equal keys: both zeros, and all NaNs, which come behind the largest number.
template <typename T>
TILEGRAD_INLINE Key<T> key_of(T value) {
  constexpr Key<T> kTop = static_cast<Key<T>>(Key<T>{1} << (8 * sizeof(T) - 1));
  if constexpr (std::is_floating_point_v<T>) {
    const Key<T> bits = __builtin_bit_cast(Key<T>, value + T(0));  // -0 + 0 is 0
    const Key<T> key = bits & kTop ? ~bits : bits | kTop;
    return value != value ? static_cast<Key<T>>(~Key<T>{0}) : key;
  } else if constexpr (std::is_signed_v<T>) {
    return static_cast<Key<T>>(value) ^ kTop;
  } else {
    return __builtin_bit_cast(Key<T>, value);
  }
}

template <typename K>
struct Entry {
  K key;
  uint32_t index;
};

// Rows this long are sorted by insertion: to count 256 buckets takes longer.
inline constexpr int64_t kShortSort = 32;

template <typename K>
TILEGRAD_INLINE void sort_by_insertion(Entry<K>* row, int64_t length) {
  for (int64_t i = 1; i < length; ++i) {
    const Entry<K> entry = row[i];
    int64_t k = i;
    for (; k > 0 && entry.key < row[k - 1].key; --k) row[k] = row[k - 1];
    row[k] = entry;
  }
}

// Sorts `from`, with as much room at `room`: returns where the sorted entries are. Bytes that all keys share are passed over.
template <typename K>
[[gnu::noinline]] Entry<K>* sort_by_radix(Entry<K>* from, Entry<K>* room, int64_t length) {
  constexpr int kBytes = static_cast<int>(sizeof(K));
  const auto digit = [](K key, int byte) { return static_cast<uint8_t>(key >> (8 * byte)); };
  uint32_t starts[kBytes][256] = {};
  for (int64_t i = 0; i < length; ++i) {
    for (int byte = 0; byte < kBytes; ++byte) ++starts[byte][digit(from[i].key, byte)];
  }
  for (int byte = 0; byte < kBytes; ++byte) {
    if (starts[byte][digit(from[0].key, byte)] == length) continue;
    uint32_t begin = 0;
    for (uint32_t& start : starts[byte]) {
      const uint32_t count = start;
      start = begin;
      begin += count;
    }
    for (int64_t i = 0; i < length; ++i) room[starts[byte][digit(from[i].key, byte)]++] = from[i];
    Entry<K>* const sorted = room;
    room = from;
    from = sorted;
  }
  return from;
}

// The workspace holds two rows of entries for each member.
template <typename T>
void sort(const Team& team, const Sort& p, const T* x, T* y, int64_t* indices, Workspace workspace) {
  Entry<Key<T>>* const room = static_cast<Entry<Key<T>>*>(workspace.data) + team.rank * 2 * p.length;
  const Range mine = team.share(p.rows);
  for (int64_t row = mine.begin; row < mine.end; ++row) {
    const T* from = x + row * p.length;
    Entry<Key<T>>* sorted = room;
    for (int64_t i = 0; i < p.length; ++i) {
      const Key<T> key = key_of(from[i]);
      sorted[i] = {p.descending ? static_cast<Key<T>>(~key) : key, static_cast<uint32_t>(i)};
    }
    if (p.length <= kShortSort) {
      sort_by_insertion(sorted, p.length);
    } else {
      sorted = sort_by_radix(sorted, room + p.length, p.length);
    }
    for (int64_t i = 0; i < p.length; ++i) {
      y[row * p.length + i] = from[sorted[i].index];
      indices[row * p.length + i] = sorted[i].index;
    }
  }
}

}  // namespace
DEFINE_KERNEL(sort, COMPARABLE)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
